"""Looking at the head of a file."""

from __future__ import annotations

from itertools import islice
from typing import Any

from tuneport.formats.format import BadRow
from tuneport.formats.lines import BOM, json_object

_LOOKED_AT = 5


def first_objects(head: bytes) -> list[dict[str, Any]]:
    """The JSON objects among the first lines of `head`, whose last line may be cut off."""
    lines = (line for line in head.removeprefix(BOM).splitlines() if line.strip())
    return [row for row in map(_object, islice(lines, _LOOKED_AT)) if row is not None]


def _object(line: bytes) -> dict[str, Any] | None:
    try:
        return json_object(line)
    except BadRow:
        return None


def is_json_list(head: bytes) -> bool:
    """Whether the file is a list over many lines, or in one, rather than lines of JSON."""
    first = head.removeprefix(BOM).lstrip().split(b"\n", 1)[0].strip()
    return first.startswith(b"[") and (first == b"[" or not first_objects(head))


def is_json_name(suffix: str) -> bool:
    """Whether a file of that ending holds JSON by its name."""
    return suffix in (".jsonl", ".ndjson", ".json")
