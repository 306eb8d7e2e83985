"""A training with everything that hears of its readings."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tuneport_local.tracking.board import Board
from tuneport_local.tracking.follower import FOLDER
from tuneport_local.tracking.tools import TOOLS

if TYPE_CHECKING:
    from tuneport_local.jobs.folder import JobFolder


@contextmanager
def tracked(folder: JobFolder) -> Iterator[Board]:
    """While the block trains the job, its readings are told. The board is to be told how it ended."""
    board = Board(folder)
    folder.hearing.append(board.hear)
    for tool in folder.recipe().get("hyperparameters", {}).get("track", ()):
        _follow(folder, tool)
    try:
        yield board
    finally:
        folder.hearing.remove(board.hear)
        board.close()


def _follow(folder: JobFolder, tool: str) -> None:
    """Starts the process that tells the tool. One that cannot be started costs a warning."""
    place = folder.path / FOLDER
    command = [sys.executable, "-P", "-m", "tuneport_local.tracking.follower", str(folder.path), tool]
    try:
        place.mkdir(exist_ok=True)
        with (place / f"{tool}.log").open("ab") as log:
            subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    except OSError as error:
        folder.event("warning", f"{TOOLS[tool].called} is not told of this job: {error}")
