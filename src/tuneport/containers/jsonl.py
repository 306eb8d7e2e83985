"""JSON Lines: one JSON object a line, UTF-8 with or without BOM, LF or CRLF, read in blocks of whole lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from tuneport.containers.container import Batch, Container, Lines, Stream, lines_of
from tuneport.formats.format import BadRow, Notices

BLOCK_BYTES = 1 << 16
"""Small enough that a block's rows stay in the processor's cache: larger ones were slower, 1 MiB by half (measured)."""

MAX_LINE_BYTES = 1 << 27
"""A longer line is a damaged file more likely than a row; it is reported and skipped without being held in memory."""

BOM = b"\xef\xbb\xbf"
_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines


def read(stream: Stream, notices: Notices) -> Iterator[Lines]:
    """Blocks of about BLOCK_BYTES, or of one line that is longer."""
    first, rest = 1, b""
    data = stream.read(BLOCK_BYTES).removeprefix(BOM)
    while data:
        end = data.rfind(b"\n") + 1
        if end:
            lines = lines_of(first, rest + data[:end])
            yield lines
            first += lines.count
            rest = data[end:]
        else:
            rest += data
            if len(rest) > BLOCK_BYTES:
                whole = _long_line(rest, stream)
                if whole:
                    yield lines_of(first, whole)
                else:
                    notices.bad(first, f"the line is longer than {MAX_LINE_BYTES >> 20} MiB.")
                first, rest = first + 1, b""
        data = stream.read(BLOCK_BYTES)
    if rest:
        yield lines_of(first, rest)


def _long_line(start: bytes, stream: Stream) -> bytes:
    """The whole line; b"" for one that is too long, which is read past."""
    rest = stream.readline(MAX_LINE_BYTES - len(start) + 1)
    if len(start) + len(rest) <= MAX_LINE_BYTES:
        return start + rest
    while rest and not rest.endswith(b"\n"):
        rest = stream.readline(BLOCK_BYTES)
    return b""


def write(batches: Iterable[Batch], bom: bool) -> Iterator[bytes]:
    """A chunk a batch."""
    if bom:
        yield BOM
    for batch in batches:
        yield encoded(batch)


_REFUSED = (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError)


def encoded(batch: Batch) -> bytes:
    """The rows as lines. Raises BadRow, with the place in the batch, for what JSON in UTF-8 cannot hold: half a surrogate pair."""
    try:
        return _encode_lines(batch)
    except _REFUSED as error:
        raise BadRow(f"the row cannot be written as JSON: {error.__class__.__name__}.", place=_first_refused(batch)) from None


def _first_refused(batch: Batch) -> int:
    for place, row in enumerate(batch):
        try:
            _encode(row)
        except _REFUSED:
            return place
    return 0


JSONL = Container(name="jsonl", summary="JSON Lines: one object a line", suffixes=(".jsonl", ".ndjson"), read=read, write=write)
