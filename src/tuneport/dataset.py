"""Datasets: immutable, lazily streamed sequences of Examples with a source and a fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tuneport.dataset_reference import open_reference
from tuneport.errors import DatasetError
from tuneport.examples import Example, canonical_bytes
from tuneport.files import write_chunks
from tuneport.formats.format import BadRow, Format, Notices
from tuneport.formats.known import named
from tuneport.sources import Division, FileSource, FirstSource, MemorySource, SideSource, Source, Strict
from tuneport.splitting import SplitSettings

CHUNK_BYTES = 1 << 16
LINES_KEPT = 10
"""How many line numbers a loss remembers."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One kind of thing that a format could not carry: in how many rows, and the lines of the first of them."""

    kind: str
    rows: int
    lines: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WriteReport:
    """What was written, and what was lost between the dataset's file and this one."""

    path: Path
    rows: int
    losses: tuple[Loss, ...] = ()


class Dataset:
    """A sequence of Examples that can be read any number of times and never changes.

    Making one reads nothing. A file that changes afterwards is noticed: reading it then raises DatasetError. Two datasets hold the same
    rows exactly when their fingerprints are equal; `==` compares identity.
    """

    __slots__ = ("_count", "_fingerprint", "_source")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._count: int | None = None
        self._fingerprint: str | None = None

    @classmethod
    def read(cls, path: str | Path, *, format: str | None = None, columns: Mapping[str, str] | None = None) -> Dataset:
        """The rows of a file. The format is recognised from the ending and the first rows when they are first needed.

        `columns` maps prompt, completion, text, label or system to the file's own names. Raises DatasetError at once for a file that is
        missing, a folder or empty, and for an unknown format.
        """
        return cls(FileSource(path, format=format, columns=columns))

    @classmethod
    def from_examples(cls, examples: Iterable[Example], *, name: str = "memory") -> Dataset:
        """Rows that are at hand, kept in memory."""
        return cls(MemorySource(tuple(examples), name=name))

    @classmethod
    def from_reference(cls, value: Any, *, folder: Path | None = None) -> Dataset:
        """The dataset that a path or a {path, format, columns, split, take} names; relative paths are taken from `folder`."""
        return cls(open_reference(value, folder=folder))

    def reference(self) -> dict[str, Any]:
        """JSON-ready data from which `from_reference` makes this dataset again. One in memory is only described."""
        found = self._source.reference()
        return {"memory": self.name, "fingerprint": self.fingerprint} if found is None else found

    @property
    def name(self) -> str:
        """A short name for people, such as `tickets.jsonl (train)`."""
        return self._source.name

    @property
    def path(self) -> Path | None:
        """The file, when the dataset is the whole of one."""
        return self._source.path if isinstance(self._source, FileSource) else None

    @property
    def format(self) -> str | None:
        """The name of the file's format, recognised if need be, when the dataset is the whole of one."""
        return self._source.format.name if isinstance(self._source, FileSource) else None

    @property
    def in_memory(self) -> bool:
        """Whether the rows exist in memory only, so that no recipe file can name them."""
        return self._source.reference() is None

    @property
    def kind(self) -> str:
        """The kind of the first row: chat, preference, prompt or labelled. Raises DatasetError when there is no row."""
        for example in self:
            return str(example.__struct_config__.tag)
        raise DatasetError(f"{self._source.place}: there are no rows.")

    def __iter__(self) -> Iterator[Example]:
        return (example for _, example in self._rows(None))

    def numbered(self, *, notices: Notices | None = None) -> Iterator[tuple[int, Example]]:
        """Each row with the 1-based line it starts at in its file.

        The first row that cannot be read raises DatasetError, unless `notices` is there to hear of it.
        """
        return self._rows(notices)

    def _rows(self, notices: Notices | None) -> Iterator[tuple[int, Example]]:
        rows = 0
        for row in self._source.rows(notices or Strict(self._source.place)):
            rows += 1
            yield row
        if notices is None:
            self._count = rows

    def __len__(self) -> int:
        known = self._count if self._count is not None else self._source.length()
        if known is None:
            raise TypeError(f"the number of rows of {self.name} is not known before a full pass; count() makes one.")
        self._count = known
        return known

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<Dataset {self.name}>"

    def count(self) -> int:
        """The number of rows, by a full pass if need be."""
        try:
            return len(self)
        except TypeError:
            return sum(1 for _ in self)

    @property
    def fingerprint(self) -> str:
        """sha256 over the canonical form of every row, one a line: equal for the same rows from any file and format."""
        if self._fingerprint is None:
            digest = hashlib.sha256()
            for example in self:
                digest.update(canonical_bytes(example) + b"\n")
            self._fingerprint = digest.hexdigest()
        return self._fingerprint

    def split(self, test: float | int = 0.2, *, seed: int = 0, stratify: Literal["auto"] | bool = "auto") -> tuple[Dataset, Dataset]:
        """Train and test. `test` is a share or a number of rows; the file is read when a side is first used.

        The same rows, seed and size give the same sides on every machine. Rows that ask the same (white space and letter case aside) are
        never on both. `stratify` keeps the shares of the answers; 'auto' does where they are labels. Raises DatasetError for a size that
        leaves a side empty: at once where the number of rows is known.
        """
        division = Division(self._source, SplitSettings(test=test, seed=seed, stratify=stratify))
        return Dataset(SideSource(division, "train")), Dataset(SideSource(division, "test"))

    def take(self, rows: int) -> Dataset:
        """The first `rows` rows, or all when there are fewer."""
        return Dataset(FirstSource(self._source, rows))

    def chunks(self, *, format: str = "chat") -> Iterator[bytes]:
        """The rows as the bytes of a file in `format`, about 64 KiB at a time."""
        return _chunks(self._rows(None), named(format), losses=_Losses(), place=self._source.place)

    def write(self, path: str | Path, *, format: str = "chat") -> WriteReport:
        """Writes the rows in `format`: the whole file or none. Raises DatasetError, naming the line, for a row it cannot hold at all."""
        target, losses = Path(path), _Losses(self._source.place)
        written = named(format)
        try:
            write_chunks(target, _chunks(self._rows(losses), written, losses=losses, place=self._source.place))
        except OSError as error:
            raise DatasetError(f"{path}: cannot be written: {error.strerror or error}.") from None
        return WriteReport(path=target, rows=losses.rows, losses=losses.report())


