"""Datasets: immutable, lazily streamed sequences of Examples with a source and a fingerprint."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tuneport.containers.jsonl import JSONL
from tuneport.dataset_reference import open_reference
from tuneport.errors import CheckFailed, DatasetError, TuneportError
from tuneport.examples import Example, Kind, canonical_bytes, kind_of_example
from tuneport.files import is_stream, write_chunks
from tuneport.formats.format import Block, Format, Notices
from tuneport.formats.known import named, natural
from tuneport.losses import Loss, Losses
from tuneport.parallel import convert
from tuneport.remote_files import address_in
from tuneport.selections import Alike, MergedSource, sample, unique
from tuneport.sources import (
    ChangedSource,
    Division,
    FileSource,
    FirstSource,
    MarkedSource,
    MemorySource,
    RecastSource,
    Source,
    Strict,
)
from tuneport.splitting import SplitSettings
from tuneport.writing import chunks, container_of, not_written, whole_target


@dataclass(frozen=True, slots=True)
class WriteReport:
    """What was written, and what was lost between the dataset's file and this one."""

    path: Path
    format: str
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
        """The rows of a file, here or at an address such as gs://bucket/rows.jsonl (read through the provider vertex). The format is
        recognised from the ending and the first rows when they are first needed.

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
        """The file, when the dataset is the whole of one; of one in a cloud's storage, the copy here."""
        return self._source.path if isinstance(self._source, FileSource) else None

    @property
    def address(self) -> str | None:
        """Where the file lies in a cloud's storage, such as gs://bucket/rows.jsonl, when the dataset is the whole of one there."""
        return self._source.address if isinstance(self._source, FileSource) else None

    @property
    def container(self) -> str | None:
        """How the file holds its rows, such as `jsonl`, when the dataset is the whole of one."""
        return self._source.container.name if isinstance(self._source, FileSource) else None

    @property
    def format(self) -> str | None:
        """The name of the file's format, recognised if need be, when the dataset is the whole of one."""
        return self._source.format.name if isinstance(self._source, FileSource) else None

    @property
    def confidence(self) -> float | None:
        """How sure the format was recognised, from 0 to 1; 1 for one that was given, None where there is no whole file."""
        return self._source.recognised.confidence if isinstance(self._source, FileSource) else None

    @property
    def taken(self) -> Mapping[str, str]:
        """The keys that were recognised under other names than the format's own, from its name to the file's."""
        return self._source.recognised.taken if isinstance(self._source, FileSource) else {}

    @property
    def in_memory(self) -> bool:
        """Whether the rows exist in memory only, so that no recipe file can name them."""
        return self._source.reference() is None

    @property
    def is_recast(self) -> bool:
        """Whether the rows are turned into another kind than the one that `reference` finds again."""
        return isinstance(self._source, RecastSource)

    @property
    def kind(self) -> Kind:
        """The kind of the first row: chat, preference, prompt or labelled. Raises DatasetError when there is no row."""
        for example in self:
            return kind_of_example(example)
        raise DatasetError(f"{self._source.place}: there are no rows.")

    def __iter__(self) -> Iterator[Example]:
        return (example for block in self.blocks() for example in block.examples)

    def numbered(self, *, notices: Notices | None = None) -> Iterator[tuple[int, Example]]:
        """Each row with the 1-based line it starts at in its file.

        The first row that cannot be read raises DatasetError, unless `notices` is there to hear of it.
        """
        return (row for block in self.blocks(notices=notices) for row in zip(block.lines, block.examples, strict=True))

    def blocks(self, *, notices: Notices | None = None) -> Iterator[Block]:
        """The rows some at a time, which is quicker where there are many. Otherwise as `numbered`."""
        rows = 0
        for block in self._source.blocks(notices or Strict(self._source.place)):
            rows += len(block.examples)
            yield block
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

    def split(
        self, test: float | int = 0.2, *, seed: int = 0, stratify: Literal["auto"] | bool = "auto", near: bool = False
    ) -> tuple[Dataset, Dataset]:
        """Train and test. `test` is a share or a number of rows; the file is read when a side is first used.

        The same rows, seed and size give the same sides on every machine. Rows that ask the same (white space and letter case aside) are
        never on both; with `near`, nor are rows that ask nearly the same. `stratify` keeps the shares of the answers; 'auto' does where
        they are labels. Raises DatasetError for a size that leaves a side empty: at once where the number of rows is known.
        """
        division = Division(self._source, SplitSettings(test=test, seed=seed, stratify=stratify, near=near))
        return Dataset(division.side("train")), Dataset(division.side("test"))

    def sample(self, rows: int, *, seed: int = 0) -> Dataset:
        """`rows` rows at random, or all when there are fewer, in their order. The same rows and seed give the same sample."""
        return Dataset(sample(self._source, rows, seed=seed))

    def unique(self, *, alike: Alike = "exact") -> Dataset:
        """The rows without those that are like an earlier one: exactly (unknown keys aside), as text (white space and letter case aside),
        or nearly (`near`: most of their three-word pieces are the same)."""
        return Dataset(unique(self._source, alike=alike))

    @classmethod
    def merged(cls, datasets: Iterable[Dataset]) -> Dataset:
        """All rows of several datasets, one dataset after another."""
        return cls(MergedSource([dataset._source for dataset in datasets]))

    @property
    def left_out(self) -> int:
        """Rows that a split, sample or deduplication left out of the dataset that it was made from; 0 for any other dataset."""
        return self._source.left_out() if isinstance(self._source, MarkedSource) else 0

    def take(self, rows: int) -> Dataset:
        """The first `rows` rows, or all when there are fewer."""
        return Dataset(FirstSource(self._source, rows))

    def recast(self, kind: Kind) -> Dataset:
        """The same rows as examples of `kind`: a text with its label as a conversation, say. What that loses is told by whatever reads
        it; a row for which it has no meaning cannot be read."""
        return Dataset(RecastSource(self._source, kind))

    def changed(self, change: Callable[[Example], Example]) -> Dataset:
        """The same rows, each as `change` makes it, again at each pass; a row for which that raises BadRow cannot be read."""
        return Dataset(ChangedSource(self._source, change))

    def chunks(self, *, format: str = "chat") -> Iterator[bytes]:
        """The rows as the bytes of a file of JSON lines in `format`, about 64 KiB at a time."""
        return chunks(self._source, named(format), container=JSONL, losses=Losses(self._source.place))

    def write(self, path: str | Path, *, format: str | None = None, strict: bool = False, workers: int | None = None) -> WriteReport:
        """Writes the rows in `format`, by default the usual one for their kind, into the container that the file's ending names
        (.jsonl, .json, .csv, .tsv, .parquet, .arrow, .txt, .dataset; perhaps .gz or .zst; JSON Lines for any other): whole or not at all.

        Raises DatasetError, naming the line, for a row that the format cannot hold at all; with `strict`, CheckFailed when anything is
        lost. `workers` processes convert a file of JSON lines into another; by default two or more where it is large.
        """
        return write_all({Path(path): self}, format=format, strict=strict, workers=workers)[0]


