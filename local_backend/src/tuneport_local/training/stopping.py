"""When a run ends before its last step, and which of its weights are left."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tuneport_local.methods.objectives import OBJECTIVES
from tuneport_local.training.checkpoints import KEPT
from tuneport_local.training.course import Course, Validation
from tuneport_local.training.spec import TrainingSpec

_ENOUGH_ROWS = 4


@dataclass(frozen=True, slots=True)
class Rules:
    """What a recipe says about the end. `patience` None: the run goes on to its last step.

    `judged_by` is what of a validation decides; `beginning` are the first steps whose loss counts as that of the beginning: the very
    first, before anything was changed, unless it has so few rows that they say little.
    """

    patience: int | None = None
    min_delta: float = 0.0
    keep_best: bool = False
    checkpoints_kept: int = KEPT
    judged_by: str = "loss"
    higher_is_better: bool = False
    beginning: int = 1

    @classmethod
    def of(cls, spec: TrainingSpec) -> Rules:
        """Those of a job."""
        early, objective = spec.early_stopping or {}, OBJECTIVES[spec.method]
        return cls(
            patience=early.get("patience"),
            min_delta=early.get("min_delta", 0.0),
            keep_best=spec.keep == "best",
            checkpoints_kept=spec.checkpoints_kept,
            judged_by=objective.judged_by,
            higher_is_better=objective.higher_is_better,
            beginning=1 if spec.batch_size >= _ENOUGH_ROWS else math.ceil(2 * _ENOUGH_ROWS / spec.batch_size),
        )

    def score(self, values: Mapping[str, float]) -> float:
        """What a validation found, as one number of which the lower is the better."""
        return -values[self.judged_by] if self.higher_is_better else values[self.judged_by]

    def said(self, validation: Validation) -> str:
        """`loss 1.2345`"""
        return f"{self.judged_by} {-validation.score if self.higher_is_better else validation.score:.4f}"

    def enough(self, course: Course) -> str:
        """Why the run ends after the last validation, in a sentence; '' while it goes on."""
        best = course.best
        if self.patience is None or best is None or _waited(course.validations, self.min_delta) < self.patience:
            return ""
        row = f"{self.patience} validations in a row" if self.patience > 1 else "the last validation"
        more = f" by more than {self.min_delta:g}" if self.min_delta else ""
        last = course.validations[-1].step
        return f"stopped early after step {last}: {row} did not better it{more}; the best was {self.said(best)} at step {best.step}"


def _waited(validations: Sequence[Validation], min_delta: float) -> int:
    """Validations since the last one that brought the score down by more than `min_delta`."""
    reference, waited = math.inf, 0
    for each in validations:
        if each.score < reference - min_delta:
            reference, waited = each.score, 0
        else:
            waited += 1
    return waited
