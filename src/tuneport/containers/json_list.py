"""One JSON document: a list of objects, or an object that holds such a list under one of a few names, or objects one after another.

Cut into rows without building any of them, so that a file larger than memory is read like JSON Lines. What an object holds beside its list
is told as the loss `file.keys`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

from tuneport.containers.container import Batch, Container, Stream, Texts
from tuneport.containers.jsonl import BOM, MAX_LINE_BYTES, encoded
from tuneport.formats.format import BadFile, Notices

BLOCK_BYTES = 1 << 16
LISTS = ("data", "rows", "examples", "records", "instances", "items", "train")
"""The names under which an object may hold the rows. A list under any other name, such as "messages", belongs to a row."""

_PAIR = rb'\s*+"[^"\\]*+"\s*+:\s*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"|[-+.\w]++)\s*+,'
_WRAPPED = re.compile(rb"\s*+\{(?P<others>(?:" + _PAIR + rb')*?)\s*+"(?:' + "|".join(LISTS).encode() + rb')"\s*+:\s*+\[', re.DOTALL)
_LIST = re.compile(rb"\s*+\[")
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[{}\[\]"]', re.DOTALL)
_IN_TEXT = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_QUOTE = ord('"')
_OPENING = b"{["
_LIST_END = ord("]")
_GAP_BYTES = 16
_SEAM_START, _SEAM_END = 2, 6
"""How much of a row's end and of the next one's start is looked for: `]},{"messa`."""

_BETWEEN = re.compile(rb"[\s,]*+")
_raw_list = msgspec.json.Decoder(list[msgspec.Raw]).decode

_NOT_A_ROW = "a row is a JSON object and a comma stands between two of them; here is something else."


def is_wrapped(head: bytes) -> bool:
    """Whether a file with these first bytes is an object with the list of rows in it."""
    return _WRAPPED.match(head.removeprefix(BOM)) is not None


def read(stream: Stream, notices: Notices) -> Iterator[Texts]:
    """The rows of each block that was read."""
    data = stream.read(BLOCK_BYTES).removeprefix(BOM)
    wrapped = _WRAPPED.match(data)
    start = wrapped or _LIST.match(data)
    if wrapped and wrapped["others"]:
        notices.lost(1, "file.keys")
    end = start.end() if start else 0
    cutter = _Cutter(data[end:], line=1 + data.count(b"\n", 0, end), listed=start is not None)
    while True:
        yield from cutter.cut(notices)
        if cutter.closed:
            _after(cutter, stream, notices, wrapped=wrapped is not None)
            return
        more = stream.read(BLOCK_BYTES)
        if not more:
            break
        cutter.add(more)
    cutter.refuse_rest()


class _Cutter:
    """Finds where rows begin and end. Places are counted in `_buffer`, which begins with the row that is not complete yet, or is empty;
    of what stands between two rows only so much is kept, in `_gap`, as tells a comma from anything else."""

    def __init__(self, data: bytes, *, line: int, listed: bool) -> None:
        self.line = line
        self.closed = False
        self._listed = listed
        self._buffer = bytearray(data)
        self._start = 0
        self._scanned = 0
        self._depth = 0
        self._in_text = False
        self._too_long = False
        self._gap = b""
        self._any = False
        self._row_line = line
        self._ended = 0
        self._seam = b""
        self._tried = False
        self._lines: list[int] = []
        self._texts: list[bytes] = []

    def add(self, data: bytes) -> None:
        self._buffer += data

    def rest(self) -> bytes:
        """What was read beyond the end of the list."""
        return bytes(self._buffer)

    def cut(self, notices: Notices) -> Iterator[Texts]:
        """The rows that are complete by now."""
        buffer, position, self._tried = self._buffer, self._scanned, False
        if self._in_text:
            position = self._text_end(position)
        while not (self._in_text or self.closed) and (token := _TOKEN.search(buffer, position)):
            at, position = token.span()
            kind = buffer[at]
            if kind == _QUOTE:
                if position - at == 1:
                    self._in_text, position = True, self._text_end(position)
            elif kind in _OPENING:
                if self._depth == 0:
                    yield from self._begin(at, notices)
                    if end := self._many(at):
                        position = end
                        continue
                self._depth += 1
            elif self._depth > 1:
                self._depth -= 1
            else:
                yield from self._end(at, notices)
        token = None  # a match keeps the buffer from being cut
        self._forget(position if self._in_text or self.closed else len(buffer))
        yield from self._complete()

    def _text_end(self, position: int) -> int:
        """Where the text that is open at `position` ends, or how far it was looked at."""
        found = _IN_TEXT.match(self._buffer, position)
        end = found.end() if found else position
        if end < len(self._buffer) and self._buffer[end] == _QUOTE:
            self._in_text = False
            return end + 1
        return end

    def _begin(self, at: int, notices: Notices) -> Iterator[Texts]:
        self._pass(at)
        if self._gap != (b"," if self._any and self._listed else b""):
            yield from self._complete()
            notices.bad(self.line, _NOT_A_ROW)
        self._row_line, self._any, self._gap = self.line, True, b""
        if not self._seam and self._texts:
            self._seam = bytes(self._buffer[self._ended - _SEAM_START : at + _SEAM_END])

    def _many(self, at: int) -> int:
        """Takes the rows from `at` on at once, up to the last place that looks like the seam between two earlier ones; how far it got.

        A guess that the parser proves: no list of objects is cut inside one of them and still one. 0 when there was nothing to take.
        """
        seam = self._buffer.rfind(self._seam, at) if self._seam and not self._tried and self._listed else -1
        self._tried = True
        if seam <= at:
            return 0
        end = seam + _SEAM_START
        try:
            rows = _raw_list(b"[" + self._buffer[at:end] + b"]")
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return 0
        texts = list(map(bytes, rows))
        if not all(text.startswith(b"{") for text in texts):
            return 0
        for text in texts:
            self.line += self._buffer.count(b"\n", self._start, at)
            self._lines.append(self.line)
            self._start, at = at, at + len(text)
            self.line += self._buffer.count(b"\n", self._start, at)
            self._start, at = at, _BETWEEN.match(self._buffer, at).end()  # type: ignore[union-attr]
        self._texts += texts
        return end

    def _end(self, at: int, notices: Notices) -> Iterator[Texts]:
        """A bracket that closes a row, the list, or nothing."""
        if self._depth:
            self._depth = 0
            yield from self._end_row(at + 1, notices)
        elif self._listed and self._buffer[at] == _LIST_END:
            self._pass(at)
            if self._gap:
                yield from self._complete()
                notices.bad(self.line, _NOT_A_ROW)
            self.closed, self._start = True, at + 1
        else:
            self._gap += b"?"

    def _end_row(self, end: int, notices: Notices) -> Iterator[Texts]:
        if self._too_long or end - self._start > MAX_LINE_BYTES:
            yield from self._complete()
            notices.bad(self._row_line, f"the row is longer than {MAX_LINE_BYTES >> 20} MiB.")
            self._too_long = False
        else:
            self._lines.append(self._row_line)
            self._texts.append(bytes(self._buffer[self._start : end]))
        self.line += self._buffer.count(b"\n", self._start, end)
        self._start = self._ended = end

    def _complete(self) -> Iterator[Texts]:
        """The rows that were found and not handed out yet."""
        if self._texts:
            yield Texts(self._lines, self._texts)
            self._lines, self._texts = [], []

    def _pass(self, end: int) -> None:
        """Goes over what stands between two rows."""
        self._gap = (self._gap + self._buffer[self._start : end].strip())[:_GAP_BYTES]
        self.line += self._buffer.count(b"\n", self._start, end)
        self._start = end

    def _forget(self, scanned: int) -> None:
        """Drops what was handed out, what stands between rows, and a row that is too long already."""
        if self._depth == 0 and not self.closed:
            self._pass(scanned)
        elif self._depth and scanned - self._start > MAX_LINE_BYTES:
            self._too_long = True
        if self._too_long:
            self.line += self._buffer.count(b"\n", self._start, scanned)
            self._start = scanned
        del self._buffer[: self._start]
        self._scanned, self._start = scanned - self._start, 0

    def refuse_rest(self) -> None:
        """At the end of the file. Raises BadFile when it ends inside a row or a list."""
        if self._depth:
            raise BadFile("the row that begins here is never closed: the file is cut off, or a bracket is missing.", line=self._row_line)
        if self._listed:
            raise BadFile("the list of rows is never closed: the file is cut off, or a bracket is missing.", line=self.line)
        if self._gap or self._in_text:
            raise BadFile(_NOT_A_ROW, line=self.line)


def _after(cutter: _Cutter, stream: Stream, notices: Notices, *, wrapped: bool) -> None:
    """Behind the list there is nothing, or the rest of the object that holds it."""
    rest = cutter.rest()
    while len(rest) < BLOCK_BYTES and (more := stream.read(BLOCK_BYTES)):
        rest = rest.lstrip(b" \t\r") + more if rest.strip() else rest[-1:] + more
    line = cutter.line + rest[: len(rest) - len(rest.lstrip())].count(b"\n")
    rest = rest.strip()
    if rest == (b"}" if wrapped else b""):
        return
    if not wrapped:
        notices.bad(line, "something follows the end of the list of rows.")
    elif _is_object(b'{"":0' + rest):
        notices.lost(1, "file.keys")
    else:
        notices.bad(line, "the object that holds the list of rows is not valid JSON behind it, or goes on for more than 64 KiB.")


def _is_object(text: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(text), dict)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False


def write(batches: Iterable[Batch], bom: bool) -> Iterator[bytes]:
    """A list, one row a line."""
    if bom:
        yield BOM
    separator = b"[\n"
    for batch in batches:
        if len(batch):
            yield separator + encoded(batch)[:-1].replace(b"\n", b",\n")
            separator = b",\n"
    yield b"\n]\n" if separator == b",\n" else b"[]\n"


JSON = Container(name="json", summary="one JSON list of objects", suffixes=(".json",), read=read, write=write)
