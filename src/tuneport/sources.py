"""Where the rows of a Dataset come from: a file, memory, or a part of another source. Each can be read any number of times."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol

from tuneport.errors import DatasetError
from tuneport.examples import Example
from tuneport.formats.format import HEAD_BYTES, BadFile, Format, Notices
from tuneport.formats.known import named, recognise
from tuneport.formats.pairs import CANONICAL
from tuneport.splitting import SplitSettings, assign

Rows = Iterator[tuple[int, Example]]
Side = Literal["train", "test"]


class Source(Protocol):
    """`name` is short, for people; `place` stands before the line number in messages."""

    @property
    def name(self) -> str: ...

    @property
    def place(self) -> str: ...

    def rows(self, notices: Notices) -> Rows:
        """All rows with the lines they start at."""

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


class MemorySource:
    """Rows at hand; their lines are counted from 1."""

    def __init__(self, examples: tuple[Example, ...], *, name: str) -> None:
        self._examples = examples
        self.name = self.place = name

    def rows(self, notices: Notices) -> Rows:
        return iter(enumerate(self._examples, start=1))

    def length(self) -> int:
        return len(self._examples)

    def reference(self) -> None:
        return None


class FileSource:
    """A file that must stay as it was when the source was made. Raises DatasetError when it is missing, a folder or empty."""

    def __init__(self, path: str | Path, *, format: str | None, columns: Mapping[str, str] | None) -> None:
        self.place = str(path)
        self.path = _absolute(Path(path).expanduser())
        self.name = self.path.name
        self.columns = dict(columns or {})
        self._given = None if format is None else named(format)
        _refuse_unknown_columns(self.columns)
        self._seen = self._stamp(_stat(self.path, place=self.place))

    @cached_property
    def format(self) -> Format:
        """The format that was given, or the one recognised."""
        if self._given is not None:
            return self._given
        with self._open() as stream:
            head = stream.read(HEAD_BYTES)
        try:
            return recognise(head, suffix=self.path.suffix.lower(), columns=bool(self.columns))[0]
        except BadFile as error:
            raise self._unreadable(error) from None

    def rows(self, notices: Notices) -> Rows:
        reader = self.format.read
        with self._open() as stream:
            try:
                yield from reader(stream, columns=self.columns, notices=notices)
            except BadFile as error:
                raise self._unreadable(error) from None
            except OSError as error:
                raise DatasetError(f"{self.place}: cannot be read: {error.strerror or error}.") from None
            self._refuse_change(stream)

    def length(self) -> None:
        return None

    def reference(self) -> dict[str, Any]:
        given = {"format": self._given.name} if self._given is not None else {}
        return {"path": str(self.path), **given, **({"columns": dict(self.columns)} if self.columns else {})}

    def _open(self) -> BinaryIO:
        try:
            stream = self.path.open("rb", buffering=1 << 18)
        except OSError as error:
            raise DatasetError(f"{self.place}: cannot be opened: {error.strerror or error}.") from None
        try:
            self._refuse_change(stream)
        except DatasetError:
            stream.close()
            raise
        return stream

    def _refuse_change(self, stream: BinaryIO) -> None:
        if self._stamp(os.fstat(stream.fileno())) != self._seen:
            raise DatasetError(f"{self.place}: the file changed since it was first read.", remedy="Read it again with Dataset.read.")

    def _unreadable(self, error: BadFile) -> DatasetError:
        where = self.place if error.line is None else f"{self.place}:{error.line}"
        return DatasetError(f"{where}: {error}", line=error.line, remedy=error.remedy)

    @staticmethod
    def _stamp(stat: os.stat_result) -> tuple[int, int, int]:
        return stat.st_size, stat.st_mtime_ns, stat.st_ino


def _absolute(path: Path) -> Path:
    return path.resolve() if ".." in path.parts else path.absolute()


def _stat(path: Path, *, place: str) -> os.stat_result:
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise DatasetError(f"{place}: no such file.") from None
    except (OSError, ValueError) as error:
        raise DatasetError(f"{place}: cannot be opened: {getattr(error, 'strerror', None) or error}.") from None
    if path.is_dir():
        raise DatasetError(f"{place}: is a folder, not a file.", remedy="Name one file of rows.")
    if stat.st_size == 0 and path.is_file():
        raise DatasetError(f"{place}: the file is empty.")
    if not path.is_file():
        raise DatasetError(f"{place}: is not a regular file, and rows are read more than once.", remedy="Save it to a file first.")
    return stat


def _refuse_unknown_columns(columns: Mapping[str, str]) -> None:
    for name, column in columns.items():
        if name not in CANONICAL:
            raise DatasetError(f"columns: unknown name {name!r}; known: {', '.join(CANONICAL)}.")
        if not isinstance(column, str) or not column:
            raise DatasetError(f"columns: {name!r} needs the name of a column in the file.")


class Division:
    """A source divided once; both sides share it. Reads the source when a side is first used."""

    def __init__(self, source: Source, settings: SplitSettings) -> None:
        self.source = source
        self.settings = settings
        known = source.length()
        if known is not None:
            settings.test_rows(known)

    @cached_property
    def sides(self) -> bytearray:
        """One byte a readable row, 1 for the test side."""
        return assign((example for _, example in self.source.rows(Deaf())), self.settings)


class SideSource:
    """One side of a division. Rows keep the lines of the source."""

    def __init__(self, division: Division, side: Side) -> None:
        self._division = division
        self._side = side
        self.place = division.source.place
        self.name = f"{division.source.name} ({side})"

    def rows(self, notices: Notices) -> Rows:
        wanted = int(self._side == "test")
        for row, side in zip(self._division.source.rows(notices), self._division.sides, strict=False):
            if side == wanted:
                yield row

    def length(self) -> int:
        return self._division.sides.count(int(self._side == "test"))

    def reference(self) -> dict[str, Any] | None:
        settings = self._division.settings
        split = {"test": settings.test, "seed": settings.seed, "side": self._side, "stratify": settings.stratify}
        return _part_of(self._division.source.reference(), "split", split)


class FirstSource:
    """The first rows of a source."""

    def __init__(self, source: Source, rows: int) -> None:
        if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
            raise DatasetError(f"take: {rows!r} rows are impossible; give a whole number from 1 up.")
        self._source = source
        self._rows = rows
        self.place = source.place
        self.name = f"{source.name} (first {rows})"

    def rows(self, notices: Notices) -> Rows:
        return islice(self._source.rows(notices), self._rows)

    def length(self) -> int | None:
        known = self._source.length()
        return None if known is None else min(known, self._rows)

    def reference(self) -> dict[str, Any] | None:
        return _part_of(self._source.reference(), "take", self._rows)


def _part_of(whole: dict[str, Any] | None, key: str, value: Any) -> dict[str, Any] | None:
    """`split` comes before `take` in one reference; any other order nests the whole under `of`."""
    if whole is None:
        return None
    taken = "take" in whole or (key == "split" and "split" in whole)
    return {"of": whole, key: value} if taken else {**whole, key: value}
