"""The work of a job that others can hold up: it waits for its turn to start, and the service may interrupt it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tuneport_openai.emulator.progress import Progress


@dataclass(slots=True)
class Shifts(Progress):
    """`starts_s`: the work that is done when the job waits for its `turn`, which says when it may go on after a moment (None: not yet).

    `breaks`: after how much work the service interrupts it, and for how many seconds (None: until somebody resumes it).
    """

    starts_s: float = 0.0
    turn: Callable[[datetime], datetime | None] = lambda moment: moment
    breaks: list[tuple[float, float | None]] = field(default_factory=list)
    interruptions: list[tuple[datetime, datetime]] = field(default_factory=list)
    """From when until when it was interrupted."""

    def reach(self, goal_s: float, now: datetime) -> datetime | None:
        while self.breaks and self.breaks[0][0] < goal_s:
            moment = Progress.reach(self, self.breaks[0][0], now)
            if moment is None:
                return None
            pause_s = self.breaks.pop(0)[1]
            if pause_s is None:
                self.paused = True
                return None
            until = moment + timedelta(seconds=pause_s)
            self.interruptions.append((moment, until))
            self.resume(until)
        moment = Progress.reach(self, goal_s, now)
        if moment is None or goal_s != self.starts_s:
            return moment
        opening = self.turn(moment)
        if opening is not None and opening > moment:
            self.resume(opening)
        return opening

    def interrupted(self, now: datetime) -> tuple[datetime, datetime] | None:
        """The interruption that is going on."""
        return next((one for one in self.interruptions if one[0] <= now < one[1]), None)
