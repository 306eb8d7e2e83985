"""Keys that a format does not know: they travel in `extra`, and are written again where they say nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from tuneport.formats.format import Lose, Row


def others(row: Row, known: frozenset[str]) -> dict[str, Any]:
    """The keys that are not `known` and hold something: what goes to `extra`."""
    return {key: value for key, value in row.items() if key not in known and value not in (None, "")}


def with_extra(row: Any, extra: Mapping[str, Any], *, known: frozenset[str], lose: Lose) -> Any:
    """The row with the keys that were read beside those of its old format. One that is `known` here would be read as something else, so it
    is left out, and its loss is told."""
    if not extra:
        return row
    for key in extra.keys() & known:
        lose(f"extra.{key}")
    written: dict[str, Any] = row if isinstance(row, dict) else msgspec.to_builtins(row, builtin_types=())
    return {**{key: value for key, value in extra.items() if key not in known}, **written}
