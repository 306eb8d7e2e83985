"""Where the rows of a Dataset come from: a file, memory, or a part of another source. Each can be read any number of times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal, Protocol

from tuneport.containers.container import Container, Raw, Records, Texts
from tuneport.containers.row_file import RowFile
from tuneport.errors import DatasetError
from tuneport.examples import Example, Kind
from tuneport.formats.format import BadFile, BadRow, Block, Format, Notices, Row
from tuneport.formats.json_values import json_object
from tuneport.formats.known import COLUMNS, Recognised, named, recognise
from tuneport.formats.reading import blocks
from tuneport.formats.recast import recast
from tuneport.splitting import SplitSettings, assign

Blocks = Iterator[Block]
Side = Literal["train", "test"]

BLOCK_ROWS = 256
SNIFFED_ROWS = 20
"""Rows that a format is recognised from."""

SNIFFED_BLOCKS = 100
"""Where these are looked for: blocks of a container, of 64 KiB or a few hundred rows."""


class Source(Protocol):
    """`name` is short, for people; `place` stands before the line number in messages."""

    @property
    def name(self) -> str: ...

    @property
    def place(self) -> str: ...

    def blocks(self, notices: Notices) -> Blocks:
        """All rows, with the lines they start at, some at a time."""

    def length(self) -> int | None:
        """The number of rows, where that is known without a pass over an undivided file."""

    def reference(self) -> dict[str, Any] | None:
        """JSON-ready data that finds the same rows again; None when they exist in memory only."""


class Strict:
    """The first row that cannot be read ends the reading with a DatasetError. Losses pass: whoever needs them listens."""

    def __init__(self, place: str) -> None:
        self._place = place

    def bad(self, line: int, sentence: str) -> None:
        raise DatasetError(f"{self._place}:{line}: {sentence}", line=line)

    def lost(self, line: int, kind: str) -> None:
        pass


class Deaf:
    """Rows that cannot be read are passed over."""

    def bad(self, line: int, sentence: str) -> None:
        pass

    def lost(self, line: int, kind: str) -> None:
        pass


class Impatient(Deaf):
    """Gives up after some rows that cannot be read."""

    def __init__(self) -> None:
        self._left = 50 * SNIFFED_ROWS

    def bad(self, line: int, sentence: str) -> None:
        self._left -= 1
        if self._left == 0:
            raise BadFile(f"hardly any row can be read; {sentence}", line=line, remedy="Name the format to read the others.")


class MemorySource:
    """Rows at hand; their lines are counted from 1."""

    def __init__(self, examples: tuple[Example, ...], *, name: str) -> None:
        self._examples = examples
        self.name = self.place = name

    def blocks(self, notices: Notices) -> Blocks:
        for start in range(0, len(self._examples), BLOCK_ROWS):
            examples = self._examples[start : start + BLOCK_ROWS]
            yield Block(range(start + 1, start + 1 + len(examples)), examples)

    def length(self) -> int:
        return len(self._examples)

    def reference(self) -> None:
        return None


class FileSource:
    """A file that must stay as it was when the source was made. Raises DatasetError when it is missing, empty or no place of rows.

    `address` is where it lies in a cloud's storage, if it does; `path` is then a copy here.
    """

    def __init__(self, path: str | Path, *, format: str | None, columns: Mapping[str, str] | None) -> None:
        self.columns = dict(columns or {})
        self._given = None if format is None else named(format)
        _refuse_unknown_columns(self.columns)
        self._file = RowFile(path)
        self.place, self.path, self.name, self.address = self._file.place, self._file.path, self._file.name, self._file.address

    @property
    def container(self) -> Container:
        """How the file holds its rows."""
        return self._file.container

    @cached_property
    def recognised(self) -> Recognised:
        """The format that was given (with confidence 1), or the one recognised from the first rows."""
        if self._given is not None:
            return Recognised(self._given, 1.0, {})
        try:
            return recognise(self._first_rows())
        except BadFile as error:
            raise DatasetError(f"{self.place}: {error}", remedy=error.remedy) from None

    @property
    def format(self) -> Format:
        """What the rows are."""
        return self.recognised[0]

    def _first_rows(self) -> list[Row]:
        """What can be read before the file turns out to be damaged is enough, if it is anything; a file without rows is not searched
        to its end for one."""
        ours = {theirs: name for name, theirs in self.columns.items()}
        rows: list[Row] = []
        raws = islice(self._file.raws(Impatient()), SNIFFED_BLOCKS)
        try:
            for row in islice(chain.from_iterable(map(_objects, raws)), SNIFFED_ROWS):
                rows.append({ours.get(key, key): value for key, value in row.items()})
        except DatasetError:
            if not rows:
                raise
        return rows

    def blocks(self, notices: Notices) -> Blocks:
        format = self.format
        yield from blocks(self._file.raws(notices), format=format, columns=self.columns, notices=notices)

    def length(self) -> None:
        return None

    def reference(self) -> dict[str, Any] | None:
        if not self._file.lasting:
            return None
        given = {"format": self._given.name} if self._given is not None else {}
        return {"path": self.address or str(self.path), **given, **({"columns": dict(self.columns)} if self.columns else {})}

    def verify(self) -> None:
        """Raises DatasetError when the file is no longer as it was."""
        self._file.verify()


def _objects(raw: Raw) -> Sequence[Row]:
    if isinstance(raw, Records):
        return raw.rows
    found = []
    texts = raw.texts if isinstance(raw, Texts) else filter(bytes.strip, raw.data.split(b"\n"))
    for text in islice(texts, SNIFFED_ROWS):
        try:
            found.append(json_object(text))
        except BadRow:
            continue
    return found


def _refuse_unknown_columns(columns: Mapping[str, str]) -> None:
    for name, column in columns.items():
        if name not in COLUMNS:
            raise DatasetError(f"columns: unknown name {name!r}; known: {', '.join(COLUMNS)}.")
        if not isinstance(column, str) or not column:
            raise DatasetError(f"columns: {name!r} needs the name of a column in the file.")


class Marks(Protocol):
    """Numbers given to the rows of a source, one byte each; found out when they are first asked for."""

    @property
    def source(self) -> Source: ...

    @property
    def marks(self) -> bytearray: ...


class Division:
    """A source divided once; both sides share it. Reads the source when a side is first used."""

    def __init__(self, source: Source, settings: SplitSettings) -> None:
        self.source = source
        self.settings = settings
        known = source.length()
        if known is not None:
            settings.test_rows(known)

    @cached_property
    def marks(self) -> bytearray:
        """One byte a readable row, 1 for the test side."""
        return assign((example for block in self.source.blocks(Deaf()) for example in block.examples), self.settings)

    def side(self, side: Side) -> MarkedSource:
        """The rows of one side."""
        settings = self.settings
        split = {"test": settings.test, "seed": settings.seed, "side": side, "stratify": settings.stratify}
        split |= {"near": True} if settings.near else {}
        return MarkedSource(
            self, int(side == "test"), name=f"{self.source.name} ({side})", reference=part_of(self.source.reference(), "split", split)
        )


class MarkedSource:
    """The rows of a source that have one mark. They keep the lines of the source."""

    def __init__(self, marks: Marks, wanted: int, *, name: str, reference: dict[str, Any] | None) -> None:
        self._marks = marks
        self._wanted = wanted
        self._reference = reference
        self.place = marks.source.place
        self.name = name

    def blocks(self, notices: Notices) -> Blocks:
        start = 0
        for block in self._marks.source.blocks(notices):
            marks = self._marks.marks[start : start + len(block.examples)]
            start += len(block.examples)
            places = [place for place, mark in enumerate(marks) if mark == self._wanted]
            if places:
                yield Block([block.lines[place] for place in places], [block.examples[place] for place in places])

    def length(self) -> int:
        return self._marks.marks.count(self._wanted)

    def left_out(self) -> int:
        """The rows of the source that have another mark."""
        return len(self._marks.marks) - self.length()

    def reference(self) -> dict[str, Any] | None:
        return self._reference


class FirstSource:
    """The first rows of a source."""

    def __init__(self, source: Source, rows: int) -> None:
        if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
            raise DatasetError(f"take: {rows!r} rows are impossible; give a whole number from 1 up.")
        self._source = source
        self._rows = rows
        self.place = source.place
        self.name = f"{source.name} (first {rows})"

    def blocks(self, notices: Notices) -> Blocks:
        left = self._rows
        for block in self._source.blocks(notices):
            yield block if len(block.examples) <= left else Block(block.lines[:left], block.examples[:left])
            left -= len(block.examples)
            if left <= 0:
                return

    def length(self) -> int | None:
        known = self._source.length()
        return None if known is None else min(known, self._rows)

    def reference(self) -> dict[str, Any] | None:
        return part_of(self._source.reference(), "take", self._rows)


def _each(blocks: Blocks, change: Callable[[int, Example], Example], notices: Notices) -> Blocks:
    """Each row as `change` makes it of its line and itself; those that it refuses with a BadRow are told."""
    for block in blocks:
        lines, examples = [], []
        for line, example in zip(block.lines, block.examples, strict=True):
            try:
                examples.append(change(line, example))
            except BadRow as error:
                notices.bad(line, str(error))
            else:
                lines.append(line)
        yield Block(lines, examples)


class RecastSource:
    """A source whose rows are turned into one kind. What that loses, and rows for which it has no meaning, are told."""

    def __init__(self, source: Source, kind: Kind) -> None:
        self._source = source
        self._kind = kind
        self.place = source.place
        self.name = source.name

    def blocks(self, notices: Notices) -> Blocks:
        return _each(self._source.blocks(notices), lambda line, row: recast(row, self._kind, partial(notices.lost, line)), notices)

    def length(self) -> int | None:
        return self._source.length()

    def reference(self) -> dict[str, Any] | None:
        return self._source.reference()


class ChangedSource:
    """A source of whose rows each is changed by a function. Rows that it refuses with a BadRow are told; no reference finds them again."""

    def __init__(self, source: Source, change: Callable[[Example], Example]) -> None:
        self._source = source
        self._change = change
        self.place = source.place
        self.name = source.name

    def blocks(self, notices: Notices) -> Blocks:
        return _each(self._source.blocks(notices), lambda _, row: self._change(row), notices)

    def length(self) -> None:
        return None

    def reference(self) -> None:
        return None


PARTS = ("merge", "dedupe", "split", "sample", "take")
"""The parts of a reference in the order in which one table applies them."""


def part_of(whole: dict[str, Any] | None, key: str, value: Any) -> dict[str, Any] | None:
    """In one reference parts apply in the order of PARTS; any other order nests the whole under `of`."""
    if whole is None:
        return None
    later = PARTS[PARTS.index(key) :]
    return {"of": whole, key: value} if any(part in whole for part in later) else {**whole, key: value}
