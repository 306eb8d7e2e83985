"""What a process and those it starts print, kept in a file as well. Imports no torch."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BYTES = 1 << 16


@contextmanager
def kept_in(log: Path) -> Iterator[None]:
    """Within: standard output and standard error go to the file, and in the same order to standard output. Processes started here too."""
    sys.stdout.flush()
    sys.stderr.flush()
    shown = os.dup(1), os.dup(2)
    read, write = os.pipe()
    thread = threading.Thread(target=_copied, args=(read, shown[0], log), name="log", daemon=True)
    thread.start()
    os.dup2(write, 1)
    os.dup2(write, 2)
    os.close(write)
    try:
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for descriptor, was in zip((1, 2), shown, strict=True):
            os.dup2(was, descriptor)
        thread.join(timeout=2.0)  # a process that was left behind may hold the pipe
        for was in shown:
            os.close(was)


def _copied(read: int, shown: int, log: Path) -> None:
    with log.open("ab", buffering=0) as file:
        while data := os.read(read, _BYTES):
            file.write(data)
            os.write(shown, data)
    os.close(read)
