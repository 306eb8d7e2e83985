"""Reading damaged files: the answer is rows, findings or one DatasetError, soon and in little memory, whatever the bytes."""

from __future__ import annotations

import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Literal

from tuneport.containers.compression import PIECE_BYTES, Unpacked, compression_of
from tuneport.containers.container import Lines, Raw, Texts
from tuneport.containers.row_file import RowFile
from tuneport.dataset import Dataset
from tuneport.errors import DatasetError
from tuneport.examples import canonical_bytes
from tuneport.formats.format import BadFile, Format
from tuneport.formats.known import named
from tuneport.formats.reading import blocks
from tuneport.testing.mutations import mutated
from tuneport.testing.sample_rows import SampleFile

SECONDS_AT_LEAST = 2.0
"""Of processor time: what a start of pyarrow or the like may take on a slow machine."""

SECONDS_A_MEGABYTE = 1.0


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of one file. `violation` is '' or what ought not to happen."""

    outcome: Literal["rows", "findings", "error", "violation"]
    size_bytes: int
    seconds: float
    violation: str = ""


class _Counted:
    """How many rows could not be read. A small file may unpack to millions of them."""

    def __init__(self) -> None:
        self.count = 0

    def bad(self, line: int, sentence: str) -> None:
        self.count += 1

    def lost(self, line: int, kind: str) -> None:
        pass


class Heard:
    """What a reader told: sentences and losses with their lines."""

    def __init__(self) -> None:
        self.findings: list[tuple[int, str]] = []
        self.losses: set[tuple[int, str]] = set()

    def bad(self, line: int, sentence: str) -> None:
        self.findings.append((line, sentence))

    def lost(self, line: int, kind: str) -> None:
        self.losses.add((line, kind))


def trial(seed: int, samples: Sequence[SampleFile], folder: Path) -> Trial:
    """Damages one sample and reads it; the seed says which and how."""
    random = Random(seed)
    sample = random.choice(samples)
    data = _damaged(sample, random)
    path = folder / f"rows{sample.ending}"
    path.write_bytes(data)
    format = sample.format if random.random() < 0.7 else None
    heard, rows, began = _Counted(), 0, time.process_time()
    try:
        for block in Dataset.read(path, format=format).blocks(notices=heard):
            rows += len(block.examples)
    except DatasetError:
        outcome: Literal["rows", "findings", "error", "violation"] = "error"
    except BaseException as error:  # also a MemoryError, and what C libraries raise
        if isinstance(error, KeyboardInterrupt):
            raise
        return Trial("violation", len(data), time.process_time() - began, f"seed {seed}: {_where(error)}")
    else:
        outcome = "findings" if heard.count else "rows"
    seconds = time.process_time() - began
    if seconds > SECONDS_AT_LEAST and seconds > SECONDS_A_MEGABYTE * _size_inside(data) / 1e6:
        return Trial("violation", len(data), seconds, f"seed {seed}: {seconds:.1f} s for {len(data):,} bytes ({sample.ending})")
    return Trial(outcome, len(data), seconds)


def _size_inside(data: bytes) -> int:
    """The size of what is to be read: damage can make a compressed file unpack to a hundred times its size."""
    compression, size = compression_of(data), 0
    if compression is None:
        return len(data)
    inside = Unpacked(BytesIO(data), compression)
    with suppress(BadFile):
        while piece := inside.read(PIECE_BYTES):
            size += len(piece)
    return max(size, len(data))


def _damaged(sample: SampleFile, random: Random) -> bytes:
    """The sample damaged before it is compressed, or after that."""
    if sample.compression is None:
        return mutated(sample.data, random)
    if random.random() < 0.6:
        return b"".join(sample.compression.pack([mutated(sample.data, random)]))
    return mutated(b"".join(sample.compression.pack([sample.data])), random)


def _where(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{error.__class__.__name__} in {Path(last.filename).name}:{last.lineno}"


@dataclass(frozen=True, slots=True)
class Read:
    """All that reading a file gives: rows with their lines, findings, losses, and the error that ended it, if any."""

    rows: list[tuple[int, bytes]]
    findings: list[tuple[int, str]]
    losses: list[tuple[int, str]]
    error: str = ""


def read_in_blocks(path: Path, *, format: str) -> Read:
    """As every command reads it."""
    return _read(path, named(format), alone=False)


def read_row_by_row(path: Path, *, format: str, typed: bool = True) -> Read:
    """Every line, or every value of a list, by itself; without `typed` each with care."""
    found = named(format)
    return _read(path, found if typed else replace(found, decode=()), alone=True)


def _read(path: Path, format: Format, *, alone: bool) -> Read:
    rows: list[tuple[int, bytes]] = []
    heard, error = Heard(), ""
    try:
        raws = RowFile(path).raws(heard)
        for block in blocks(_alone(raws) if alone else raws, format=format, columns={}, notices=heard):
            rows += zip(block.lines, map(canonical_bytes, block.examples), strict=True)
    except DatasetError as raised:
        error = str(raised)
    return Read(rows, sorted(heard.findings), sorted(heard.losses), error)


def _alone(raws: Iterator[Raw]) -> Iterator[Raw]:
    for raw in raws:
        if isinstance(raw, Lines):
            for line, text in enumerate(raw.data.split(b"\n"), raw.first):
                if text.strip():
                    yield Texts([line], [text])
        elif isinstance(raw, Texts):
            for line, text in zip(raw.lines, raw.texts, strict=True):
                yield Texts([line], [text])
        else:
            yield raw
