"""What is measured of labels and scores at a validation: the same metrics, by the same code, as an evaluation has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuneport.metrics import Answers, measures_of
from tuneport.model import Prediction
from tuneport_local.heads.head import Head

LABELS = {"exact_match": "accuracy", "macro_precision": "macro_precision", "macro_recall": "macro_recall", "macro_f1": "macro_f1"}
SCORES = {"mae": "mae", "rmse": "rmse", "r2": "r2"}
"""Names of an evaluation's metrics, and what they are called among a job's."""


def measured(head: Head, outputs: Any, targets: Any) -> dict[str, float]:
    """outputs: (rows, outputs), targets: (rows,) as `labelled_rows.target_of` has them."""
    names = LABELS if head.labels else SCORES
    right = [_said(head, target) for target in targets.tolist()]
    answers = Answers(tuple(right), tuple(predictions(head, outputs)), head.labels)
    return {names[measure.name]: measure.of(measure.tally(answers)) for measure in measures_of(names)}


def predictions(head: Head, outputs: Any, *, tokens: Sequence[int] | None = None) -> list[Prediction]:
    """One for each row of outputs (rows, outputs); `tokens` are those that each row has."""
    from tuneport.formats.recast import number_text

    counted = [(count, 0) for count in tokens or [0] * len(outputs)]
    if head.labels:
        chances, places = outputs.float().softmax(-1).max(-1)
        labels = [head.labels[place] for place in places.tolist()]
        told = zip(labels, chances.tolist(), counted, strict=True)
        return [Prediction(label, tokens=each, label=label, probability=chance) for label, chance, each in told]
    scores = [head.centre + head.spread * value for value in outputs.float()[:, 0].tolist()]
    return [Prediction(number_text(score), tokens=each, score=score) for score, each in zip(scores, counted, strict=True)]


def _said(head: Head, target: float) -> str:
    from tuneport.formats.recast import number_text

    return head.labels[int(target)] if head.labels else number_text(head.centre + head.spread * target)
