"""A training with everything that hears of its readings."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuneport_local.tracking.board import Board

if TYPE_CHECKING:
    from tuneport_local.jobfolder import JobFolder


@contextmanager
def tracked(folder: JobFolder) -> Iterator[Board]:
    """While the block trains the job, its readings are told. The board is to be told how it ended."""
    board = Board(folder)
    folder.hearing.append(board.hear)
    try:
        yield board
    finally:
        folder.hearing.remove(board.hear)
        board.close()
