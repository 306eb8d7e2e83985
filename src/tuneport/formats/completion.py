"""Prompt and completion: one `{"prompt": "…", "completion": "…"}` a line, or two other names given as columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

from tuneport.examples import ChatExample, Example
from tuneport.formats.format import BadRow, Format, Notices, Written
from tuneport.formats.lines import json_line, json_lines, json_object
from tuneport.formats.pairs import Pair, pair_of, turns
from tuneport.formats.sniff import first_objects


def sniff(head: bytes, suffix: str) -> float:
    """Rows that have both keys."""
    return 0.9 if any({"prompt", "completion"} <= row.keys() for row in first_objects(head)) else 0.0


def read(stream: BinaryIO, *, columns: Mapping[str, str], notices: Notices) -> Iterator[tuple[int, Example]]:
    """Other keys go to `extra`; a `system` key becomes the system turn."""
    pair = pair_of(columns) or Pair("prompt", "completion", columns.get("system", "system"))
    for line, raw in json_lines(stream, notices=notices):
        try:
            example = pair.example(json_object(raw))
        except BadRow as error:
            notices.bad(line, str(error))
            continue
        yield line, example


def write(example: Example) -> Written:
    """One user turn and one assistant turn, perhaps after a system turn; anything else is refused."""
    question, answer, losses, system = turns(example)
    row: dict[str, Any] = {"prompt": question, "completion": answer} | ({} if system is None else {"system": system})
    extra = example.extra if isinstance(example, ChatExample) else {}
    lost = {f"extra.{key}" for key in extra.keys() & {"prompt", "completion", "system"}}
    return json_line({**extra, **row}), tuple(sorted({*losses, *lost}))


COMPLETION = Format(
    name="completion",
    summary='prompt and completion, JSONL: {"prompt": "…", "completion": "…"}, or other keys named as columns',
    extensions=(".jsonl", ".ndjson"),
    sniff=sniff,
    read=read,
    write=write,
)
