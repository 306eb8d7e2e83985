"""Submits whose outcome is not known yet, shown among the jobs: the one thing a list of jobs must not leave out."""

from __future__ import annotations

from tuneport.intent import OPEN, Intent
from tuneport.job import Job, JobState
from tuneport.registry import JobRegistry


def unsettled(registry: JobRegistry, *, provider: str | None = None) -> list[Job]:
    """The open intents as jobs without an id at the provider. Their URI, `<provider>:?<client id>`, names the intent."""
    return [_as_job(intent) for intent in registry.intents(phases=OPEN, provider=provider)]


def _as_job(intent: Intent) -> Job:
    return Job(
        uri=f"{intent.provider}:?{intent.client_id}",
        provider=intent.provider,
        provider_id=None,
        state=JobState.UNKNOWN,
        provider_state=f"submit {intent.phase}",
        client_id=intent.client_id,
        scope=intent.scope,
        created_at=intent.created_at,
        base=intent.plan.get("base"),
        method=intent.plan.get("method"),
        plan_fingerprint=intent.plan_fingerprint,
        error=intent.reason or None,
        note="run: tuneport jobs sync",
    )
