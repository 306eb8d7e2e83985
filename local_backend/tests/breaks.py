"""Trainings that are broken off, for tests of what goes on from there."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.training.train import TrainingSpec, train

from tuneport.job import JobState

from .joblog import Killed, MemoryJob, Wish

Moment = Callable[[str, Any], bool]
"""Whether an entry of a job, its kind and what it says, is the one to break off at."""


def metric_at(step: int, name: str = "loss") -> Moment:
    return lambda kind, what: kind == "metric" and what[0] == step and name in what[1]


def phase_is(state: JobState) -> Moment:
    return lambda kind, what: kind == "phase" and what == state


def event_says(words: str) -> Moment:
    return lambda kind, what: kind == "event" and words in what


def killed(job: MemoryJob, spec: TrainingSpec, home: Path, *, at: Moment) -> None:
    """Trains until then, when the training ends where it stands. The job is left as one that may go on."""

    def kill(kind: str, what: Any) -> None:
        if at(kind, what):
            raise Killed

    job.after = kill
    with pytest.raises(Killed):
        train(job, spec=spec, home=home)
    job.after = _nothing


def broken_off(job: MemoryJob, spec: TrainingSpec, home: Path, *, wish: Wish, at: Moment) -> None:
    """Trains until the client's wish, which is made then, has been followed. The job is left as one that may go on."""
    made: list[str] = []
    job.after = lambda kind, what: made.append(wish) if at(kind, what) else None
    job.wished = lambda: wish if made else "run"
    assert train(job, spec=spec, home=home) == {"pause": "paused", "cancel": "cancelled"}[wish]
    job.after, job.wished = _nothing, lambda: "run"


def _nothing(kind: str, what: Any) -> None:
    return None
