"""Tables: CSV and TSV with a header. Columns prompt and completion, or text and label (category, intent), or others named as columns."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import BinaryIO, Literal

from tuneport.examples import ChatExample, Example
from tuneport.formats.format import BadFile, Format, Notices, Written
from tuneport.formats.lines import BOM
from tuneport.formats.pairs import Pair, pair_of, turns

MAX_FIELD_CHARS = 1 << 24
"""An opening quote that is never closed swallows the rest of the file; at this size it is called an error."""

_DELIMITERS = ",\t;"


def sniff(head: bytes, suffix: str) -> float:
    """By its name, surely; any other text file if its first line is a header that is recognised."""
    if suffix in (".csv", ".tsv", ".tab"):
        return 0.9
    if head.lstrip()[:1] in (b"{", b"["):
        return 0.0
    first = head.removeprefix(BOM).split(b"\n", 1)[0].decode(errors="replace").strip()
    return 0.6 if pair_of({}, next(csv.reader([first], delimiter=_delimiter(first)), [])) else 0.0


def read(stream: BinaryIO, *, columns: Mapping[str, str], notices: Notices) -> Iterator[tuple[int, Example]]:
    """Every row needs as many fields as the header. Other columns go to `extra` where they are not empty."""
    if csv.field_size_limit() < MAX_FIELD_CHARS:
        csv.field_size_limit(MAX_FIELD_CHARS)  # the module has one limit for the process; it is only ever raised
    text = _Text(stream)
    first = next(text, "")
    rows = csv.reader(chain([first], text), delimiter=_delimiter(first), strict=True)
    header = _header(rows, text)
    pair = _pair(columns, header)
    while True:
        line = rows.line_num + 1
        try:
            fields = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            notices.bad(line, _csv_sentence(error))
            text.broken.clear()
            continue
        if text.broken:
            notices.bad(line, f"not valid UTF-8 (line {text.broken[0]}). Save the file as UTF-8.")
            text.broken.clear()
        elif len(fields) != len(header):
            if fields:
                notices.bad(line, f"the row has {len(fields)} fields, the header has {len(header)}.")
        else:
            yield line, pair.example(dict(zip(header, fields, strict=True)))


class _Text:
    """The lines of a binary stream as text; numbers of lines that are not UTF-8 are left in `broken`."""

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = iter(stream)
        self._number = 0
        self.broken: list[int] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = next(self._lines)
        self._number += 1
        if self._number == 1:
            raw = raw.removeprefix(BOM)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            self.broken.append(self._number)
            return raw.decode(errors="replace")


def _header(rows: Iterator[list[str]], text: _Text) -> list[str]:
    try:
        header = [name.strip() for name in next(rows, [])]
    except csv.Error as error:
        raise BadFile(f"the header: {_csv_sentence(error)}", line=1, remedy="Save the table with LF or CRLF line ends.") from None
    if text.broken:
        raise BadFile("the header is not valid UTF-8.", line=1, remedy="Save the file as UTF-8.")
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


def _pair(columns: Mapping[str, str], header: list[str]) -> Pair:
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise BadFile(f"the header names the column {twice[0]!r} twice.", line=1)
    pair = pair_of(columns, header)
    if pair is None:
        raise BadFile(
            f"no columns are recognised among {', '.join(map(repr, header[:20]))}.",
            line=1,
            remedy="Name two with columns, such as columns={'prompt': …, 'completion': …} or {'text': …, 'label': …}.",
        )
    missing = [name for name in (pair.question, pair.answer, columns.get("system")) if name is not None and name not in header]
    if missing:
        raise BadFile(f"there is no column {missing[0]!r}; there are {', '.join(map(repr, header[:20]))}.", line=1)
    return pair


def write(example: Example) -> Written:
    """A line of CSV with the columns prompt and completion."""
    question, answer, losses, system = turns(example)
    extra = example.extra if isinstance(example, ChatExample) else {}
    lost = {f"extra.{key}" for key in extra} | ({"system"} if system is not None else set())
    line = io.StringIO()
    # csv does not quote a bare return by itself, and it would end the row
    quoting: Literal[0, 1] = csv.QUOTE_ALL if "\r" in question + answer else csv.QUOTE_MINIMAL
    csv.writer(line, lineterminator="\n", quoting=quoting).writerow((question, answer))
    return line.getvalue().encode(), tuple(sorted({*losses, *lost}))


TABLE = Format(
    name="table",
    summary="CSV or TSV with a header: prompt and completion, or text and label (category, intent), or others named as columns",
    extensions=(".csv", ".tsv", ".tab"),
    sniff=sniff,
    read=read,
    write=write,
    header=b"prompt,completion\n",
)
