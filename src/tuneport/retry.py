"""Retries around reads. A create is never retried; see submit.py."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from tuneport.clock import Clock
from tuneport.errors import RateLimited, Unreachable

if TYPE_CHECKING:
    from tenacity import RetryCallState

T = TypeVar("T")


SHORTEST_WAIT_S = 1.0
"""The least that is waited after a 429: some services say `Retry-After: 0` and mean nothing by it."""
RATE_LIMIT_BUDGET_S = 900.0
"""How long a create or an upload waits for a provider that turns it away for now."""


def reading(read: Callable[[], T], *, clock: Clock, attempts: int = 4, longest_wait_s: float = 60.0) -> T:
    """Calls `read` up to `attempts` times while it raises Unreachable, waiting 1, 2, 4 … s or as long as the provider asks.

    Gives up at once when the provider asks for more than `longest_wait_s`. Raises the last error.
    """

    def again(error: BaseException) -> bool:
        return isinstance(error, Unreachable) and not (isinstance(error, RateLimited) and (error.retry_after_s or 0) > longest_wait_s)

    try:
        return read()
    except Unreachable as error:
        if attempts < 2 or not again(error):
            raise
        first = error
    from tenacity import Retrying, retry_if_exception, stop_after_attempt

    def wait(state: RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        return wait_s(error, otherwise_s=2.0**state.attempt_number)

    clock.sleep(wait_s(first, otherwise_s=1.0))
    retrying = Retrying(retry=retry_if_exception(again), wait=wait, stop=stop_after_attempt(attempts - 1), sleep=clock.sleep, reraise=True)
    return retrying(read)


def wait_s(error: BaseException | None, *, otherwise_s: float) -> float:
    """How long to wait after `error`: as long as the provider asks, else `otherwise_s`; never under a second."""
    asked = error.retry_after_s if isinstance(error, RateLimited) else None
    return max(SHORTEST_WAIT_S, otherwise_s if asked is None else asked)
