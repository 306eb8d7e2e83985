"""What answers are worth while a model is trained, and what becomes of those that the grader fails on.

A grader that fails on an answer of the very first step fails the job there, before anything is learned from it. Later such an answer gets
the lowest score of its step, is counted and told of; if more than a tenth of a step's answers are such, the job fails.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tuneport.errors import GraderFailed, JobFailed
from tuneport.grading.grade import Grading
from tuneport_local.rows.prompts import RenderedPrompt

if TYPE_CHECKING:
    from tuneport_local.training.joblog import JobLog

MOST_FAILED = 0.1
FULL_MARKS = 1.0 - 1e-9


@dataclass(frozen=True, slots=True)
class Marks:
    """The scores of some answers, in order. `parts` are those of the graders in a formula; `failed`: how many could not be graded."""

    scores: tuple[float, ...]
    parts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    failed: int = 0

    @property
    def mean(self) -> float:
        """Of the scores."""
        return sum(self.scores) / len(self.scores)

    @property
    def full(self) -> float:
        """The share of answers that score 1 or more."""
        return sum(score >= FULL_MARKS for score in self.scores) / len(self.scores)

    def told(self) -> dict[str, float]:
        """Beside mean and spread: full marks, parts, failures."""
        means = {f"rewards/{name}": sum(values) / len(values) for name, values in self.parts.items() if values}
        return {"rewards/full_marks": self.full, **means, "rewards/failed": float(self.failed)}


class Rewards:
    """Grades answers for a job. `strict` says whether the first failure ends it."""

    def __init__(self, grading: Grading, job: JobLog) -> None:
        self._grading = grading
        self._job = job

    def marks(
        self, rows: Sequence[RenderedPrompt], answers: Sequence[str], *, purpose: str, strict: bool, look: Callable[[], None]
    ) -> Marks:
        """Raises JobFailed where too much failed, and what `look` raises, which is called before each answer."""
        found, parts, reasons = list[float | None](), dict[str, list[float]](), list[str]()
        for row, answer in zip(rows, answers, strict=True):
            look()
            try:
                score = self._grading.score(answer, row.item, where=f"line {row.line} of the {purpose} data")
            except GraderFailed as error:
                self._refuse(error, strict=strict)
                reasons.append(error.message)
                found.append(None)
                continue
            found.append(score.value)
            for name, value in score.parts.items():
                parts.setdefault(name, []).append(value)
        self._tell(reasons, len(found))
        lowest = min((value for value in found if value is not None), default=0.0)
        scores = tuple(lowest if value is None else value for value in found)
        return Marks(scores, {name: tuple(values) for name, values in parts.items()}, len(reasons))

    def close(self) -> None:
        """Ends the graders' processes."""
        self._grading.close()

    def _refuse(self, error: GraderFailed, *, strict: bool) -> None:
        if strict:
            raise JobFailed(error.message, remedy="Mend the grader, and try it on rows with: tuneport data grade")

    def _tell(self, reasons: Sequence[str], answers: int) -> None:
        if not reasons:
            return
        said = f"{len(reasons)} of {answers} answers could not be graded; the first: {reasons[0]}"
        if len(reasons) > MOST_FAILED * answers:
            raise JobFailed(said, remedy="Mend the grader, and try it on rows with: tuneport data grade")
        self._job.event("warning", f"{said} They get the lowest score of their step.")
