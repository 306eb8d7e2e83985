"""Corrections that cannot change what a file teaches, made in a copy: nothing else is touched, and every change is told.

Rows stay byte for byte as they are unless one of these is done: rows that cannot be read, or that repeat an earlier one, are left out; byte
order marks inside the file and NUL characters are taken out; keys of messages that hold nothing and mean nothing are taken out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, repeat
from pathlib import Path
from typing import Any

import msgspec
import orjson
from xxhash import xxh3_64_intdigest

from tuneport.containers.container import Lines, Texts
from tuneport.containers.jsonl import BOM, JSONL
from tuneport.containers.row_file import RowFile
from tuneport.dataset import Dataset
from tuneport.errors import DatasetError, Unsupported
from tuneport.files import write_chunks
from tuneport.formats.format import BadRow
from tuneport.formats.json_values import json_object
from tuneport.formats.known import named
from tuneport.formats.messages import WireMessage
from tuneport.formats.reading import blocks
from tuneport.repeats import Keys

_KNOWN = frozenset(WireMessage.__struct_fields__)
_CHUNK_LINES = 256


@dataclass(frozen=True, slots=True)
class Change:
    """One correction: the line, the rule that asked for it, and what was done."""

    line: int
    rule: str
    done: str


@dataclass(frozen=True, slots=True)
class Corrected:
    """The copy, the file that lists every change (JSON lines), how many rows the copy has, and the changes of each rule."""

    path: Path
    changes_path: Path
    rows: int
    changes: Mapping[str, int]


def correct(path: Path, target: Path, *, format: str | None = None, columns: Mapping[str, str] | None = None) -> Corrected:
    """Writes the corrected copy of a file of JSON lines to `target`, and its changes beside it, each whole or not at all.

    Raises Unsupported for a file that is not JSON lines, DatasetError for one that cannot be read as a whole.
    """
    copy = _Copy(path, format=format, columns=columns)
    beside = target.with_name(f"{target.name.removesuffix(target.suffix)}.changes.jsonl")
    copy.find_repeats()
    try:
        write_chunks(target, chain([BOM] if copy.bom else [], copy.chunks()))
        write_chunks(beside, (msgspec.json.encode(change) + b"\n" for change in copy.changes()))
    except OSError as error:
        raise DatasetError(f"{target}: cannot be written: {error.strerror or error}.") from None
    return Corrected(target, beside, copy.rows, copy.counts)


class _Heard:
    """The first thing that is wrong with a row."""

    sentence = ""

    def bad(self, line: int, sentence: str) -> None:
        self.sentence = self.sentence or sentence

    def lost(self, line: int, kind: str) -> None:
        pass


class _Copy:
    """The file, gone through three times: for its repeats, for the copy, and for the changes."""

    def __init__(self, path: Path, *, format: str | None, columns: Mapping[str, str] | None) -> None:
        self._file = RowFile(path)
        if self._file.container is not JSONL:
            raise Unsupported(
                f"{path}: only files of JSON lines are corrected, this is {self._file.container.summary}.",
                remedy="Write it as JSON lines first, with tuneport data convert.",
            )
        self._format = named(Dataset.read(path, format=format, columns=columns).format or "chat")
        self._columns = dict(columns or {})
        with path.open("rb") as file:
            self.bom = file.read(len(BOM)) == BOM
        self._repeated = bytearray()
        self.rows = 0
        self.counts: dict[str, int] = {}

    def find_repeats(self) -> None:
        """Marks the rows that repeat an earlier one."""
        keys = Keys()
        for _, row, _ in self._rows():
            if row is not None:
                keys.add((xxh3_64_intdigest(_sorted(row)),))
        self._repeated = bytearray(len(keys))
        for place, _ in keys.repeats():
            self._repeated[place] = 1

    def chunks(self) -> Iterator[bytes]:
        """The bytes of the copy."""
        lines: list[bytes] = []
        for line in self._kept():
            lines.append(line)
            if len(lines) == _CHUNK_LINES:
                yield b"\n".join(lines) + b"\n"
                lines = []
        if lines:
            yield b"\n".join(lines) + b"\n"

    def _kept(self) -> Iterator[bytes]:
        again = self._again()
        for _, row, _ in self._rows():
            if row is not None and not next(again):
                self.rows += 1
                yield row

    def _again(self) -> Iterator[int]:
        return chain(iter(self._repeated), repeat(0))

    def changes(self) -> Iterator[Change]:
        """Every change, in order of line."""
        counts = Counter[str]()
        for change in self._every_change():
            counts[change.rule] += 1
            yield change
        self.counts = dict(counts)

    def _every_change(self) -> Iterator[Change]:
        again = self._again()
        for line, row, changes in self._rows():
            if row is not None and next(again):
                yield Change(line, "row-not-repeated", "left out, because it repeats an earlier row")
            else:
                yield from changes

    def _rows(self) -> Iterator[tuple[int, bytes | None, list[Change]]]:
        """Each row that is not blank: its line, what is written of it (None for one that cannot be read), and what was done."""
        heard = _Heard()
        for raw in self._file.raws(heard):
            if isinstance(raw, Lines):
                for number, line in enumerate(raw.data.split(b"\n"), raw.first):
                    if line.strip():
                        yield (number, *self._row(number, line))

    def _row(self, number: int, line: bytes) -> tuple[bytes | None, list[Change]]:
        changes: list[Change] = []
        clean = line.removesuffix(b"\r")
        for what, mark in (("byte order mark", BOM), ("NUL", b"\0")):
            if mark in clean:
                clean = clean.replace(mark, b"")
                changes.append(Change(number, "encoding-right", f"{what} taken out"))
        try:
            row = json_object(clean)
        except BadRow as error:
            return None, [Change(number, "row-readable", f"left out: {error}")]
        tidied = self._tidied(number, row, clean, changes)
        heard = _Heard()
        found = blocks([Texts([number], [clean])], format=self._format, columns=self._columns, notices=heard)
        if sum(len(block.examples) for block in found) != 1:
            return None, [Change(number, "row-readable", f"left out: {heard.sentence or 'it cannot be read.'}")]
        return tidied, changes

    @staticmethod
    def _tidied(number: int, row: dict[str, Any], clean: bytes, changes: list[Change]) -> bytes:
        without = _without_nul(row) if b"\\u0000" in clean else row
        if without != row:
            changes.append(Change(number, "encoding-right", "NUL taken out of a text"))
        removed: list[str] = []
        messages = without.get("messages")
        if isinstance(messages, list):
            without = {**without, "messages": [_without_empty(message, removed) for message in messages]}
        changes += [Change(number, "key-known", f"the empty key message.{key} taken out") for key in dict.fromkeys(removed)]
        return clean if without == row and not removed else msgspec.json.encode(without)


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [_without_nul(each) for each in value]
    return {key: _without_nul(each) for key, each in value.items()} if isinstance(value, dict) else value


def _without_empty(message: Any, removed: list[str]) -> Any:
    if not isinstance(message, dict):
        return message
    empty = [key for key, value in message.items() if key not in _KNOWN and value in (None, [], {}, "")]
    removed += empty
    return {key: value for key, value in message.items() if key not in empty} if empty else message


def _sorted(line: bytes) -> bytes:
    """The same bytes for rows that are equal as JSON, whatever the order of their keys."""
    row = msgspec.json.decode(line)
    try:
        return orjson.dumps(row, option=orjson.OPT_SORT_KEYS)
    except (TypeError, orjson.JSONEncodeError):
        return line
