"""What becomes of jobs and of deployments if nobody touches them. All times are seconds by the emulator's clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tuneport_openai.emulator.courses import Course


@dataclass(frozen=True, slots=True)
class AzureCourse(Course):
    """`requeue_s` is how long a job is `resuming`."""

    pausing_s: float = 10.0
    early_words: tuple[str, str] = ("pending", "pending")
    """What a job is called while its files are validated, and while it waits: some are told `validating_files` and `queued`."""
    interruptions: tuple[tuple[float, float], ...] = ((0.4, 900.0),)
    """Of a job of the developer tier: after which share of the training the service pauses it, and for how long until it resumes it."""
    stops_at: float | None = None
    """After which share of the training the service pauses the job until its user resumes it, as it does when a job gets too dear."""
    harmful: bool = False
    """The model scores too high in the safety evaluation: it exists, but no deployment of it is granted."""

    def breaks(self, *, preemptible: bool) -> list[tuple[float, float | None]]:
        """After how much work the service pauses the job, and for how long (None: until it is resumed)."""
        pauses: list[tuple[float, float | None]] = list(self.interruptions) if preemptible else []
        if self.stops_at is not None:
            pauses.append((self.stops_at, None))
        return sorted((self.before_running_s + share * self.running_s, pause_s) for share, pause_s in pauses)


@dataclass(frozen=True, slots=True)
class DeploymentCourse:
    """Accepted, Creating, then how it `ends`; when it has succeeded, the data plane learns of it late, and in two steps."""

    accepted_s: float = 5.0
    creating_s: float = 175.0
    ends: Literal["Succeeded", "Failed"] = "Succeeded"
    unheard_s: float = 60.0
    """For so long after it has succeeded requests are answered with DeploymentNotFound,"""
    not_ready_s: float = 60.0
    """and for so long after that with DeploymentNotReady."""
    deleting_s: float = 20.0

    @property
    def provisioning_s(self) -> float:
        return self.accepted_s + self.creating_s

    @property
    def heard_s(self) -> float:
        return self.unheard_s + self.not_ready_s


AT_ONCE = DeploymentCourse(0.0, 0.0, "Succeeded", 0.0, 0.0, 0.0)
