"""What becomes of a tuning job, a deployment and a long-running operation, and how long it takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Ending = Literal["succeeds", "partly", "fails", "expires"]


@dataclass(frozen=True, slots=True)
class Course:
    """Seconds of each stretch of a tuning job: waiting to begin, reading the data, waiting for hardware, tuning, and what follows."""

    pending_s: float = 30.0
    processing_s: float = 90.0
    capacity_s: float = 60.0
    tuning_s: float = 1800.0
    finishing_s: float = 120.0
    cancelling_s: float = 15.0
    ending: Ending = "succeeds"
    error: str = "Internal error occurred while tuning the model. Please retry."
    """The reason, where it fails by itself."""
    learned: float = 1.0
    """The share of its rows that the tuned model answers from."""

    @property
    def total_s(self) -> float:
        return self.pending_s + self.processing_s + self.capacity_s + self.tuning_s + self.finishing_s


@dataclass(frozen=True, slots=True)
class Serving:
    """How long models and endpoints take, and what goes wrong with deployments."""

    upload_s: float = 20.0
    create_s: float = 5.0
    deploy_s: float = 900.0
    undeploy_s: float = 60.0
    delete_s: float = 10.0
    error: str | None = None
    """Deployments fail with this message."""


AT_ONCE = Course(pending_s=0, processing_s=0, capacity_s=0, tuning_s=0, finishing_s=0, cancelling_s=0)
SERVED_AT_ONCE = Serving(upload_s=0, create_s=0, deploy_s=0, undeploy_s=0, delete_s=0)
