"""Submitting a plan: never two jobs, never a lost one.

    intent row -> upload -> "creating" row -> create, once -> job row

Whatever kills the client, the registry holds the intent; whatever becomes of the reply, the client id on the remote job leads back to it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from tuneport.clock import Clock
from tuneport.errors import (
    ConfigError,
    CredentialsRefused,
    DuplicateSubmit,
    FileGone,
    NotFound,
    RateLimited,
    Refused,
    RegistryError,
    TuneportError,
    Uncertain,
    Unreachable,
    UsageError,
)
from tuneport.intent import OPEN, Intent, Phase
from tuneport.job import Job, Snapshot
from tuneport.looking import look
from tuneport.plan import Plan
from tuneport.plan_lock import submitting
from tuneport.provider import Trainer
from tuneport.registry import JobRegistry
from tuneport.retry import RATE_LIMIT_BUDGET_S, reading, wait_s
from tuneport.second_run import refuse_second_run
from tuneport.upload import upload_files

PATIENCE_S = (0.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Waits before each look for a job whose create got no readable answer: listings lag behind."""
ABANDONED_FOR = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Desk:
    """What every step of a submit needs: the provider's name in URIs, its trainer, the registry and the clock."""

    provider: str
    trainer: Trainer
    registry: JobRegistry
    clock: Clock


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of an intent: its job, or None where that is not known. `problem` is why nobody could look, if so."""

    intent: Intent
    job: Job | None
    sentence: str
    problem: str = ""


def submit(plan: Plan, *, desk: Desk, force: bool = False, recreate: bool = False) -> Job:
    """Submits `plan` once and returns its job.

    An open intent of the same plan is settled first: found remotely, it is adopted and returned. `force` allows a second job beside one
    that already runs, whether it begins here or goes on with an earlier try; `recreate` gives up an uncertain intent and creates anew (the
    user's decision: both may turn out to exist).
    Raises DuplicateSubmit, Uncertain, Refused and its kin, Unreachable before anything was created.
    """
    with submitting(plan.scope, plan.fingerprint, desk.registry) as mine:
        if not mine:
            raise DuplicateSubmit("another process is submitting this very plan right now.", job_uri="", remedy="See: tuneport jobs list")
        intent = desk.registry.open_intent(plan.scope, plan.fingerprint)
        if intent is not None and intent.phase is not Phase.INTENDED:
            settled = _settle_before_submit(intent, plan, desk=desk, recreate=recreate)
            if settled.job is not None:
                return settled.job
            intent = settled.intent
        if not force:
            refuse_second_run(plan, desk=desk)
        return _carry_out(_to_go_on_with(intent, plan, desk=desk), plan, desk=desk)


def _new_intent(plan: Plan, *, desk: Desk) -> Intent:
    return Intent(
        client_id=uuid.uuid4().hex,
        provider=desk.provider,
        scope=plan.scope,
        plan_fingerprint=plan.fingerprint,
        phase=Phase.INTENDED,
        created_at=desk.clock.now(),
        plan=plan.to_dict(),
        recipe=plan.recipe,
    )


def _settle_before_submit(intent: Intent, plan: Plan, *, desk: Desk, recreate: bool) -> Settled:
    """The job that an earlier submit made, or its intent. Raises Uncertain where neither the name of the job nor the user (`recreate`)
    allows to go on."""
    named = desk.trainer.client_names_jobs
    settled = look_for(intent, plan, desk=desk, patience_s=(0.0,) if named else PATIENCE_S)
    if settled.job is None and not named and not recreate:
        raise _uncertain(settled)
    return settled


def _to_go_on_with(intent: Intent | None, plan: Plan, *, desk: Desk) -> Intent:
    """The open intent, or a new one: where the provider names the jobs, an uncertain one is given up for it."""
    if intent is not None and (intent.phase is Phase.INTENDED or desk.trainer.client_names_jobs):
        return intent  # nothing was sent, or the same name cannot become two jobs
    if intent is not None:
        desk.registry.advance(intent, Phase.ABANDONED, reason="created anew at the user's word")
    return desk.registry.begin(_new_intent(plan, desk=desk))


def _uncertain(settled: Settled) -> Uncertain:
    intent, problem = settled.intent, settled.problem
    return Uncertain(
        f"it is not known whether {intent.provider} created the job of submit {intent.client_id[:8]}: its answer was lost, "
        + (f"and it cannot be looked for: {problem}" if problem else "and no such job is listed."),
        client_id=intent.client_id,
        remedy="Wait and run: tuneport jobs sync - or, if you are sure that there is none: submit again with --recreate.",
    )


def look_for(intent: Intent, plan: Plan | None, *, desk: Desk, patience_s: tuple[float, ...]) -> Settled:
    """Looks for the remote job of an open intent, once after each wait, and adopts it; never creates anything."""
    known_plan = plan or Plan.from_dict(intent.plan)
    problem = ""
    for pause_s in patience_s:
        if pause_s:
            desk.clock.sleep(pause_s)
        snapshot, problem = look(intent, known_plan, desk=desk)
        if snapshot is not None:
            job = desk.registry.adopt(intent, snapshot)
            return Settled(intent, job, f"adopted {job.uri}")
    why = f" ({problem})" if problem else ""
    moved = intent if intent.phase is Phase.UNCERTAIN else desk.registry.advance(intent, Phase.UNCERTAIN, reason=f"not listed{why}")
    return Settled(moved, None, f"not known whether it was created{why}", problem)


@dataclass(frozen=True, slots=True)
class _Retreat:
    """Where an intent goes when a try is known to have created nothing. An earlier try of it may still arrive, and then it stays uncertain
    (only where the client names the job does one go on with such an intent)."""

    not_sent: Phase
    refused: Phase

    @classmethod
    def of(cls, intent: Intent) -> _Retreat:
        return cls(Phase.INTENDED, Phase.FAILED) if intent.phase is Phase.INTENDED else cls(Phase.UNCERTAIN, Phase.UNCERTAIN)


def _carry_out(intent: Intent, plan: Plan, *, desk: Desk) -> Job:
    """Upload, create once, record."""
    retreat = _Retreat.of(intent)
    files = _uploaded(intent, plan, desk=desk, retreat=retreat)
    waited_s, refreshed = 0.0, False
    while True:
        if (existing := _named_before(intent, plan, desk=desk)) is not None:
            return existing
        intent = desk.registry.advance(intent, Phase.CREATING, files=files)
        try:
            snapshot = desk.trainer.create(plan, intent.client_id, files)
        except RateLimited as error:
            intent = desk.registry.advance(intent, retreat.not_sent, reason="rate limited: nothing was created")
            waited_s += (pause_s := wait_s(error, otherwise_s=15.0))
            if waited_s > RATE_LIMIT_BUDGET_S:
                raise
            desk.clock.sleep(pause_s)
        except FileGone:
            intent = desk.registry.advance(intent, retreat.not_sent, reason="a file was gone: nothing was created")
            if refreshed:
                desk.registry.advance(intent, retreat.refused, reason="a file is gone again right after its upload")
                raise
            refreshed, files = True, _uploaded(intent, plan, desk=desk, retreat=retreat, anew=True)
        except Unreachable:
            return _found_or_uncertain(intent, plan, desk=desk)
        except RegistryError:
            raise  # our own trouble: what became of the request is not known
        except (Refused, UsageError) as error:
            desk.registry.advance(intent, retreat.refused, reason=getattr(error, "reason", "") or error.message)
            raise
        else:
            return _recorded(intent, plan, snapshot, desk=desk)


def _uploaded(intent: Intent, plan: Plan, *, desk: Desk, retreat: _Retreat, anew: bool = False) -> Mapping[str, str]:
    try:
        return upload_files(plan, trainer=desk.trainer, registry=desk.registry, clock=desk.clock, anew=anew)
    except Unreachable:
        raise  # the intent stays: nothing was sent, the next submit goes on with it
    except RegistryError:
        raise  # our own trouble and no refusal
    except (Refused, UsageError) as error:
        desk.registry.advance(intent, retreat.refused, reason=error.message)
        raise


def _named_before(intent: Intent, plan: Plan, *, desk: Desk) -> Job | None:
    """Where the client names the job: the job of that name, if it is there already. A second PUT would update it."""
    if not desk.trainer.client_names_jobs:
        return None
    snapshot = reading(lambda: desk.trainer.fetch([intent.client_id]), clock=desk.clock).get(intent.client_id)
    return None if snapshot is None else _recorded(intent, plan, snapshot, desk=desk)


def _recorded(intent: Intent, plan: Plan, snapshot: Snapshot, *, desk: Desk) -> Job:
    """The job row, after making sure that what came back is what was asked for."""
    if _is_anothers(snapshot, intent, desk=desk):
        return _found_or_uncertain(intent, plan, desk=desk)
    if desk.trainer.client_names_jobs and snapshot.plan_fingerprint != plan.fingerprint:
        try:
            snapshot = reading(lambda: desk.trainer.fetch([intent.client_id]), clock=desk.clock).get(intent.client_id, snapshot)
        except (Unreachable, Refused):  # the job is there: only what it was made from is not known
            return _found_or_uncertain(intent, plan, desk=desk)
        if snapshot.plan_fingerprint is None:
            return _found_or_uncertain(intent, plan, desk=desk)
        if snapshot.plan_fingerprint != plan.fingerprint:
            message = f"{desk.provider} has a job named {intent.client_id[:8]}… that was made from another plan; it was left alone."
            desk.registry.advance(intent, Phase.FAILED, reason=message)
            raise Refused(message, remedy="Submit again: it gets a new name.")
    return desk.registry.adopt(intent, snapshot)


def _is_anothers(snapshot: Snapshot, intent: Intent, *, desk: Desk) -> bool:
    """Whether a create was answered with a job that the provider named for another submit: a reply from a cache."""
    if desk.trainer.client_names_jobs:
        return False
    owner = desk.registry.job(f"{desk.provider}:{snapshot.provider_id}")
    return not {snapshot.client_id, owner and owner.client_id} <= {None, intent.client_id}


def _found_or_uncertain(intent: Intent, plan: Plan, *, desk: Desk) -> Job:
    settled = look_for(intent, plan, desk=desk, patience_s=PATIENCE_S)
    if settled.job is None:
        raise _uncertain(settled) from None
    return settled.job


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
