"""What a grader says of answers, as metrics of an evaluation: `reward`, and beside it each grader of a formula."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tuneport.errors import GraderFailed
from tuneport.examples import Example
from tuneport.graders import Grader, MultiGrader
from tuneport.grading.fitness import item_of, refuse_missing
from tuneport.grading.grade import Grading
from tuneport.metrics import Answers, Array, Measure
from tuneport.tallies import Numbers, Tally

REWARD = "reward"


def graded_measures(grader: Grader, rows: Sequence[Example]) -> tuple[Measure, ...]:
    """The metrics of that grader over these rows, `reward` first. A row that the server could not answer scores 0.

    Raises RecipeError and Unsupported for a grader that cannot be worked out here, GraderFailed for one whose source does not run,
    CheckFailed for a row without what the grader names.
    """
    items = [item_of(row) for row in rows]
    for number, item in enumerate(items, start=1):
        refuse_missing(grader, item, where=f"row {number}")
    with Grading(grader) as grading:
        grading.start()
    found = _Graded(grader, items)
    return tuple(_measure(found, name, column) for column, name in enumerate([REWARD, *(f"{REWARD}/{part}" for part in _parts(grader))]))


def _parts(grader: Grader) -> list[str]:
    return list(grader.graders) if isinstance(grader, MultiGrader) else []


class _Graded:
    """Grades each set of answers once, for all metrics."""

    def __init__(self, grader: Grader, items: Sequence[dict[str, Any]]) -> None:
        self._grader = grader
        self._items = items
        self._done: list[tuple[Answers, Array | None, str]] = []

    def tally(self, answers: Answers) -> Tally:
        """Each row's scores, and a 1. Of answers that could all be graded only."""
        found, why = self._of(answers)
        assert found is not None, why
        return Numbers(found)

    def missing(self, answers: Answers) -> str:
        """Why there are no scores, or ''."""
        return self._of(answers)[1]

    def _of(self, answers: Answers) -> tuple[Array | None, str]:
        for known, found, reason in self._done:
            if known is answers:
                return found, reason
        graded, why = None, ""
        try:
            graded = self._graded(answers)
        except GraderFailed as error:
            why = error.message
        self._done.append((answers, graded, why))
        return graded, why

    def _graded(self, answers: Answers) -> Array:
        parts, rows = _parts(self._grader), []
        with Grading(self._grader) as grading:
            for number, (text, prediction, item) in enumerate(zip(answers.texts, answers.predictions, self._items, strict=True), start=1):
                if prediction.finish == "error":
                    rows.append([0.0] * (1 + len(parts)) + [1.0])
                    continue
                score = grading.score(text, item, where=f"row {number}")
                rows.append([score.value, *(score.parts[name] for name in parts), 1.0])
        return np.array(rows)


def _measure(graded: _Graded, name: str, column: int) -> Measure:
    return Measure(name, ("text",), graded.tally, _mean_of(column), graded.missing, lambda _, __: "")


def _mean_of(column: int) -> Callable[[Array], Array]:
    def value(sums: Array) -> Array:
        found: Array = sums[..., column] / sums[..., -1]
        return found

    return value