def write_all(
    sides: Mapping[Path, Dataset], *, format: str | None = None, strict: bool = False, workers: int | None = None
) -> list[WriteReport]:
    """Writes several datasets, each to its path, as Dataset.write does: all of the files or none. The path - is standard output."""
    reports, target = [], Path()
    for target in sides:
        if (address := address_in(target)) is not None:
            raise DatasetError(
                f"{address}: nothing is written into a cloud's storage from here.", remedy="Write a file, and copy it there."
            )
    try:
        with ExitStack() as files:
            for target, dataset in sides.items():
                written = natural(dataset.kind) if format is None else named(format)
                place = Path("/dev/stdout") if str(target) == "-" else target
                if is_stream(place):
                    reports.append(_to_stream(dataset, place, target, format=written, strict=strict))
                    continue
                part = files.enter_context(whole_target(target, container_of(target, written)))
                reports.append(_to_file(dataset, part, target, format=written, workers=workers))
                _refuse_losses(reports[-1], strict=strict)
    except OSError as error:
        if isinstance(error, TuneportError | BrokenPipeError):  # not a file's fault: the reader of our output has gone, say
            raise
        raise not_written(target, error) from None
    return reports


def _to_file(dataset: Dataset, part: Path, target: Path, *, format: Format, workers: int | None) -> WriteReport:
    losses = Losses(dataset._source.place)
    container = container_of(target, format)
    if not convert(dataset._source, part, format=format, container=container, workers=workers, losses=losses):
        with part.open("wb") as file:
            file.writelines(chunks(dataset._source, format, container=container, losses=losses))
    return WriteReport(path=target, format=format.name, rows=losses.rows, losses=losses.report())


def _to_stream(dataset: Dataset, place: Path, target: Path, *, format: Format, strict: bool) -> WriteReport:
    """What has gone out cannot be taken back: with `strict` the losses are looked for in a pass of their own."""
    source, container = dataset._source, container_of(target, format)
    for final in (False, True) if strict else (True,):
        losses = Losses(source.place)
        several = chunks(source, format, container=container, losses=losses)
        if final:
            write_chunks(place, several)
        else:
            deque(several, maxlen=0)
        report = WriteReport(path=target, format=format.name, rows=losses.rows, losses=losses.report())
        _refuse_losses(report, strict=strict)
    return report


def _refuse_losses(report: WriteReport, *, strict: bool) -> None:
    if strict and report.losses:
        kinds = ", ".join(f"{loss.kind} ({loss.rows:,} {'row' if loss.rows == 1 else 'rows'})" for loss in report.losses)
        raise CheckFailed(f"{report.path}: not written, because {report.format} would not carry {kinds}.")
