"""What every trainer is put together from: the parts of a job, the adapters, trl's arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic

from tuneport_local.adapters.trainable import trainable
from tuneport_local.machine.hardware import Fit, Hardware
from tuneport_local.rows.prepared import PreparedRows, RowT_co
from tuneport_local.training.group import ALONE, Group
from tuneport_local.training.spec import TrainingSpec

if TYPE_CHECKING:
    from tuneport_local.heads.head import Head
    from tuneport_local.rows.eyes import Eyes
    from tuneport_local.training.joblog import JobLog
    from tuneport_local.training.run import Run

_TOGETHER = {"ddp_find_unused_parameters": False, "ddp_broadcast_buffers": False}
"""Every adapter has a part in every step, and no buffer changes."""
_ADDED_AT_ONCE = {"accelerator_config": {"gradient_accumulation_kwargs": {"sync_each_batch": True}}}
"""Gradients of divided weights are divided after each part of a batch: until then every process has all of them."""
_SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


@dataclass(frozen=True, slots=True)
class Parts(Generic[RowT_co]):
    """A job as its trainer gets it: `model` is the base as it was loaded, `steps` are those of the whole training.

    `evaluate_first`: the validation of the step that it goes on from has still to be done. `head` names the modules on top that are new
    and are always learned whole, `answer` what they answer with; a language model has neither. `task` is PEFT's word for the kind of model,
    `eyes` are those of a base that sees, `group` the processes that train it together.
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
    head: tuple[str, ...] = ()
    answer: Head | None = None
    eyes: Eyes | None = None
    group: Group = ALONE

    @property
    def task(self) -> str | None:
        if self.answer is None:
            return "CAUSAL_LM"
        return "SEQ_CLS" if self.answer.medium == "text" else None


def adapted(parts: Parts[Any]) -> Any:
    """The model with what the recipe has trained of it, the same for the same seed: see `trainable`."""
    return trainable(parts)


def settings(parts: Parts[Any]) -> dict[str, Any]:
    """What is the same in the arguments of all of trl's trainers. Logging, validation and checkpoints are decided after each step by the
    run, so trl's own are off."""
    spec, machine, fit = parts.spec, parts.machine, parts.fit
    return {
        "output_dir": str(parts.job.checkpoints),
        "per_device_train_batch_size": fit.micro_batch,
        "gradient_accumulation_steps": spec.batch_size // parts.group.size // fit.micro_batch,
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
        **(_TOGETHER if parts.group.size > 1 else {}),
        **(_ADDED_AT_ONCE if spec.sharding == "full" and spec.kind.whole else {}),
        "seed": spec.seed,
        "neftune_noise_alpha": spec.neftune_alpha,
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
