"""Whether the reader of our output has gone away, as `head` does when it has seen enough."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO


class PipeBroke(Exception):
    """A BrokenPipeError by another name; the cause is the error itself."""


@contextmanager
def named_apart() -> Iterator[None]:
    """Lets a BrokenPipeError come through typer, which ends the program at one without a word, whosever pipe it was."""
    try:
        yield
    except BrokenPipeError as error:
        raise PipeBroke from error


def cut_off(stream: TextIO) -> bool:
    """True when nobody reads `stream` any more; it then leads nowhere, so that Python's last flush at exit says nothing either.

    A broken pipe may also be one to a provider: the exception does not tell which.
    """
    try:
        number = stream.fileno()
    except (OSError, ValueError):
        return False
    if not _nobody_reads(number):
        return False
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
    return True


def _nobody_reads(number: int) -> bool:
    """Linux reports an error on a pipe without reader, macOS a hang-up; neither has to be asked for."""
    look = select.poll()
    look.register(number, 0)
    return any(state & (select.POLLERR | select.POLLHUP) for _, state in look.poll(0))
