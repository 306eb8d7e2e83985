"""Real sets, converted into every format that can hold them and checked for every provider of which limits are known."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.data_room.verdict import Outcome, Setting
from tuneport.checks import check
from tuneport.dataset import Dataset
from tuneport.errors import DatasetError, TuneportError
from tuneport.formats.known import FORMATS
from tuneport.limits import providers, target


@dataclass(frozen=True, slots=True)
class RealSet:
    """A file below the folder of data, and the methods that can learn from it. `columns` where its own names are not known."""

    name: str
    path: str
    methods: tuple[str, ...]
    columns: Mapping[str, str] = field(default_factory=dict)


SETS = (
    RealSet("banking77", "banking77/train.csv", ("sft", "classify"), {"label": "category"}),
    RealSet("gsm8k", "gsm8k/train.jsonl", ("sft", "grpo"), {"prompt": "question", "completion": "answer"}),
    RealSet("hh-rlhf", "hh-rlhf/harmless-base-test.jsonl.gz", ("dpo", "kto")),
)


def real(setting: Setting) -> Outcome:
    """Rows, losses and times of each set; why not, where a set is absent or cannot be read."""
    figures: dict[str, Any] = {}
    for one in SETS:
        path = setting.data / one.path
        figures[one.name] = _measured(one, path, setting.folder) if path.is_file() else {"skipped": f"there is no {one.path}"}
    return Outcome(figures, notes=tuple(f"{name}: {_in_short(found)}" for name, found in figures.items()))


def _in_short(found: Mapping[str, Any]) -> str:
    """One line on a set."""
    if "skipped" in found:
        return f"skipped, {found['skipped']}"
    made = [each for each in found["conversions"].values() if "rows" in each]
    checked = [each for each in found["checks"].values() if "rows" in each]
    seconds = sum(each["seconds"] for each in (*made, *checked))
    without_loss = sum(not each["losses"] for each in made)
    return (
        f"{found['rows']:,} rows into {len(made)} of {len(found['conversions'])} formats, {without_loss} of them without loss; "
        f"checked {len(checked)} ways, {sum(each['ok'] for each in checked)} without errors; {seconds:.1f} s"
    )


def _measured(one: RealSet, path: Path, folder: Path) -> dict[str, Any]:
    dataset = Dataset.read(path, columns=one.columns)
    began = time.perf_counter()
    rows, kind = dataset.count(), dataset.kind
    return {
        "rows": rows,
        "kind": kind,
        "format": dataset.format,
        "read_s": round(time.perf_counter() - began, 3),
        "conversions": {each.name: _converted(dataset, each.name, folder) for each in FORMATS},
        "checks": {f"{provider} {method}": _checked(dataset, provider, method) for provider in providers() for method in one.methods},
    }


def _converted(dataset: Dataset, format: str, folder: Path) -> dict[str, Any]:
    """Rows, losses by kind, and seconds; or why the format cannot hold them."""
    began = time.perf_counter()
    try:
        report = dataset.write(folder / "real.jsonl", format=format)
    except DatasetError as error:
        return {"refused": _without_place(error, dataset)}
    losses = {loss.kind: loss.rows for loss in report.losses}
    return {"rows": report.rows, "losses": losses, "seconds": round(time.perf_counter() - began, 3)}


def _checked(dataset: Dataset, provider: str, method: str) -> dict[str, Any]:
    """Findings by rule, and seconds."""
    wanted = target(provider, method=method)
    began = time.perf_counter()
    try:
        report = check(dataset, target=wanted)
    except DatasetError as error:
        return {"refused": _without_place(error, dataset)}
    seconds = round(time.perf_counter() - began, 3)
    return {"rows": report.rows, "ok": report.ok, "limits_known": wanted.known, "counts": dict(report.counts), "seconds": seconds}


def _without_place(error: TuneportError, dataset: Dataset) -> str:
    """The sentence without the folder that the data lie in, which is another on every machine."""
    return str(error).replace(str(dataset.path), dataset.name)
