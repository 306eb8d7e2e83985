"""Converting a large file of JSON lines in several processes, with the same bytes and the same report as in one.

Each process takes every n-th piece of the file, converts it in memory, and learns from the process before it where its bytes begin; it
hands the next place on and writes at its own. So nothing but numbers goes between processes, and all of them write one file. The process
that waits for them has the disk begin meanwhile, so that the sync before the file gets its name is a short one.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from tuneport.containers.container import Container, Lines, lines_of
from tuneport.containers.jsonl import BLOCK_BYTES, BOM, JSONL, encoded
from tuneport.errors import DatasetError
from tuneport.formats.format import BadRow, Format
from tuneport.formats.known import named
from tuneport.formats.reading import blocks
from tuneport.losses import Losses
from tuneport.sources import FileSource, Source
from tuneport.writing import written

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

PIECE_BYTES = 1 << 18
"""Large enough that handing on a number costs nothing beside it, small enough that nobody waits long for anybody's last one."""

_AHEAD = 12
"""Pieces that a process converts beyond one whose place it does not know yet: a slow moment of one need not stop the others."""

_SYNC_S = 0.02
_sync = getattr(os, "fdatasync", os.fsync)
_TOO_LONG = 1 << 26
"""A piece grows to the end of its last line; past this size the file is left to the one process that reads line by line."""


LARGE_BYTES = 1 << 25
"""From this size on a file is converted in several processes unless told otherwise; starting them costs as much as 2 MB of rows."""

MOST_WORKERS = 8


