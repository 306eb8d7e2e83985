"""Our own JSON: one Example a row as `canonical_bytes` has it. Nothing is ever lost in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tuneport.examples import ChatExample, Example, LabelledExample, PreferenceExample, PromptExample
from tuneport.formats.format import BadRow, Decoded, Format, Lose, Row
from tuneport.formats.json_values import convert, kind_of
from tuneport.formats.texts import share

_FIELDS: dict[Any, frozenset[str]] = {
    each.__struct_config__.tag: frozenset(each.__struct_fields__) | {"kind"}
    for each in (ChatExample, PreferenceExample, PromptExample, LabelledExample)
}
_lines = msgspec.json.Decoder(Example).decode_lines


def sniff(rows: Sequence[Row]) -> float:
    """Rows that say their kind and are of it."""
    return share(rows, [_fits(row) for row in rows], 0.99)


def _fits(row: Row) -> bool:
    try:
        read(row, lambda kind: None)
    except BadRow:
        return False
    return True


def decode(data: bytes) -> Decoded:
    """Rows without unknown keys."""
    rows = _lines(data)
    return Decoded(rows, rows=rows)


def read(row: Row, lose: Lose) -> Example:
    """Unknown keys go to `extra`."""
    kind = row.get("kind")
    if not isinstance(kind, str) or kind not in _FIELDS:
        raise BadRow('"kind" must be chat, preference, prompt or labelled.')
    unknown = {key: value for key, value in row.items() if key not in _FIELDS[kind]}
    if unknown:
        if not isinstance(row.get("extra", {}), dict):
            raise BadRow(f"extra: expected an object, got {kind_of(row['extra'])}.")
        row = {key: value for key, value in row.items() if key in _FIELDS[kind]} | {"extra": {**unknown, **row.get("extra", {})}}
    example: Example = convert(row, Example)
    return example


def write(example: Example, lose: Lose) -> Any:
    """The Example itself."""
    return example


CANONICAL = Format(
    name="canonical",
    summary='Tuneport\'s own: {"kind": "chat", "messages": […], …}, which holds whatever the others can say',
    kinds=("chat", "preference", "prompt", "labelled"),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode,),
    nested=("messages", "prompt", "chosen", "rejected", "tools", "extra"),
)
