"""The time an emulator goes by: moved by the test, or real time, as fast as one likes."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from tuneport.testing.clock import SimulatedClock


class Timepiece(Protocol):
    """Anything that tells the time, timezone-aware."""

    def now(self) -> datetime: ...


class SteppedClock:
    """Stands still until told to move.

    Built over the `SimulatedClock` of the client under test, both share one time: whoever waits there lets jobs run here. The client's own
    wall clock may then jump without moving the vendor's.
    """

    def __init__(self, clock: SimulatedClock | None = None, *, start: datetime | None = None) -> None:
        self._clock = clock or (SimulatedClock(start) if start else SimulatedClock())

    def now(self) -> datetime:
        return self._clock.true_now()

    def advance(self, seconds: float) -> None:
        self._clock.sleep(seconds)

    def advance_to(self, moment: datetime) -> None:
        """Moves on to `moment`; does nothing if that has passed."""
        self._clock.sleep(max(0.0, (moment - self.now()).total_seconds()))


class RunningClock:
    """Real time from `start` on (default: now), `speed` times as fast."""

    def __init__(self, *, speed: float = 1.0, start: datetime | None = None) -> None:
        if speed <= 0:
            raise ValueError(f"a clock that runs {speed} times as fast as real time does not run; give a number above 0")
        self._start = start or datetime.now(UTC)
        self._speed = speed
        self._began = time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=(time.monotonic() - self._began) * self._speed)
