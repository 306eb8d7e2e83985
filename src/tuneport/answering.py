"""Asking a model many rows at a time: the answers come in order, and a row that is refused by itself stops no other."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tuneport.errors import Refused
from tuneport.model import Prediction
from tuneport.redaction import warn

Row = TypeVar("Row")


def in_order(rows: Iterable[Row], ask: Callable[[Row], Prediction], *, at_once: int) -> Iterator[Prediction]:
    """One answer per row, `at_once` of them asked at a time; no more rows are read ahead than twice as many.

    A row that is refused by itself (too long, say) has no answer and is named in the log. When the first is refused already, it is the
    request that is wrong, and the refusal is raised; so is every other error.
    """
    answered = 0
    with ThreadPoolExecutor(at_once, thread_name_prefix="tuneport-asking") as pool:
        waiting: deque[Future[Prediction]] = deque()
        try:
            for row in rows:
                waiting.append(pool.submit(ask, row))
                if len(waiting) > 2 * at_once:
                    yield _first(waiting, answered := answered + 1)
            while waiting:
                yield _first(waiting, answered := answered + 1)
        finally:
            for future in waiting:
                future.cancel()


def _first(waiting: deque[Future[Prediction]], number: int) -> Prediction:
    """The answer to the row that waits longest, the `number`th of all."""
    try:
        return waiting.popleft().result()
    except Refused as error:
        if type(error) is not Refused or number == 1:
            raise
        warn(f"row {number} has no answer: {error.message}")
        return Prediction("", finish="error")
