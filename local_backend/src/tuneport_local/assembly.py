"""What every trainer is put together from: the parts of a job, the adapters, trl's arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from tuneport.errors import RecipeError
from tuneport_local.eyes import language_targets
from tuneport_local.hardware import Fit, Hardware
from tuneport_local.loading import torch_dtype
from tuneport_local.rows import PreparedRows, RowT_co
from tuneport_local.spec import TrainingSpec
from tuneport_local.weights import published_name

if TYPE_CHECKING:
    from tuneport_local.eyes import Eyes
    from tuneport_local.joblog import JobLog
    from tuneport_local.run import Run

_SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


@dataclass(frozen=True, slots=True)
class Parts(Generic[RowT_co]):
    """A job as its trainer gets it: `model` is the base as it was loaded, `steps` are those of the whole training.

    `evaluate_first`: the validation of the step that it goes on from has still to be done. `eyes` are those of a base that sees.
    """

    job: JobLog
    spec: TrainingSpec
    machine: Hardware
    fit: Fit
    model: Any
    tokenizer: Any
    rows: PreparedRows[RowT_co]
    validation: PreparedRows[RowT_co] | None
    run: Run
    steps: int
    evaluate_first: bool
    eyes: Eyes | None = None


def adapted(parts: Parts[Any]) -> Any:
    """The model with fresh adapters, the same for the same seed, in the adapters' own precision; everything else frozen.

    Raises RecipeError when `targets` name no layer of the model.
    """
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    spec = parts.spec
    set_seed(spec.seed)
    targets = language_targets(parts.model, spec.lora.targets)
    config = LoraConfig(
        r=spec.lora.rank,
        lora_alpha=spec.lora.alpha,
        lora_dropout=spec.lora.dropout,
        target_modules=targets,
        task_type="CAUSAL_LM",
    )
    try:
        tuned: Any = get_peft_model(parts.model, config, autocast_adapter_dtype=False)
    except ValueError:
        layers = sorted({name.rpartition(".")[2] for name, module in parts.model.named_modules() if type(module).__name__ == "Linear"})
        raise RecipeError(
            f"lora.targets {targets!r} name no layer of {spec.base}.", remedy=f"Its linear layers: {', '.join(layers)}."
        ) from None
    config.base_model_name_or_path = published_name(spec.base)
    for parameter in tuned.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch_dtype(parts.machine.adapter_precision))
    return tuned


def settings(parts: Parts[Any]) -> dict[str, Any]:
    """What is the same in the arguments of all of trl's trainers. Logging, validation and checkpoints are decided after each step by the
    run, so trl's own are off."""
    spec, machine, fit = parts.spec, parts.machine, parts.fit
    return {
        "output_dir": str(parts.job.checkpoints),
        "per_device_train_batch_size": fit.micro_batch,
        "gradient_accumulation_steps": spec.batch_size // fit.micro_batch,
        "num_train_epochs": spec.epochs,
        "learning_rate": spec.learning_rate,
        "lr_scheduler_type": _SCHEDULES[spec.schedule],
        "warmup_steps": int(spec.warmup_ratio * parts.steps),
        "weight_decay": spec.weight_decay,
        "max_grad_norm": spec.max_grad_norm,
        "activation_checkpointing": fit.gradient_checkpointing,
        "bf16": machine.autocast and machine.precision == "bf16",
        "fp16": machine.autocast and machine.precision == "fp16",
        "use_cpu": machine.device == "cpu",
        "seed": spec.seed,
        "remove_unused_columns": False,
        "dataloader_pin_memory": machine.device.startswith("cuda"),
        "logging_strategy": "no",
        "save_strategy": "no",
        "eval_strategy": "no",
        "eval_on_start": parts.evaluate_first,
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
        "log_level": "error",
        "report_to": "none",
    }
