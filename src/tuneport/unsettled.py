"""Submits that are no jobs, shown among them: those whose outcome is not known yet, which no list of jobs must leave out, and those that
were refused."""

from __future__ import annotations

from tuneport.intent import OPEN, Intent, Phase
from tuneport.job import Job, JobState
from tuneport.registry import JobRegistry


def unsettled(registry: JobRegistry, *, provider: str | None = None) -> list[Job]:
    """The open intents as jobs without an id at the provider. Their URI, `<provider>:?<client id>`, names the intent."""
    return [_as_job(intent, JobState.UNKNOWN, note="run: tuneport jobs sync") for intent in _of(registry, *OPEN, provider=provider)]


def refused(registry: JobRegistry, *, provider: str | None = None) -> list[Job]:
    """The submits that came to nothing, newest first, in the same form: `error` is why, in the provider's own words."""
    return [_as_job(intent, JobState.FAILED) for intent in reversed(_of(registry, Phase.FAILED, provider=provider))]


def _of(registry: JobRegistry, *phases: Phase, provider: str | None) -> list[Intent]:
    return registry.intents(phases=phases, provider=provider)


def _as_job(intent: Intent, state: JobState, *, note: str = "") -> Job:
    return Job(
        uri=f"{intent.provider}:?{intent.client_id}",
        provider=intent.provider,
        provider_id=None,
        state=state,
        provider_state=f"submit {intent.phase}",
        client_id=intent.client_id,
        scope=intent.scope,
        created_at=intent.created_at,
        base=intent.plan.get("base"),
        method=intent.plan.get("method"),
        plan_fingerprint=intent.plan_fingerprint,
        error=intent.reason or None,
        note=note,
    )
