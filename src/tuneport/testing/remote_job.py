"""One job as the provider keeps it, running its course by the clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

TERMINAL_WORDS = frozenset({"done", "error", "stopped", "expired"})


@dataclass(frozen=True, slots=True)
class Course:
    """What becomes of a job if nobody touches it: seconds in each phase, then `ends` (done | error | expired)."""

    validating_s: float = 20.0
    queued_s: float = 60.0
    running_s: float = 600.0
    saving_s: float = 15.0
    ends: str = "done"
    steps: int = 10
    stopping_s: float = 5.0

    def word_at(self, progress_s: float) -> str:
        """The provider's word after `progress_s` seconds of undisturbed work."""
        for word, length_s in self._phases():
            if progress_s < length_s:
                return word
            progress_s -= length_s
        return self.ends

    def _phases(self) -> tuple[tuple[str, float], ...]:
        return (("validating_files", self.validating_s), ("queued", self.queued_s), ("running", self.running_s), ("saving", self.saving_s))

    @property
    def before_running_s(self) -> float:
        return self.validating_s + self.queued_s

    @property
    def total_s(self) -> float:
        return sum(length_s for _, length_s in self._phases())


@dataclass(slots=True)
class RemoteJob:
    """A job as the provider keeps it. `sent_client_id` is the truth about who asked for it, also where metadata is dropped."""

    id: str
    body: dict[str, Any]
    course: Course
    created_at: datetime
    visible_at: datetime
    sent_client_id: str
    foreign: bool = False
    progress_s: float = 0.0
    moved_at: datetime | None = None
    paused: bool = False
    stopping_since: datetime | None = None
    finished_at: datetime | None = None
    word: str = "validating_files"
    updates: int = 0
    words: list[str] = field(default_factory=list)

    def move_to(self, now: datetime) -> None:
        """Lets the time until `now` pass for this job."""
        if self.word in TERMINAL_WORDS:
            return
        passed_s = max(0.0, (now - (self.moved_at or self.created_at)).total_seconds())
        self.moved_at = now
        if not self.paused and self.stopping_since is None:
            self.progress_s += passed_s
        self._say(self._word(now), now)

    def _word(self, now: datetime) -> str:
        if self.stopping_since is not None:
            return "stopped" if (now - self.stopping_since).total_seconds() >= self.course.stopping_s else "stopping"
        return "paused" if self.paused else self.course.word_at(self.progress_s)

    def _say(self, word: str, now: datetime) -> None:
        if word != self.word or not self.words:
            self.words.append(word)
        self.word = word
        if word in TERMINAL_WORDS:
            self.finished_at = now

    @property
    def steps_done(self) -> int:
        share = (self.progress_s - self.course.before_running_s) / self.course.running_s if self.course.running_s else 1.0
        return round(self.course.steps * min(1.0, max(0.0, share)))
