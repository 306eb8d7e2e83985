"""A job as the trainer sees it, kept in memory, for tests of training without a worker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from tuneport_local.training.train import TrainingSpec

from tuneport.job import JobState

Wish = Literal["run", "pause", "cancel"]


class Killed(BaseException):
    """Ends a training where it stands, as a signal would: no library catches it."""


class MemoryJob:
    """Implements the trainer's JobLog. `after` is called with ('event' | 'metric' | 'phase', what) after each entry."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.adapter = path / "adapter"
        self.events: list[tuple[str, str]] = []
        self.metrics: list[tuple[int, dict[str, float]]] = []
        self.phases: list[JobState] = []
        self.wished: Callable[[], Wish] = lambda: "run"
        self.after: Callable[[str, Any], None] = lambda kind, what: None

    def event(self, level: str, message: str, data: dict[str, Any] | None = None) -> None:
        self.events.append((level, message))
        self.after("event", message)

    def metric(self, step: int, values: dict[str, float]) -> None:
        self.metrics.append((step, values))
        self.after("metric", (step, values))

    def phase(self, state: JobState, detail: str = "") -> None:
        self.phases.append(state)
        self.after("phase", state)

    def wish(self) -> Wish:
        return self.wished()

    def losses(self) -> dict[tuple[int, str], float]:
        """(step, loss | eval_loss) -> value; what was measured last counts."""
        return {(step, name): value for step, values in self.metrics for name, value in values.items() if name in ("loss", "eval_loss")}

    def said(self, words: str) -> bool:
        """Whether an event has these words."""
        return any(words in message for _, message in self.events)


def spec_of(
    base: Path,
    train: Path,
    *,
    validation: Path | None = None,
    method: str = "sft",
    lora: dict[str, Any] | None = None,
    **changes: Any,
) -> TrainingSpec:
    """A training of a few steps; `changes` are hyperparameters."""
    hyperparameters = {
        "epochs": 2,
        "batch_size": 4,
        "learning_rate": 0.01,
        "warmup_ratio": 0.05,
        "schedule": "linear",
        "weight_decay": 0.0,
        "max_grad_norm": 1.0,
        "max_length": "auto",
        "too_long": "refuse",
        "lora": {"rank": 4, "alpha": 8.0, "dropout": 0.0, "targets": "all-linear", **(lora or {})},
        "seed": 1,
        "device": "cpu",
        "precision": "fp32",
        **changes,
    }
    files = {"train": str(train), "validation": str(validation) if validation else None}
    said = {"base": str(base), "method": method, "hyperparameters": hyperparameters, "files": files, "dataset_fingerprint": "f" * 64}
    return TrainingSpec.from_dict(said)


def weights(job: MemoryJob) -> dict[str, Any]:
    """The adapter that the job has left."""
    from safetensors.torch import load_file

    return dict(load_file(job.adapter / "adapter_model.safetensors"))


def same_weights(one: MemoryJob, other: MemoryJob) -> bool:
    """Whether two adapters are equal to the bit."""
    import torch

    first, second = weights(one), weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
