"""Bringing the registry and the providers together: what became of open submits, how live jobs stand, whose jobs there are beside ours."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from tuneport.errors import ConfigError, CredentialsRefused, NotFound, Refused, RegistryError, TuneportError, Unreachable
from tuneport.intent import OPEN, Intent, Phase
from tuneport.job import Job
from tuneport.looking import look
from tuneport.plan import Plan
from tuneport.plan_lock import submitting
from tuneport.retry import reading
from tuneport.submit import Desk, look_for

ABANDONED_FOR = timedelta(days=30)
"""How long the job of a submit that was given up is still looked for."""


@dataclass(frozen=True, slots=True)
class SyncResult:
    """One line of what `sync` found: about an intent (`client_id`), a job (`job`) or a provider that did not answer (`error`). `kind` is a
    word a script can switch on."""

    kind: Literal["adopted", "uncertain", "never_sent", "busy", "updated", "missing", "foreign", "other_scope", "not_set_up", "unreachable"]
    sentence: str
    job: Job | None = None
    client_id: str | None = None
    error: TuneportError | None = None


def sync(*, desk: Desk, adopt_all: bool = False) -> list[SyncResult]:
    """Brings the registry and one provider together: settles open intents, refreshes live jobs, and with `adopt_all`
    records every job there.

    Creates nothing. Raises Unreachable or Refused when the provider does not answer at all.
    """
    scope = desk.trainer.scope()
    intents = [
        *desk.registry.intents(provider=desk.provider, phases=OPEN),
        *desk.registry.intents(provider=desk.provider, phases=[Phase.ABANDONED]),  # last: an unmarked job belongs to who still waits for it
    ]
    results = [_sync_intent(intent, scope, desk=desk) for intent in intents if _worth_a_look(intent, desk=desk)]
    try:
        results += _sync_jobs(scope, desk=desk)
        results += _adopt_all(scope, desk=desk) if adopt_all else []
    except (Unreachable, Refused) as error:
        if not results:
            raise
        results.append(_silent(desk.provider, error))
    return results


def sync_each(
    providers: Iterable[str], *, desk: Callable[[str], Desk], adopt_all: bool = False, new: Collection[str] = ()
) -> list[SyncResult]:
    """`sync` for several providers. One that does not answer, or has no desk, is a result and keeps no other from being asked; one of the
    `new` ones, of which nothing is known here, need not be set up."""
    results: list[SyncResult] = []
    for provider in providers:
        try:
            results += sync(desk=desk(provider), adopt_all=adopt_all)
        except RegistryError:
            raise
        except (ConfigError, CredentialsRefused) as error:
            silent = _silent(provider, error)
            results.append(replace(silent, kind="not_set_up", error=None) if provider in new else silent)
        except TuneportError as error:
            results.append(_silent(provider, error))
    return results


def _silent(provider: str, error: TuneportError) -> SyncResult:
    return SyncResult("unreachable", f"{provider}: {error.message.removeprefix(f'{provider}: ')}", error=error)


def _worth_a_look(intent: Intent, *, desk: Desk) -> bool:
    return intent.phase.open or desk.clock.now() - intent.created_at < ABANDONED_FOR


def _sync_intent(intent: Intent, scope: str, *, desk: Desk) -> SyncResult:
    if intent.scope != scope:
        what = f"submit {intent.client_id[:8]}"
        return SyncResult("other_scope", _elsewhere(what, intent.scope, scope, desk=desk), client_id=intent.client_id)
    with submitting(intent.scope, intent.plan_fingerprint, desk.registry) as mine:
        current = desk.registry.intent(intent.client_id) or intent
        if not mine:
            return SyncResult("busy", f"submit {intent.client_id[:8]} is under way in another process", client_id=intent.client_id)
        if current.phase is Phase.ABANDONED:
            return _sync_abandoned(current, desk=desk)
        if current.phase is Phase.INTENDED:
            desk.registry.advance(current, Phase.FAILED, reason="interrupted before anything was sent")
            return SyncResult(
                "never_sent",
                f"submit {intent.client_id[:8]} was interrupted before it sent anything: no job",
                client_id=intent.client_id,
            )
        if not current.phase.open:
            job = desk.registry.job(current.job_uri) if current.job_uri else None
            return SyncResult("updated", f"submit {intent.client_id[:8]} is {current.phase}", job=job, client_id=intent.client_id)
        settled = look_for(current, None, desk=desk, patience_s=(0.0,))
        kind: Literal["adopted", "uncertain"] = "adopted" if settled.job else "uncertain"
        return SyncResult(kind, f"submit {intent.client_id[:8]}: {settled.sentence}", job=settled.job, client_id=intent.client_id)


def _elsewhere(what: str, there: str, here: str, *, desk: Desk) -> str:
    return f"{what} is in {there}, and {desk.provider} is set up for {here}: not asked for"


def _sync_abandoned(intent: Intent, *, desk: Desk) -> SyncResult:
    snapshot, problem = look(intent, Plan.from_dict(intent.plan), desk=desk)
    if snapshot is None:
        sentence = f"submit {intent.client_id[:8]} was given up; no job of it has appeared" + (f" ({problem})" if problem else "")
        return SyncResult("uncertain", sentence, client_id=intent.client_id)
    job = desk.registry.adopt(intent, snapshot, note="its submit was given up and created anew: you may have two jobs of one plan")
    return SyncResult("adopted", f"{job.uri} appeared after all: {job.note}", job=job, client_id=intent.client_id)


def _sync_jobs(scope: str, *, desk: Desk) -> list[SyncResult]:
    live = desk.registry.jobs(provider=desk.provider, live_only=True)
    away = [job for job in live if not job.in_scope(scope)]
    results = [SyncResult("other_scope", _elsewhere(job.uri, job.scope, scope, desk=desk), job=job) for job in away]
    ids = [job.provider_id for job in live if job.provider_id and job.in_scope(scope)]
    if not ids:
        return results
    heard = reading(lambda: desk.trainer.fetch(ids), clock=desk.clock)
    now = desk.registry.record(desk.provider, ids, heard)
    return results + [
        SyncResult(
            "missing" if job.missing_since else "updated",
            f"{job.uri} is {'no longer known there' if job.missing_since else job.state}",
            job=job,
        )
        for job in now
    ]


def _adopt_all(scope: str, *, desk: Desk) -> list[SyncResult]:
    snapshots = reading(lambda: list(desk.trainer.list()), clock=desk.clock)
    strangers = [snapshot for snapshot in snapshots if desk.registry.job(f"{desk.provider}:{snapshot.provider_id}") is None]
    jobs = [desk.registry.add(desk.provider, scope, snapshot) for snapshot in strangers]
    return [SyncResult("foreign", f"{job.uri} was submitted elsewhere and is {job.state}: recorded", job=job) for job in jobs]


def adopt(provider_id: str, *, desk: Desk) -> Job:
    """Records one job by its id at the provider. Raises NotFound if the provider does not know it."""
    snapshot = reading(lambda: desk.trainer.fetch([provider_id]), clock=desk.clock).get(provider_id)
    if snapshot is None:
        raise NotFound(f"{desk.provider} knows no job {provider_id!r} in {desk.trainer.scope()}.", remedy="See: tuneport jobs sync --all")
    return desk.registry.add(desk.provider, desk.trainer.scope(), snapshot)
