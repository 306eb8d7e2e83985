"""What the service says of the data that it tuned on: rows that it left out or cut, with their lines and reasons, and how much it bills.

TuningDataStats of google-genai 2.34: for supervised tuning the numbers are called truncated and mean rows that were dropped, by the type's
own words; each other method has its own spelling. Lists are samples: there may be more rows than are named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from tuneport.finding import Finding
from tuneport.replies import Json, number_of, object_in

_KINDS = ("supervisedTuningDataStats", "preferenceOptimizationDataStats", "reinforcementTuningDataStats")
_DROPPED = ("truncatedExampleIndices", "droppedExampleIndices")


@dataclass(frozen=True, slots=True)
class DataStats:
    """Of one job. Numbers are None where the service does not say. `dropped`: line (from 1) -> reason, a sample of `dropped_rows`."""

    rows: int | None = None
    dropped_rows: int | None = None
    dropped: dict[int, str] = field(default_factory=dict)
    billable_tokens: int | None = None
    billable_characters: int | None = None
    steps: int | None = None

    @property
    def empty(self) -> bool:
        return self == DataStats()


def stats_of(job: Json) -> DataStats:
    """What a job tells of its data; nothing while it has not looked at them."""
    said = _said(object_in(job, "tuningDataStats"))
    lines = _list(said, *_DROPPED)
    reasons = [str(each) for each in _list(said, "droppedExampleReasons")]
    dropped = {int(number): reasons[at] if at < len(reasons) else "" for at, line in enumerate(lines) if (number := number_of(line))}
    total = _whole(said, "totalTruncatedExampleCount")
    return DataStats(
        rows=_whole(said, "tuningDatasetExampleCount"),
        dropped_rows=max(total or 0, len(dropped)) if total is not None or dropped else None,
        dropped=dropped,
        billable_tokens=_whole(said, "totalBillableTokenCount"),
        billable_characters=_whole(said, "totalBillableCharacterCount"),
        steps=_whole(said, "tuningStepCount"),
    )


def findings(stats: DataStats) -> list[Finding]:
    """In plain sentences: how much was tuned on, and each row that was not, with its line."""
    return list(_findings(stats))


def _findings(stats: DataStats) -> Iterator[Finding]:
    if stats.rows is not None:
        yield Finding("data-tuned", "info", _amount(stats))
    if not stats.dropped_rows:
        return
    one = stats.dropped_rows == 1
    which = f"of {stats.rows:,} rows" if stats.rows else "row" if one else "rows"
    yield Finding(
        "rows-dropped",
        "warning",
        f"{stats.dropped_rows:,} {which} {'was' if one else 'were'} left out or cut by Vertex AI.",
        remedy="Mend or remove them, and train again if they matter.",
    )
    for line, reason in sorted(stats.dropped.items()):
        yield Finding("row-dropped", "warning", f"the row was left out or cut: {reason.rstrip('.') or 'no reason is given'}.", line=line)
    unnamed = stats.dropped_rows - len(stats.dropped)
    if stats.dropped and unnamed > 0:
        yield Finding("rows-dropped", "info", f"Vertex AI names a sample of them: {unnamed:,} more are not named.")


def _amount(stats: DataStats) -> str:
    said = [f"{stats.rows:,} rows"]
    if stats.billable_tokens is not None:
        said.append(f"{stats.billable_tokens:,} billable tokens an epoch")
    elif stats.billable_characters is not None:
        said.append(f"{stats.billable_characters:,} billable characters an epoch")
    if stats.steps is not None:
        said.append(f"{stats.steps:,} steps")
    return f"Vertex AI tuned on {', '.join(said)}."


def _said(stats: Json) -> Json:
    """The numbers of whichever method it was."""
    for kind in _KINDS:
        if found := object_in(stats, kind):
            return found
    return object_in(object_in(stats, "distillationDataStats"), "trainingDatasetStats")


def _list(said: Json, *keys: str) -> list[object]:
    return next((list(value) for key in keys if isinstance(value := said.get(key), list | tuple)), [])


def _whole(said: Json, key: str) -> int | None:
    """int64 comes as text in JSON."""
    number = number_of(said.get(key))
    return None if number is None else int(number)
