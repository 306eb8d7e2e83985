"""Cancel, pause, resume: one request about a job that has not ended, and what the provider said recorded."""

from __future__ import annotations

from collections.abc import Callable

from tuneport.errors import UsageError
from tuneport.job import Job, Snapshot
from tuneport.poll import wrong_scope
from tuneport.provider import Trainer
from tuneport.registry import JobRegistry


def refuse_ended(job: Job) -> None:
    """Raises UsageError for a job that will never change again."""
    if job.state.terminal:
        raise UsageError(f"{job.uri} has already {job.state}." if job.state != "cancelled" else f"{job.uri} is already cancelled.")


def steer(job: Job, trainer: Trainer, *, registry: JobRegistry, action: Callable[[Trainer, str], Snapshot]) -> Job:
    """The job after `action`. Raises ConfigError for one of another scope."""
    if (elsewhere := wrong_scope(job, trainer.scope())) is not None:
        raise elsewhere
    provider_id = job.provider_id or ""
    return registry.record(job.provider, [provider_id], {provider_id: action(trainer, provider_id)})[0]
