"""Whether the disk takes what a training writes, told before the first step."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tuneport_local.jobs.failures import MachineGaveOut

if TYPE_CHECKING:
    from tuneport_local.training.joblog import JobLog
    from tuneport_local.training.spec import TrainingSpec

_MOMENTS = 2
"""Adam keeps two values for each that is trained."""
_BESIDE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class DiskNeed:
    """In bytes. `checkpoints` lie beside each other at most: those that are kept, and the one that is being written."""

    checkpoint: int
    checkpoints: int
    result: int

    @classmethod
    def of(cls, model: Any, spec: TrainingSpec) -> DiskNeed:
        """What the weights that are trained, and those that are written with them, come to."""
        trained = sum(each.numel() * each.element_size() for each in model.parameters() if each.requires_grad)
        every = sum(each.numel() * each.element_size() for each in model.parameters())
        written = every if spec.kind.whole else trained
        kept = spec.checkpoints_kept + (spec.keep == "best") + 1
        return cls(written + _MOMENTS * trained + _BESIDE_BYTES, kept, written + _BESIDE_BYTES)

    @property
    def total(self) -> int:
        """All of it."""
        return self.checkpoint * self.checkpoints + self.result

    @property
    def sentence(self) -> str:
        """What takes how much."""
        return (
            f"on the disk: a checkpoint takes about {_mb(self.checkpoint)}, of which {self.checkpoints} lie beside each other at most, "
            f"and what is trained {_mb(self.result)}"
        )


def refuse_what_the_disk_does_not_take(job: JobLog, model: Any, spec: TrainingSpec) -> None:
    """Raises MachineGaveOut, with the numbers. What lies there already of an earlier attempt is not counted twice."""
    need = DiskNeed.of(model, spec)
    place = next(path for path in (job.path, *job.path.parents) if path.exists())
    free, there = shutil.disk_usage(place).free, sum(path.stat().st_size for path in job.checkpoints.rglob("*") if path.is_file())
    if need.total - there > free:
        raise MachineGaveOut(
            f"there is not enough room {need.sentence}: {_mb(need.total - there)} more, and {_mb(free)} are free in {place}.",
            remedy="Free some space there, set options.local.checkpoints_kept = 1, or choose another home with TUNEPORT_HOME.",
        )
    job.event("info", need.sentence)


def _mb(size: int) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 10**9 else f"{max(size, 10**5) / 1e6:.1f} MB"