class _Losses(Strict):
    """Gathers what reading and writing lose, row by row."""

    def __init__(self, place: str = "") -> None:
        super().__init__(place)
        self.rows = 0
        self._counts: dict[str, int] = {}
        self._lines: dict[str, list[int]] = {}

    def lost(self, line: int, kind: str) -> None:
        self._counts[kind] = self._counts.get(kind, 0) + 1
        lines = self._lines.setdefault(kind, [])
        if len(lines) < LINES_KEPT:
            lines.append(line)

    def report(self) -> tuple[Loss, ...]:
        """One entry a kind, the commonest first."""
        kinds = sorted(self._counts, key=lambda kind: (-self._counts[kind], kind))
        return tuple(Loss(kind, self._counts[kind], tuple(self._lines[kind])) for kind in kinds)


def _chunks(rows: Iterable[tuple[int, Example]], written: Format, *, losses: _Losses, place: str) -> Iterator[bytes]:
    write, batch = written.write, bytearray(written.header)
    for line, example in rows:
        try:
            row, lost = write(example)
        except BadRow as error:
            raise DatasetError(f"{place}:{line}: {error}", line=line) from None
        losses.rows += 1
        for kind in lost:
            losses.lost(line, kind)
        batch += row
        if len(batch) >= CHUNK_BYTES:
            yield bytes(batch)
            batch.clear()
    if batch:
        yield bytes(batch)
