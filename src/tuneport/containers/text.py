"""Plain text: one text a line, UTF-8; blank lines are passed over. A row is {"text": …}."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from tuneport.containers import jsonl
from tuneport.containers.container import Batch, Container, Records, Stream
from tuneport.containers.jsonl import BOM
from tuneport.formats.format import BadRow, Notices

_KEY = "text"


def read(stream: Stream, notices: Notices) -> Iterator[Records]:
    """A line as it stands, without its end."""
    for block in jsonl.read(stream, notices):
        lines: list[int] = []
        rows: list[Mapping[str, Any]] = []
        for number, raw in enumerate(block.data.split(b"\n"), block.first):
            if not raw.strip():
                continue
            try:
                rows.append({_KEY: raw.removesuffix(b"\r").decode()})
            except UnicodeDecodeError as error:
                if rows:
                    yield Records(lines, rows)
                    lines, rows = [], []
                notices.bad(number, f"not valid UTF-8 (byte {error.start + 1} of the line). Save the file as UTF-8.")
            else:
                lines.append(number)
        if rows:
            yield Records(lines, rows)


def write(batches: Iterable[Batch], bom: bool) -> Iterator[bytes]:
    """Refuses a row of anything but one text, and a text that does not fit on one line."""
    if bom:
        yield BOM
    for batch in batches:
        try:
            yield "".join(_line(msgspec.to_builtins(row), place) for place, row in enumerate(batch)).encode()
        except UnicodeEncodeError:
            raise BadRow("the row cannot be written as UTF-8: it holds half a surrogate pair.") from None


def _line(row: Mapping[str, Any], place: int) -> str:
    text = row.get(_KEY)
    if not isinstance(text, str) or len(row) > 1:
        raise BadRow('a text file holds one "text" a row and nothing else. Write the rows as .jsonl.', place=place)
    if "\n" in text or not text.strip() or text.endswith("\r"):
        raise BadRow("the text is blank, has several lines or ends with a return. Write the rows as .jsonl.", place=place)
    return text + "\n"


TEXT = Container(name="text", summary="plain text: one row a line", suffixes=(".txt", ".text"), read=read, write=write)
