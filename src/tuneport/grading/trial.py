"""A grader tried on answers to rows, before anything is paid for: what it gives on the whole, and where it fails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import sqrt
from typing import Any

from tuneport.errors import CheckFailed, GraderFailed
from tuneport.examples import Example
from tuneport.graders import Grader
from tuneport.grading.fitness import item_of, refuse_missing
from tuneport.grading.grade import Grading, Score
from tuneport.grading.process import GraderLimits

FULL_MARKS = 1.0 - 1e-9
"""From here on an answer has full marks."""


@dataclass(frozen=True, slots=True)
class Graded:
    """One answer: its row's line, and its score or why there is none."""

    line: int
    score: Score | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of all answers. `what` says which they were."""

    what: str
    graded: tuple[Graded, ...] = field(repr=False)

    @property
    def scores(self) -> tuple[Score, ...]:
        """Of the answers that have one."""
        return tuple(each.score for each in self.graded if each.score is not None)

    @property
    def failures(self) -> tuple[Graded, ...]:
        """The others."""
        return tuple(each for each in self.graded if each.score is None)

    @property
    def mean(self) -> float | None:
        """None where nothing has a score."""
        return sum(score.value for score in self.scores) / len(self.scores) if self.scores else None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, without the contents of rows or answers."""
        scores, mean = self.scores, self.mean
        spread = None if mean is None else sqrt(sum((score.value - mean) ** 2 for score in scores) / len(scores))
        names = scores[0].parts if scores else {}
        return {
            "answers": self.what,
            "rows": len(self.graded),
            "mean": mean,
            "std": spread,
            "full_marks": None if mean is None else sum(score.value >= FULL_MARKS for score in scores) / len(scores),
            "parts": {name: sum(score.parts[name] for score in scores) / len(scores) for name in names},
            "failures": [{"line": each.line, "message": each.reason} for each in self.failures],
        }


def tried(grader: Grader, answered: Iterable[tuple[int, Example, str]], *, what: str, limits: GraderLimits | None = None) -> Trial:
    """Each is a row's line, the row and an answer to it.

    Raises RecipeError, Unsupported, and GraderFailed for a source that does not run.
    """
    found = []
    with Grading(grader, limits=limits) as grading:
        grading.start()
        for line, row, answer in answered:
            item = item_of(row)
            try:
                refuse_missing(grader, item, where="the row")
                found.append(Graded(line, grading.score(answer, item)))
            except (CheckFailed, GraderFailed) as error:
                found.append(Graded(line, None, error.message))
    return Trial(what, tuple(found))
