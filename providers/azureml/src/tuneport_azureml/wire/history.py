"""A run's course as events, and what it measured: the run history's details (azure-ai-ml 1.35.2, RunDetails) and MLflow's metrics."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from tuneport.job import Event, Metric
from tuneport.redaction import without_secrets
from tuneport.replies import Json, number_of, object_in, objects_in, text_in, time_in, whole_in
from tuneport_azureml.wire.jobs import error_of

LOGS = ("user_logs/std_log.txt", "user_logs/std_log_process_0.txt", "azureml-logs/70_driver_log.txt")
"""The log that is read, the first of these that there is (azure-ai-ml 1.35.2, _job_ops_helper.py)."""
MOST_CHARS = 2000
NAMES = {"train_loss": "loss", "training_loss": "loss", "validation_loss": "eval_loss", "val_loss": "eval_loss", "lr": "learning_rate"}
"""What trainers call what we call otherwise."""


def log_of(details: Json) -> tuple[str, str] | None:
    """Name and address of the log to read."""
    files = object_in(details, "logFiles")
    names = [*(name for name in LOGS if name in files), *sorted(name for name in files if name.startswith("user_logs/"))]
    return next(((name, address) for name in names if (address := text_in(files, name)) is not None), None)


def events_of(details: Json, *, created: datetime | None, log: Sequence[str] = ()) -> Iterator[Event]:
    """What happened, in order: a line of the log has no time of its own, and goes by that of the start. Lines only come at the end, so that
    an event keeps its id."""
    made, started, ended = created or time_in(details, "createdTimeUtc"), time_in(details, "startTimeUtc"), time_in(details, "endTimeUtc")
    if made is None:
        return
    yield Event("created", made, "info", "created")
    at = max(made, started) if started else made
    if started:
        yield Event("started", at, "info", "started")
    for number, line in enumerate(log):
        if line.strip():
            yield Event(f"log-{number}", at, "info", without_secrets(line.rstrip())[:MOST_CHARS])
    end = max(at, ended) if ended else None
    if end is None:
        return
    for number, warning in enumerate(objects_in(details, "warnings")):
        yield Event(
            f"warning-{number}", end, "warning", without_secrets(text_in(warning, "message") or "a warning without words")[:MOST_CHARS]
        )
    word = text_in(details, "status") or "ended"
    why = error_of(details)
    yield Event("ended", end, "error" if why else "info", f"{word.lower()}{f': {without_secrets(why)}' if why else ''}")


def after(events: Iterable[Event], last: str | None) -> Iterator[Event]:
    """Those behind the one with that id; all of them where there is none with it."""
    found = list(events)
    start = next((number + 1 for number, event in enumerate(found) if event.id == last), 0)
    yield from found[start:]


def metric_keys(run: Json) -> list[str]:
    """The names of what a run has measured: `runs/get` of MLflow's REST API."""
    rows = objects_in(object_in(object_in(run, "run"), "data"), "metrics")
    return sorted({key for row in rows if (key := text_in(row, "key")) is not None})


def metrics_of(histories: Iterable[tuple[str, Iterable[Json]]]) -> list[Metric]:
    """The measurements of each name, joined by their steps."""
    values: defaultdict[int, dict[str, float]] = defaultdict(dict)
    times: dict[int, datetime] = {}
    for key, rows in histories:
        name = NAMES.get(key.rpartition("/")[2], key.rpartition("/")[2])
        for row in rows:
            step, value, at = whole_in(row, "step") or 0, number_of(row.get("value")), number_of(row.get("timestamp"))
            if value is not None:
                values[step][name] = value
                if at and (moment := time_in({"at": at / 1000}, "at")) is not None:
                    times[step] = moment
    return [Metric(step, found, times.get(step)) for step, found in sorted(values.items())]
