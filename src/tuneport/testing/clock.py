"""Time that a test owns: waiting costs nothing, and the wall clock may jump."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)


class SimulatedClock:
    """A `tuneport.clock.Clock` that stands still until someone sleeps on it.

    `true_now` is the time of the world (what a provider's servers go by); `now` is what the client's machine shows, which `jump` moves
    without moving the world.
    """

    def __init__(self, start: datetime = START) -> None:
        self._start = start
        self._elapsed_s = 0.0
        self._skew_s = 0.0

    def now(self) -> datetime:
        return self.true_now() + timedelta(seconds=self._skew_s)

    def true_now(self) -> datetime:
        return self._start + timedelta(seconds=self._elapsed_s)

    def monotonic(self) -> float:
        return self._elapsed_s

    def sleep(self, seconds: float) -> None:
        self._elapsed_s += max(0.0, seconds)

    def jump(self, seconds: float) -> None:
        """Moves the wall clock of the client's machine, forwards or (negative) backwards."""
        self._skew_s += seconds
