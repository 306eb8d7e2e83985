"""Settings that only trainers of our own take, since no vendor has a place for them.

At their defaults they are no part of what a recipe says, so that recipes from before they were there stay what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, Field

from tuneport.errors import Unsupported

_MARK = "trainers"


def own(default: Any) -> Any:
    """A field with this default that only our own trainers take."""
    return Field(default=default, exclude_if=lambda value: value == default, json_schema_extra={_MARK: "own"})


def own_settings(table: BaseModel) -> Iterator[tuple[str, Any]]:
    """The settings of this kind that a table or a table in it gives another value than the usual, by their dotted names."""
    for name, field in type(table).model_fields.items():
        value = getattr(table, name)
        extra = field.json_schema_extra
        if isinstance(extra, dict) and extra.get(_MARK) == "own":
            if value != field.default:
                yield name, value
        elif isinstance(value, BaseModel):
            yield from ((f"{name}.{inner}", found) for inner, found in own_settings(value))


def refuse_own_settings(method: BaseModel, *, who: str) -> None:
    """Raises Unsupported for the first of them: `who` has no place for it, and would train something else."""
    for name, value in own_settings(method):
        shown = f"{value!r}" if isinstance(value, str | int | float) else f"a {getattr(value, 'kind', 'table')!r} table"
        raise Unsupported(f"{who} has no place for {name}: the recipe says {shown}.", remedy=f"Leave {name} out, or train with local.")
    if getattr(method, "too_long", None) == "split":
        raise Unsupported(f"{who} does not split rows that are too long.", remedy="Split them before, or train with local.")
