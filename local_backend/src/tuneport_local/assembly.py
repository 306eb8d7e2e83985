"""The parts a trainer is put together from: the adapters, the batches, trl's arguments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.errors import RecipeError
from tuneport_local import attention
from tuneport_local.batches import labels, packed, padded
from tuneport_local.hardware import Fit, Hardware
from tuneport_local.loading import torch_dtype
from tuneport_local.rendering import RenderedRow
from tuneport_local.spec import TrainingSpec

if TYPE_CHECKING:
    from tuneport_local.joblog import JobLog

_SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


def adapted(model: Any, spec: TrainingSpec, machine: Hardware, *, base_name: str) -> Any:
    """`model` with fresh adapters, the same for the same seed, in the adapters' own precision; everything else frozen.

    Raises RecipeError when `targets` name no layer of the model.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    set_seed(spec.seed)
    targets = spec.lora.targets
    config = LoraConfig(
        r=spec.lora.rank,
        lora_alpha=spec.lora.alpha,
        lora_dropout=spec.lora.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type="CAUSAL_LM",
    )
    try:
        tuned: Any = get_peft_model(model, config, autocast_adapter_dtype=False)
    except ValueError:
        layers = sorted({name.rpartition(".")[2] for name, module in model.named_modules() if type(module).__name__ == "Linear"})
        raise RecipeError(
            f"lora.targets {targets!r} name no layer of {spec.base}.", remedy=f"Its linear layers: {', '.join(layers)}."
        ) from None
    config.base_model_name_or_path = base_name
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch_dtype(machine.adapter_precision))
    return tuned


def collator(job: JobLog, model: Any, rows: Sequence[RenderedRow], machine: Hardware) -> Any:
    """Packed batches where the hardware wants them and the model has shown that it keeps packed rows apart, else padded ones.

    Sets the model's attention accordingly.
    """
    if not machine.packed:
        return padded
    attention.register()
    from tuneport_local.sft import packing_is_exact

    usual = model.config._attn_implementation
    probe = [
        {"input_ids": list(row.input_ids[:32]), "labels": labels(row)[:32]} for row in sorted(rows, key=lambda row: len(row.input_ids))[:3]
    ]
    reason = _why_windowed(model, longest=max(len(row.input_ids) for row in rows))
    try:
        if not reason:
            model.set_attn_implementation(attention.SEGMENTS)
            if packing_is_exact(model, probe, collate=packed):
                return packed
            reason = "it does not keep packed rows apart"
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        reason = f"it does not take packed rows ({type(error).__name__})"
    model.set_attn_implementation(usual)
    job.event("info", f"padded batches for this model: {reason}")
    return padded


def _why_windowed(model: Any, *, longest: int) -> str:
    """Why rows of `longest` tokens cannot be packed for a model whose layers see a part of them only, or ''."""
    config = model.config.get_text_config()
    windows = [getattr(config, name, None) for name in ("sliding_window", "attention_chunk_size")]
    narrowest = min((window for window in windows if window), default=longest)
    return f"its layers see {narrowest} tokens at once, the longest row has {longest}" if narrowest < longest else ""


def trl_arguments(spec: TrainingSpec, machine: Hardware, fit: Fit, *, folder: Path, steps: int, evaluate_first: bool) -> Any:
    """SFTConfig. Logging, validation and checkpoints are decided after each step by the run, so trl's own are off."""
    from trl.trainer.sft_config import SFTConfig

    return SFTConfig(
        output_dir=str(folder),
        per_device_train_batch_size=fit.micro_batch,
        gradient_accumulation_steps=spec.batch_size // fit.micro_batch,
        num_train_epochs=spec.epochs,
        learning_rate=spec.learning_rate,
        lr_scheduler_type=_SCHEDULES[spec.schedule],
        warmup_steps=int(spec.warmup_ratio * steps),
        weight_decay=spec.weight_decay,
        max_grad_norm=spec.max_grad_norm,
        activation_checkpointing=fit.gradient_checkpointing,
        bf16=machine.autocast and machine.precision == "bf16",
        fp16=machine.autocast and machine.precision == "fp16",
        use_cpu=machine.device == "cpu",
        seed=spec.seed,
        max_length=None,
        packing=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        remove_unused_columns=False,
        dataloader_pin_memory=machine.device.startswith("cuda"),
        logging_strategy="no",
        save_strategy="no",
        eval_strategy="no",
        eval_on_start=evaluate_first,
        logging_nan_inf_filter=False,
        disable_tqdm=True,
        log_level="error",
        report_to="none",
    )
