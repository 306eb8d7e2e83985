"""How often each provider is asked while jobs are followed: as its own bounds say, and never before it wants to be asked again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite

from tuneport.clock import Clock
from tuneport.errors import RateLimited, TuneportError, UsageError
from tuneport.provider import Trainer
from tuneport.retry import wait_s

LONGEST_REST_S = 3600.0
"""A provider that wants to be left alone for longer is asked once an hour all the same: its clock, or ours, may be wrong by a year."""


@dataclass(slots=True)
class Pace:
    """When each provider is asked next. Times are readings of the clock in seconds. Raises UsageError for times that are none."""

    trainers: Mapping[str, Trainer]
    clock: Clock
    interval_s: float | None
    timeout_s: float | None
    _started: float = field(init=False)
    _next: dict[str, float] = field(default_factory=dict)
    _not_before: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.interval_s is not None and not (isfinite(self.interval_s) and self.interval_s >= 0):
            raise UsageError(f"an interval of {self.interval_s} s is none.", remedy="Give a number of seconds, or leave it out.")
        if self.timeout_s is not None and not self.timeout_s >= 0:
            raise UsageError(f"a time-out of {self.timeout_s} s is none.", remedy="Give a number of seconds, or leave it out.")
        self._started = self.clock.monotonic()

    @property
    def elapsed_s(self) -> float:
        return self.clock.monotonic() - self._started

    def due(self, providers: set[str]) -> set[str]:
        """Those of `providers` whose time has come; at first all of them."""
        now = self.clock.monotonic()
        return {name for name in providers if self._next.get(name, now) <= now}

    def asked(self, providers: set[str], failures: Mapping[str, TuneportError]) -> None:
        """Sets the next time of `providers`, which have just been asked."""
        now = self.clock.monotonic()
        for name in providers:
            error = failures.get(name)
            rest_s = min(wait_s(error, otherwise_s=0.0), LONGEST_REST_S) if isinstance(error, RateLimited) else 0.0
            self._not_before[name] = now + rest_s
            self._next[name] = max(now + self._pause_s(name), self._not_before[name])

    def _pause_s(self, provider: str) -> float:
        shortest, longest = self.trainers[provider].poll_interval_s
        return self.interval_s or min(max(shortest, self.elapsed_s / 50), longest)

    def wait(self, providers: set[str]) -> bool:
        """Sleeps until one of `providers` may be asked, at most to the end of the time; False when that leaves nothing to be done."""
        soonest = min(self._next[name] for name in providers)
        if self.timeout_s is not None and soonest > (end := self._started + self.timeout_s):
            last = {name for name in providers if self._not_before[name] <= end}
            if self.clock.monotonic() >= end or not last:
                return False
            self._next |= dict.fromkeys(last, end)
            soonest = end
        self.clock.sleep(max(0.0, soonest - self.clock.monotonic()))
        now = self.clock.monotonic()  # a hair early, perhaps: whoever was waited for is due
        self._next |= {name: now for name in providers if self._next[name] <= soonest}
        return True
