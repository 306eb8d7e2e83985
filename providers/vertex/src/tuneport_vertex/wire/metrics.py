"""What a job measured step by step: from the file that gcsMetricsUri names, else the steps and epochs of its checkpoints.

The form of that file is documented nowhere that we know: JSON lines and CSV with a step in each row are read, anything else is nothing.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from tuneport.job import Metric
from tuneport.replies import Json, number_of, time_in
from tuneport_vertex.wire.jobs import checkpoints_of

_STEPS = ("step", "global_step", "globalStep", "train_step")
_NAMES = {
    "train_total_loss": "loss",
    "train_loss": "loss",
    "eval_total_loss": "eval_loss",
    "valid_loss": "eval_loss",
    "validation_loss": "eval_loss",
    "train_fraction_of_correct_next_step_preds": "accuracy",
    "eval_fraction_of_correct_next_step_preds": "eval_accuracy",
}
"""Names of the vendor's monitoring page (docs.cloud.google.com, tuning and validation metrics), by those of the field."""


def metrics_of_text(text: str) -> list[Metric]:
    """The rows of a file that have a step, in its order; several of one step become one."""
    by_step: dict[int, dict[str, float]] = {}
    times: dict[int, Any] = {}
    for row in _rows(text):
        step = next((number for key in _STEPS if (number := number_of(row.get(key))) is not None), None)
        if step is not None:
            by_step.setdefault(int(step), {}).update(_numbers(row))
            times.setdefault(int(step), time_in(row, "time"))
    return [Metric(step, values, times[step]) for step, values in sorted(by_step.items()) if values]


def metrics_of_checkpoints(job: Json) -> list[Metric]:
    """At which step which epoch ended."""
    found = [(number_of(each.get("step")), number_of(each.get("epoch"))) for each in checkpoints_of(job)]
    return [Metric(int(step), {"epoch": epoch}) for step, epoch in found if step is not None and epoch is not None]


def _rows(text: str) -> Iterable[Mapping[str, Any]]:
    if text.lstrip()[:1] in ("{", "["):
        return _json_rows(text)
    try:
        return list(csv.DictReader(io.StringIO(text)))
    except csv.Error:
        return ()


def _json_rows(text: str) -> Iterator[Mapping[str, Any]]:
    for line in text.splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        yield from (each for each in (found if isinstance(found, list) else [found]) if isinstance(each, Mapping))


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    found = {str(key).strip("/"): number_of(value) for key, value in row.items() if key and key not in (*_STEPS, "time")}
    return {_NAMES.get(name, name): number for name, number in found.items() if number is not None}
