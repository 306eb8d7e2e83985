"""Step metrics, from the events of a job and from the CSV that it leaves behind. Names of columns vary, and any may be absent.

Columns: facts of 2026-11-21 (Azure's fine-tuning guide and the SDK's checkpoint metrics).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from tuneport.job import Metric
from tuneport.replies import Json, number_of, time_in, whole_in
from tuneport_openai.wire.events import data_of

NAMES: Mapping[str, str] = {
    "train_loss": "loss",
    "training_loss": "loss",
    "train_accuracy": "token_accuracy",
    "train_mean_token_accuracy": "token_accuracy",
    "training_token_accuracy": "token_accuracy",
    "valid_loss": "eval_loss",
    "validation_loss": "eval_loss",
    "valid_accuracy": "eval_token_accuracy",
    "valid_mean_token_accuracy": "eval_token_accuracy",
    "validation_mean_token_accuracy": "eval_token_accuracy",
    "validation_token_accuracy": "eval_token_accuracy",
    "full_valid_loss": "full_eval_loss",
    "full_valid_mean_token_accuracy": "full_eval_token_accuracy",
}
"""Our names for the vendor's. Others, such as the rewards of reinforcement, keep theirs."""

_NO_TIME = datetime.fromtimestamp(0, UTC)
_NO_MEASURE = frozenset({"step", "total_steps", "type"})


def metrics_of_events(events: Iterable[Json]) -> list[Metric]:
    """The metrics in the events, in order of step whatever the order of the events. A step that is told twice has what was said last."""
    timed = [(time_in(event, "created_at"), data_of(event)) for event in events]
    timed.sort(key=lambda row: row[0] or _NO_TIME)
    return _by_step((data, at) for at, data in timed)


def metrics_of_csv(text: str) -> list[Metric]:
    """The metrics in a results file, by its header. Empty for a text without a column `step`."""
    lines = csv.reader(text.removeprefix("\ufeff").splitlines())
    header = [name.strip().casefold() for name in next(lines, [])]
    return _by_step((dict(zip(header, row, strict=False)), None) for row in lines)


def _by_step(rows: Iterable[tuple[Mapping[str, Any], datetime | None]]) -> list[Metric]:
    values: dict[int, dict[str, float]] = {}
    times: dict[int, datetime | None] = {}
    for row, at in rows:
        step, found = whole_in(row, "step"), dict(_measures(row))
        if step is not None and found:
            values.setdefault(step, {}).update(found)
            times[step] = at
    return [Metric(step, values[step], times[step]) for step in sorted(values)]


def _measures(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for key, value in row.items():
        number = number_of(value)
        if key not in _NO_MEASURE and number is not None:
            yield NAMES.get(key, key), number