def convert(source: Source, part: Path, *, format: Format, container: Container, workers: int | None, losses: Losses) -> bool:
    """Fills `part` with the rows of `source`, if both are plain files of JSON lines and several processes are wanted or worth it.

    False when one process has to do it: `part` is then of no use, and `losses` are as they were.
    """
    if not isinstance(source, FileSource) or container is not JSONL or source.container is not JSONL:
        return False
    size = source.path.stat().st_size
    wanted = workers or (min(MOST_WORKERS, usable_cores()) if size >= LARGE_BYTES else 1)
    wanted = min(wanted, -(-size // PIECE_BYTES))
    if wanted < 2:
        return False
    work = Work(str(source.path), str(part), source.format.name, format.name, source.columns, wanted, PIECE_BYTES)
    try:
        for found in _in_processes(work):
            losses.merge(found)
    except GaveUp:
        return False
    source.verify()
    return True


def usable_cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, slots=True)
class Work:
    """A conversion of one file; `target` is a file that is there and empty."""

    source: str
    target: str
    format: str
    to: str
    columns: dict[str, str]
    workers: int
    piece_bytes: int


class GaveUp(Exception):
    """The file has a row that cannot be converted, or a line too long: one process must do it, and say what is wrong."""


def _in_processes(work: Work) -> list[Losses]:
    """What the processes have to report, when all are done. Raises GaveUp."""
    import multiprocessing

    context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" and threading.active_count() == 1 else "spawn")
    ring = [context.Pipe(duplex=False) for _ in range(work.workers)]
    reports = [context.Pipe(duplex=False) for _ in range(work.workers)]
    processes: dict[Connection, Any] = {
        reports[number][0]: context.Process(
            target=_run, args=(work, number, ring[number][0], ring[(number + 1) % work.workers][1], reports[number][1]), daemon=True
        )
        for number in range(work.workers)
    }
    try:
        for process in processes.values():
            process.start()
        ring[0][1].send((0, 1))
        return list(_reports(processes, part=Path(work.target)))
    finally:
        for process in processes.values():
            process.terminate()
            process.join()
        for receiving, sending in (*ring, *reports):
            receiving.close()
            sending.close()


def _reports(processes: dict[Connection, Any], *, part: Path) -> Iterator[Losses]:
    """What each process has to report, as it comes. Raises GaveUp when one has nothing or is gone."""
    from multiprocessing import connection

    waiting = dict(processes)
    with part.open("rb") as file:
        while waiting:
            ends = {process.sentinel: receiving for receiving, process in waiting.items()}
            ready: list[Any] = connection.wait([*waiting, *ends], timeout=_SYNC_S)
            if not ready:
                _sync(file.fileno())
            for receiving in {ends.get(each, each) for each in ready}:
                report = receiving.recv() if receiving.poll() else None
                if report is None:
                    raise GaveUp
                del waiting[receiving]
                yield report


def _run(work: Work, number: int, before: Connection, after: Connection, report: Connection) -> None:
    """One process: pieces number, number + workers, … of the file."""
    try:
        losses = _convert_pieces(work, number, before, after)
    except (GaveUp, DatasetError, BadRow, OSError, EOFError):
        losses = None
    report.send(losses)


def _convert_pieces(work: Work, number: int, before: Connection, after: Connection) -> Losses:
    pieces = range(number, -(-Path(work.source).stat().st_size // work.piece_bytes), work.workers)
    losses, waiting = Losses(work.source), deque[_Converted]()
    with Path(work.source).open("rb") as source, Path(work.target).open("r+b") as target:
        for piece in pieces:
            waiting.append(_converted(source, piece, work))
            while waiting and (len(waiting) > _AHEAD or before.poll()):
                _put(waiting.popleft(), target, before, after, losses)
        while waiting:
            _put(waiting.popleft(), target, before, after, losses)
    return losses


@dataclass(frozen=True, slots=True)
class _Converted:
    """A piece in the new format, with the lines it had and what it lost; its own lines are counted from 1."""

    chunks: list[bytes]
    lines: int
    losses: Losses


def _put(piece: _Converted, target: BinaryIO, before: Connection, after: Connection, losses: Losses) -> None:
    """Waits for the piece's place, hands on that of the next, and writes."""
    place, line = before.recv()
    after.send((place + sum(map(len, piece.chunks)), line + piece.lines))
    target.seek(place)
    target.writelines(piece.chunks)
    losses.merge(piece.losses, shift=line - 1)


def _converted(source: BinaryIO, piece: int, work: Work) -> _Converted:
    format, to, losses = named(work.format), named(work.to), Losses(work.source)
    lines = _Lines(source, piece, work)
    chunks = [BOM] if piece == 0 and to.bom else []
    for block in blocks(lines, format=format, columns=work.columns, notices=losses):
        chunks.append(encoded(written(block, to, losses)))
    return _Converted(chunks, lines.count, losses)


class _Lines:
    """The lines of a piece, in blocks of the size that the reader of whole files takes, so that both decide alike."""

    def __init__(self, source: BinaryIO, piece: int, work: Work) -> None:
        self._source = source
        self._size = min(BLOCK_BYTES, work.piece_bytes)
        each = work.piece_bytes // self._size
        self._blocks = range(piece * each, (piece + 1) * each)
        self.count = 0

    def __iter__(self) -> Iterator[Lines]:
        for block in self._blocks:
            data = lines_of_piece(self._source, block, self._size)
            if block == 0:
                data = data.removeprefix(BOM)
            if data:
                lines = lines_of(self.count + 1, data)
                yield lines
                self.count += lines.count


def lines_of_piece(source: BinaryIO, piece: int, size: int) -> bytes:
    """The lines that begin in a piece of `size` bytes: every line is in one piece. Raises GaveUp for one that is far too long."""
    source.seek(max(piece * size - 1, 0))
    if piece:
        _rest_of_line(source)
    start = source.tell()
    if start >= (piece + 1) * size:
        return b""
    data = source.read((piece + 1) * size - start)
    return data if data.endswith(b"\n") else data + _rest_of_line(source)


def _rest_of_line(source: BinaryIO) -> bytes:
    rest = source.readline(_TOO_LONG)
    if len(rest) == _TOO_LONG and not rest.endswith(b"\n"):
        raise GaveUp
    return rest
