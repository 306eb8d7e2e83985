"""What becomes of jobs if nobody touches them. All times are seconds by the emulator's clock."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Ending = Literal["Completed", "Failed", "Canceled"]


@dataclass(frozen=True, slots=True)
class Course:
    """`paused_s` and `silent_s`: how long in the middle of its training the run is Paused, and how long it is NotResponding; `away_s`: how
    long it is queued again there, since its machine was taken away."""

    not_started_s: float = 5.0
    queued_s: float = 30.0
    preparing_s: float = 120.0
    provisioning_s: float = 60.0
    starting_s: float = 15.0
    running_s: float = 1800.0
    finalizing_s: float = 60.0
    paused_s: float = 0.0
    silent_s: float = 0.0
    away_s: float = 0.0
    cancelling_s: float = 20.0
    ends: Ending = "Completed"
    error: str = "CUDA out of memory. Tried to allocate more than the machine has."

    def phases(self) -> Iterator[tuple[str, float]]:
        """The words of a run in their order, each with how long it stands."""
        yield "NotStarted", self.not_started_s
        yield "Queued", self.queued_s
        yield "Preparing", self.preparing_s
        yield "Provisioning", self.provisioning_s
        yield "Starting", self.starting_s
        yield "Running", self.running_s / 2
        yield "Paused", self.paused_s
        yield "NotResponding", self.silent_s
        yield "Queued", self.away_s
        yield "Running", self.running_s / 2
        yield "Finalizing", self.finalizing_s

    @property
    def before_running_s(self) -> float:
        return self.not_started_s + self.queued_s + self.preparing_s + self.provisioning_s + self.starting_s

    @property
    def whole_s(self) -> float:
        return sum(length for _, length in self.phases())
