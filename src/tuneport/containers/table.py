"""CSV and TSV with a header line. Lists and objects stand in cells as JSON text, which formats that want them unpack."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, Literal

import msgspec

from tuneport.containers.container import Batch, Container, Records, Stream
from tuneport.containers.jsonl import BOM
from tuneport.formats.format import BadFile, BadRow, Notices

MAX_FIELD_CHARS = 1 << 24
"""An opening quote that is never closed swallows the rest of the file; at this size it is called an error."""

ROWS = 256
_DELIMITERS = ",\t;"


def read(stream: Stream, notices: Notices) -> Iterator[Records]:
    """Every row needs as many fields as the header. An empty cell is an empty text."""
    if csv.field_size_limit() < MAX_FIELD_CHARS:
        csv.field_size_limit(MAX_FIELD_CHARS)  # the module has one limit for the process; it is only ever raised
    text = _Text(stream)
    first = next(text, "")
    rows = csv.reader(chain([first], text), delimiter=_delimiter(first), strict=True)
    header = _header(rows, text)
    lines: list[int] = []
    found: list[Mapping[str, Any]] = []
    while True:
        line = rows.line_num + 1
        try:
            fields = next(rows)
        except StopIteration:
            break
        except csv.Error as error:
            fields, problem = [], _csv_sentence(error)
        except BadFile:
            if found:
                yield Records(lines, found)
            raise
        else:
            problem = _problem(fields, header, text)
        text.broken.clear()
        if not problem and fields:
            lines.append(line)
            found.append(dict(zip(header, fields, strict=True)))
        if found and (problem or len(found) == ROWS):
            yield Records(lines, found)
            lines, found = [], []
        if problem:
            notices.bad(line, problem)
    if found:
        yield Records(lines, found)


def _problem(fields: list[str], header: list[str], text: _Text) -> str:
    if text.broken:
        return text.broken[0]
    if fields and len(fields) != len(header):
        return f"the row has {len(fields)} fields, the header has {len(header)}."
    return ""


class _Text:
    """The lines of a binary stream as text; what is wrong with them is left in `broken`."""

    def __init__(self, stream: Stream) -> None:
        self._lines = iter(partial(stream.readline, MAX_FIELD_CHARS), b"")
        self._number = 0
        self.broken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = next(self._lines)
        self._number += 1
        if self._number == 1:
            raw = raw.removeprefix(BOM)
        if len(raw) >= MAX_FIELD_CHARS and not raw.endswith(b"\n"):
            self.broken.append(f"line {self._number} is longer than {MAX_FIELD_CHARS >> 20} MiB.")
            self._pass_line()
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.broken.append(f"not valid UTF-8 (line {self._number}). Save the file as UTF-8.")
            return raw.decode(errors="replace")

    def _pass_line(self) -> None:
        for raw in self._lines:
            if raw.endswith(b"\n"):
                return


def _header(rows: Iterator[list[str]], text: _Text) -> list[str]:
    header: list[str] = []
    try:
        while not header:
            header = [name.strip() for name in next(rows)]
    except StopIteration:
        raise BadFile("there is no header line.", line=1) from None
    except csv.Error as error:
        raise BadFile(f"the header: {_csv_sentence(error)}", line=1, remedy="Save the table with LF or CRLF line ends.") from None
    if text.broken:
        raise BadFile(f"the header: {text.broken[0]}", line=1)
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise BadFile(f"the header names the column {twice[0]!r} twice.", line=1)
    return header


def _csv_sentence(error: csv.Error) -> str:
    """The csv module's words with what to look for."""
    what = str(error)
    if "unexpected end of data" in what or "field larger" in what:
        return "a quoted field that begins here is never closed."
    if "new-line character" in what:
        return "a carriage return stands in the middle of the row, outside of quotes."
    if "expected after" in what:
        return "text follows a closing quote; quotes inside a quoted field are written twice."
    return f"the row cannot be read: {what}."


def _delimiter(header: str) -> str:
    return max(_DELIMITERS, key=header.count)


def write(batches: Iterable[Batch], bom: bool, *, delimiter: str) -> Iterator[bytes]:
    """The columns are the keys of all rows, in the order in which they come up, so the batches are gone through twice. Lists and objects
    are written as JSON; a row without a key has an empty cell there."""
    if bom:
        yield BOM
    header = list(dict.fromkeys(key for batch in batches for each in batch for key in msgspec.to_builtins(each)))
    yield _lines([header] if header else [], delimiter)
    for batch in batches:
        rows: list[Mapping[str, Any]] = [msgspec.to_builtins(each) for each in batch]
        yield _lines([[_written(row.get(name)) for name in header] for row in rows], delimiter)


def _lines(rows: Iterable[Sequence[str]], delimiter: str) -> bytes:
    """Raises BadRow with the place of the row that UTF-8 cannot hold."""
    text = io.StringIO()
    for place, fields in enumerate(rows):
        _write_row(text, fields, delimiter)
        if not all(map(_is_utf8, fields)):
            raise BadRow("the row cannot be written as UTF-8: it holds half a surrogate pair.", place=place)
    return text.getvalue().encode()


def _is_utf8(field: str) -> bool:
    try:
        field.encode()
    except UnicodeEncodeError:
        return False
    return True


def _write_row(text: io.StringIO, fields: Sequence[str], delimiter: str) -> None:
    # csv does not quote a bare return by itself, and it would end the row
    quoting: Literal[0, 1] = csv.QUOTE_ALL if any("\r" in field for field in fields) else csv.QUOTE_MINIMAL
    csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=quoting).writerow(fields)


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else msgspec.json.encode(value).decode()


CSV = Container(
    name="csv",
    summary="CSV with a header line",
    suffixes=(".csv",),
    read=read,
    write=partial(write, delimiter=","),
    table=True,
)
TSV = Container(
    name="tsv",
    summary="tab-separated values with a header line",
    suffixes=(".tsv", ".tab"),
    read=read,
    write=partial(write, delimiter="\t"),
    table=True,
)
