"""How much of a job's work is done, and when each piece of it was: work goes on while the clock does, except in pauses."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta


@dataclass(slots=True)
class Progress:
    """`worked_s` seconds of work are done at `moved_at`; from there on work goes on, unless `paused`."""

    moved_at: datetime
    worked_s: float = 0.0
    paused: bool = False
    stretches: list[tuple[float, datetime]] = field(default_factory=list)
    """Each stretch of undisturbed work: how much was done before it, and when it began."""

    def __post_init__(self) -> None:
        self.stretches.append((self.worked_s, self.moved_at))

    def reach(self, goal_s: float, now: datetime) -> datetime | None:
        """Works on towards the goal until `now`; the moment at which it was reached, or None if it has not been."""
        if self.paused:
            return None
        free_s = max(0.0, (now - self.moved_at).total_seconds())
        needed_s = max(0.0, goal_s - self.worked_s)
        if free_s < needed_s:
            self.worked_s += free_s
            self.moved_at = max(self.moved_at, now)
            return None
        self.worked_s += needed_s
        self.moved_at += timedelta(seconds=needed_s)
        return self.moved_at

    def resume(self, at: datetime) -> None:
        """Work goes on at `at`, which may lie ahead."""
        self.paused = False
        self.moved_at = at
        self.stretches.append((self.worked_s, at))

    def moment(self, worked_s: float) -> datetime:
        """When that much had been done."""
        before, began = next((one for one in reversed(self.stretches) if one[0] <= worked_s), self.stretches[0])
        return began + timedelta(seconds=worked_s - before)
