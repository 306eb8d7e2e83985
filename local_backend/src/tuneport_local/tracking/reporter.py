"""What each tracking tool is made to look like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from tuneport_local.tracking.telling import Setting

End = Literal["succeeded", "failed", "cancelled", "killed", "paused"]
PROJECT = "tuneport"
"""Where runs go unless the tool's own environment says otherwise."""


@dataclass(frozen=True, slots=True)
class About:
    """The job as a run: `name` is what people see, `folder` where the tool may keep files of this job, `shared` of all jobs."""

    job_id: str
    name: str
    settings: Mapping[str, Setting]
    folder: Path
    shared: Path


class Reporter(Protocol):
    """One run at one tool. Whatever it raises is told as a warning and tried again later."""

    def begin(self, run: str | None) -> str:
        """Opens the run, or the one that an earlier attempt of the job had. Its id at the tool."""

    def send(self, step: int, readings: Mapping[str, float], *, at_ms: int) -> None:
        """One step's readings, each once, in order of step. `at_ms`: milliseconds since the epoch."""

    def end(self, how: End) -> None:
        """What became of the job. A paused one goes on with the same run."""

    @property
    def where(self) -> str:
        """Where people find the run."""
