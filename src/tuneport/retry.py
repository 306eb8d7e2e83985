"""Retries around reads. A create is never retried; see submit.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from tuneport.clock import Clock
from tuneport.errors import RateLimited, Unreachable

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")


def reading(read: Callable[[], T], *, clock: Clock, attempts: int = 4, longest_wait_s: float = 60.0) -> T:
    """Calls `read` up to `attempts` times while it raises Unreachable, waiting 1, 2, 4 … s or as long as the provider asks.

    Gives up at once when the provider asks for more than `longest_wait_s`. Raises the last error.
    """
    try:
        return read()
    except Unreachable as error:
        if attempts < 2 or (isinstance(error, RateLimited) and (error.retry_after_s or 0) > longest_wait_s):
            raise
        first = error
    from tenacity import Retrying, retry_if_exception, stop_after_attempt

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return _wait_s(error, state.attempt_number + 1)

    def again(error: BaseException) -> bool:
        return isinstance(error, Unreachable) and not (isinstance(error, RateLimited) and (error.retry_after_s or 0) > longest_wait_s)

    clock.sleep(_wait_s(first, 1))
    retrying = Retrying(retry=retry_if_exception(again), wait=wait, stop=stop_after_attempt(attempts - 1), sleep=clock.sleep, reraise=True)
    return retrying(read)


def _wait_s(error: BaseException | None, attempt: int) -> float:
    asked = error.retry_after_s if isinstance(error, RateLimited) else None
    return asked if asked is not None else float(2 ** (attempt - 1))
