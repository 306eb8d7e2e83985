"""Tables of plain TOML, read line by line.

The price book and the catalogue are 8,000 such lines, and reading them is a good part of what a quote takes whose data were measured
before: tomllib needs seven times as long. What is not plain is left to it.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any

_LINE = re.compile(r"([A-Za-z0-9_]+) = (.+)")
_TEXT = re.compile(r'"([^"\\]*)"')
_TEXTS = re.compile(r'\[(?:"[^"\\]*"(?:, "[^"\\]*")*)?\]')
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WHOLE = re.compile(r"0|[1-9][0-9]*")
_PARTS = re.compile(r"(?:0|[1-9][0-9]*)\.[0-9]+")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


def plain_tables(text: str, key: str) -> list[dict[str, Any]] | None:
    """The tables `[[key]]` of a text that is nothing but those: comments, and lines `name = value` with a string without escapes, strings
    in a list, a day or a number. None for any other, whether it is TOML or not."""
    if _CONTROL.search(text):
        return None
    rows: list[dict[str, Any]] = []
    values: dict[str, Any] = {}
    for line in text.split("\n"):
        if line == f"[[{key}]]":
            rows.append({})
        elif line and line[0] != "#":
            found = _LINE.fullmatch(line)
            if found is None or not rows or found[1] in rows[-1]:
                return None
            name, written = found[1], found[2]
            value = values.get(written)
            if value is None:
                value = values[written] = _value(written)
            if value is None:
                return None
            rows[-1][name] = list(value) if value.__class__ is list else value
    return rows


def _value(written: str) -> Any:
    """None for what is not plain."""
    if found := _TEXT.fullmatch(written):
        return found[1]
    if _TEXTS.fullmatch(written):
        return _TEXT.findall(written)
    if _DATE.fullmatch(written):
        return _day(written)
    if _WHOLE.fullmatch(written):
        return int(written)
    return float(written) if _PARTS.fullmatch(written) else None


def _day(written: str) -> date | None:
    try:
        return date.fromisoformat(written)
    except ValueError:
        return None
