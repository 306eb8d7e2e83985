"""Retries around reads: as often as allowed, as patiently as asked, and never for a refusal."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tuneport.errors import RateLimited, Refused, TuneportError, Unreachable
from tuneport.retry import reading
from tuneport.testing.clock import SimulatedClock


def failing(*errors: TuneportError) -> tuple[Callable[[], str], list[int]]:
    left, calls = list(errors), [0]

    def read() -> str:
        calls[0] += 1
        if left:
            raise left.pop(0)
        return "answer"

    return read, calls


def test_an_unreachable_read_is_tried_again_after_growing_waits() -> None:
    clock = SimulatedClock()
    read, calls = failing(Unreachable("reset"), Unreachable("reset"))
    assert reading(read, clock=clock) == "answer"
    assert (calls, clock.monotonic()) == ([3], 3.0)


def test_retry_after_decides_the_wait() -> None:
    clock = SimulatedClock()
    read, _ = failing(RateLimited("slow down", retry_after_s=17.0))
    reading(read, clock=clock)
    assert clock.monotonic() == 17.0


def test_a_wait_longer_than_allowed_is_left_to_the_caller() -> None:
    clock = SimulatedClock()
    read, calls = failing(RateLimited("come back tomorrow", retry_after_s=86_400.0))
    with pytest.raises(RateLimited):
        reading(read, clock=clock)
    assert (calls, clock.monotonic()) == ([1], 0.0)


def test_the_last_error_comes_out_when_the_attempts_are_used_up() -> None:
    read, calls = failing(*[Unreachable(f"reset {number}") for number in range(9)])
    with pytest.raises(Unreachable, match="reset 3"):
        reading(read, clock=SimulatedClock(), attempts=4)
    assert calls == [4]


def test_a_refusal_is_not_tried_again() -> None:
    read, calls = failing(Refused("no"))
    with pytest.raises(Refused):
        reading(read, clock=SimulatedClock())
    assert calls == [1]


def test_a_provider_that_asks_for_no_wait_is_given_a_second() -> None:
    clock = SimulatedClock()
    read, _ = failing(RateLimited("slow down", retry_after_s=0.0), RateLimited("slow down", retry_after_s=0.0))
    reading(read, clock=clock)
    assert clock.monotonic() == 2.0
