"""What becomes of a job if nobody touches it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Course:
    """Seconds of work in each phase, by the emulator's clock. `fails_at` is the share of the training after which a failing job fails."""

    validating_s: float = 30.0
    queued_s: float = 60.0
    running_s: float = 600.0
    finishing_s: float = 20.0
    requeue_s: float = 15.0
    """After `resume` a job waits that long for its turn."""
    ends: Literal["succeeded", "failed"] = "succeeded"
    fails_at: float = 0.5
    failure: tuple[str, str] = ("server_error", "The job failed due to an internal error.")
    """Code and message of a job that ends `failed`."""

    @property
    def before_running_s(self) -> float:
        return self.validating_s + self.queued_s

    @property
    def total_s(self) -> float:
        return self.before_running_s + self.running_s + self.finishing_s

    def boundaries(self) -> tuple[float, float, float, float]:
        """After how much work the files are validated, training begins, training ends, and the job is over."""
        trained = self.before_running_s + self.running_s * (self.fails_at if self.ends == "failed" else 1.0)
        return self.validating_s, self.before_running_s, trained, trained + self.finishing_s
