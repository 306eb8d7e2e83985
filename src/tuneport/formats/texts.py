"""Rows of a few named texts: taking them out, with a sentence for what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuneport.formats.format import BadRow, Row
from tuneport.formats.json_values import kind_of


def text_of(row: Row, key: str) -> str:
    """The text under `key`. Raises BadRow."""
    if key not in row:
        raise BadRow(f'the key "{key}" is missing.')
    value = row[key]
    if not isinstance(value, str):
        raise BadRow(f'"{key}" is {kind_of(value)}, not a string.')
    return value


def optional_text(row: Row, key: str) -> str | None:
    """Likewise; None where it is missing, null or empty."""
    return text_of(row, key) if row.get(key) not in (None, "") else None


def are_texts(row: Row, *keys: str) -> bool:
    """Whether all of the keys hold texts."""
    return all(isinstance(row.get(key), str) for key in keys)


def share(rows: Sequence[Row], fits: Sequence[bool], confidence: float) -> float:
    """The confidence, less where not all rows fit."""
    return round(confidence * sum(fits) / len(rows), 3) if rows else 0.0


Spelling = Mapping[str, str]


def spelling_of(row: Row, spellings: Sequence[Spelling]) -> Spelling:
    """The first of the other spellings that the row is in: none of the usual keys, all of the others; {} for the usual one."""
    for spelling in spellings:
        if not spelling.keys() & row.keys() and row.keys() >= set(spelling.values()):
            return spelling
    return {}


def usual(row: Row, spellings: Sequence[Spelling]) -> Row:
    """The row under the usual keys."""
    spelling = spelling_of(row, spellings)
    if not spelling:
        return row
    names = {theirs: ours for ours, theirs in spelling.items()}
    renamed: dict[str, Any] = {names.get(key, key): value for key, value in row.items()}
    return renamed
