"""What a tracking tool is told of a job: settings and readings under the names that such tools use, nothing of the rows."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

Setting = str | int | float | bool
_PASSING = frozenset({"eta_s"})
"""Readings that are of no use afterwards."""


def settings_of(recipe: Mapping[str, Any]) -> dict[str, Setting]:
    """What recipe.json says of the training, flat, by dotted names. Neither rows nor where anything lies on this machine."""
    base = str(recipe["base"])
    told: dict[str, Setting] = {
        "base": PurePath(base).name if PurePath(base).is_absolute() else base,
        "method": recipe.get("method", "sft"),
    }
    told |= {name: recipe[name] for name in ("recipe_fingerprint", "dataset_fingerprint") if recipe.get(name)}
    return told | dict(_flat(recipe["hyperparameters"]))


def _flat(table: Mapping[str, Any], *, under: str = "") -> list[tuple[str, Setting]]:
    found: list[tuple[str, Setting]] = []
    for name, value in table.items():
        if isinstance(value, Mapping):
            found += _flat(value, under=f"{under}{name}.")
        elif isinstance(value, list | tuple):
            found.append((f"{under}{name}", ", ".join(map(str, value))))
        elif value is not None:
            found.append((f"{under}{name}", value))
    return found


def readings_of(values: Mapping[str, float]) -> dict[str, float]:
    """`loss` -> `train/loss`, `eval_loss` -> `validation/loss`."""
    return {_told_as(name): float(value) for name, value in values.items() if name not in _PASSING}


def _told_as(name: str) -> str:
    return f"validation/{name.removeprefix('eval_')}" if name.startswith("eval_") else f"train/{name}"


def run_name(recipe: Mapping[str, Any], job_id: str) -> str:
    """The suffix, where there is one, and the beginning of the job's id."""
    suffix = recipe.get("suffix")
    return f"{suffix}-{job_id[:8]}" if suffix else job_id[:8]
