"""When a run validates and saves."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tuneport_local.training.spec import TrainingSpec

_SAVE_AFTER_S = 60.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """Counted in optimizer steps. None for `…_every`: at the end of each epoch (checkpoints also when a minute has passed)."""

    total: int
    per_epoch: int
    eval_every: int | None
    checkpoint_every: int | None
    log_every: int
    validates: bool

    @classmethod
    def of(cls, spec: TrainingSpec, *, rows: int, validates: bool) -> Schedule:
        """That of a training on so many rows."""
        per_epoch = math.ceil(rows / spec.batch_size)
        return cls(
            total=per_epoch * spec.epochs,
            per_epoch=per_epoch,
            eval_every=None if spec.eval_every == "auto" else spec.eval_every,
            checkpoint_every=None if spec.checkpoint_every == "auto" else spec.checkpoint_every,
            log_every=spec.log_every,
            validates=validates,
        )

    def validates_at(self, step: int) -> bool:
        """Whether step `step` is followed by a validation. The last one always is."""
        return self.validates and (step == self.total or step % (self.eval_every or self.per_epoch) == 0)

    def saves_at(self, step: int, *, since_s: float) -> bool:
        """Whether step `step` is followed by a checkpoint, `since_s` seconds after the one before."""
        if step == self.total or step % (self.checkpoint_every or self.per_epoch) == 0:
            return True
        return self.checkpoint_every is None and since_s >= _SAVE_AFTER_S

    def validations_after(self, step: int) -> int:
        """How many validations are still to come."""
        if not self.validates:
            return 0
        every = self.eval_every or self.per_epoch
        at_the_end = step < self.total and self.total % every != 0
        return self.total // every - step // every + at_the_end
