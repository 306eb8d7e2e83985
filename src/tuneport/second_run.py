"""A plan that already runs is not submitted again without the user's word."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneport.errors import DuplicateSubmit, Refused, Unreachable
from tuneport.job import Job
from tuneport.plan import Plan
from tuneport.retry import reading

if TYPE_CHECKING:
    from tuneport.submit import Desk


def refuse_second_run(plan: Plan, *, desk: Desk) -> None:
    """Raises DuplicateSubmit while a job of this very plan has not ended. What the registry says may be old: all of them are asked for."""
    live = desk.registry.live_jobs(plan.scope, plan.fingerprint)
    ids = [job.provider_id for job in live if job.provider_id is not None]
    if ids:
        try:
            heard = reading(lambda: desk.trainer.fetch(ids), clock=desk.clock, attempts=2)
            for name in {job.provider for job in live}:  # two profiles may be one account
                desk.registry.record(name, [job.provider_id for job in live if job.provider == name and job.provider_id], heard)
        except (Unreachable, Refused):
            pass  # then what we have must do: the careful answer is to refuse
        live = desk.registry.live_jobs(plan.scope, plan.fingerprint)
    if live:
        job = live[0]
        raise DuplicateSubmit(
            f"this very plan is already {job.state} as {job.uri}{_missing(job)}.",
            job_uri=job.uri,
            remedy=f"Follow it: tuneport jobs wait {job.uri} - or submit a second one with --force.",
        )


def _missing(job: Job) -> str:
    return f" ({job.provider} has not known it since {job.missing_since:%Y-%m-%d %H:%M} UTC)" if job.missing_since else ""
