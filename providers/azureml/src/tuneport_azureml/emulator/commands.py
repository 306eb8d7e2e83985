"""A command job: what was asked for, and how it stands by its course, or by the machine where it really runs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

from tuneport_azureml.emulator.courses import Course

OVER = frozenset({"Completed", "Failed", "Canceled"})


class Running(Protocol):
    """A machine at work on the job."""

    word: str
    error: str
    started_at: datetime | None
    ended_at: datetime | None

    def log(self) -> str: ...
    def cancel(self) -> None: ...


@dataclass(slots=True)
class CommandJob:
    """`properties` as they were asked for last; `first` as at the creation. `problem` ends it while it is prepared."""

    name: str
    properties: dict[str, Any]
    first: dict[str, Any]
    created_at: datetime
    course: Course
    problem: str = ""
    cancelled_at: datetime | None = None
    puts: int = 1
    running: Running | None = field(default=None, repr=False)

    @property
    def timeout_s(self) -> float | None:
        said = self.properties.get("limits", {}).get("timeout")
        return None if said is None else seconds_of(said)

    def status(self, now: datetime) -> str:
        return self.standing(now)[0]

    def standing(self, now: datetime) -> tuple[str, datetime | None]:
        """The word of that moment, and when the run ended, if it has."""
        if self.running is not None:
            return self.running.word, self.running.ended_at
        if self.cancelled_at is not None:
            before = self._uncancelled(self.cancelled_at)
            if before[0] in OVER:
                return before
            end = self.cancelled_at + timedelta(seconds=self.course.cancelling_s)
            return ("Canceled", end) if now >= end else ("CancelRequested", None)
        return self._uncancelled(now)

    def started_at(self, now: datetime) -> datetime | None:
        if self.running is not None:
            return self.running.started_at
        at = self.created_at + timedelta(seconds=self.course.before_running_s)
        end = self.cancelled_at or self.standing(now)[1]
        return at if at <= now and (end is None or end >= at) else None

    def error(self) -> str:
        """Why it failed, where it has."""
        return self.running.error if self.running is not None else self.problem or self.course.error

    def lines(self, now: datetime) -> str:
        """What stands in user_logs/std_log.txt."""
        if self.running is not None:
            return self.running.log()
        return "" if self.started_at(now) is None else "started\n"

    def _uncancelled(self, now: datetime) -> tuple[str, datetime | None]:
        passed, at = (now - self.created_at).total_seconds(), 0.0
        most = self.timeout_s
        if most is not None and self.course.running_s > most and passed >= self.course.before_running_s + most:
            return "Canceled", self.created_at + timedelta(seconds=self.course.before_running_s + most)
        for word, length in self.course.phases():
            at += length
            if passed < at:
                return word, None
            if word == "Preparing" and self.problem:
                return "Failed", self.created_at + timedelta(seconds=at)
        return self.course.ends, self.created_at + timedelta(seconds=at)


def seconds_of(duration: str) -> float | None:
    """Of a duration in ISO 8601, such as P1DT2H; None for what is none."""
    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?=\d)(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", duration)
    if found is None or not any(found.groups()):
        return None
    return sum(float(part) * unit for part, unit in zip(found.groups(default="0"), (86_400, 3600, 60, 1), strict=True))
