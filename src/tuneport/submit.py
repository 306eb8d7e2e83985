"""Submitting a plan: never two jobs, never a lost one.

    intent row -> upload -> "creating" row -> create, once -> job row

Whatever kills the client, the registry holds the intent; whatever becomes of the reply, the client id on the remote job leads back to it.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from filelock import FileLock, Timeout

from tuneport.clock import Clock
from tuneport.errors import DuplicateSubmit, FileGone, NotFound, RateLimited, Refused, Uncertain, Unreachable, UsageError
from tuneport.intent import Intent, Phase
from tuneport.job import Job, Snapshot
from tuneport.plan import Plan
from tuneport.provider import Trainer
from tuneport.registry import JobRegistry
from tuneport.retry import reading
from tuneport.upload import upload_files

PATIENCE_S = (0.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Waits before each look for a job whose create got no readable answer: listings lag behind."""
RATE_LIMIT_BUDGET_S = 900.0
CLOCK_SKEW = timedelta(minutes=10)
"""How far a provider's clock may differ from ours when `find` has nothing better than the time."""
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
    """What became of an intent: its job, or why there is none (`phase` failed), or that it is not known (`phase` uncertain)."""

    intent: Intent
    phase: Phase
    job: Job | None
    sentence: str


def submit(plan: Plan, *, desk: Desk, force: bool = False, recreate: bool = False) -> Job:
    """Submits `plan` once and returns its job.

    An open intent of the same plan is settled first: found remotely, it is adopted and returned. `force` allows a second job beside one
    that already runs; `recreate` gives up an uncertain intent and creates anew (the user's decision: both may turn out to exist).
    Raises DuplicateSubmit, Uncertain, Refused and its kin, Unreachable before anything was created.
    """
    with submitting(plan.scope, plan.fingerprint, desk.registry) as mine:
        if not mine:
            raise DuplicateSubmit("another process is submitting this very plan right now.", job_uri="", remedy="See: tuneport jobs list")
        intent = desk.registry.open_intent(plan.scope, plan.fingerprint)
        if intent is not None and intent.phase is not Phase.INTENDED:
            settled = _settle_before_submit(intent, plan, desk=desk, recreate=recreate)
            if isinstance(settled, Job):
                return settled
            intent = settled
        if intent is None:
            _refuse_second_run(plan, desk=desk, force=force)
            intent = desk.registry.begin(_new_intent(plan, desk=desk))
        return _carry_out(intent, plan, desk=desk)


@contextmanager
def submitting(scope: str, plan_fingerprint: str, registry: JobRegistry) -> Iterator[bool]:
    """Holds the lock of one plan in one scope; yields False when another process holds it. A killed holder lets go by itself."""
    folder = registry.home / "locks"
    folder.mkdir(exist_ok=True)
    name = uuid.uuid5(uuid.NAMESPACE_URL, f"{scope}\n{plan_fingerprint}").hex
    lock = FileLock(folder / f"{name}.lock", timeout=0, is_singleton=False)
    try:
        lock.acquire()
    except Timeout:
        yield False
        return
    try:
        yield True
    finally:
        lock.release()


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


def _refuse_second_run(plan: Plan, *, desk: Desk, force: bool) -> None:
    job = desk.registry.live_job(plan.scope, plan.fingerprint)
    if job is None or force:
        return
    try:  # what we have may be old: it may have ended, or be gone
        ids = [job.provider_id or ""]
        heard = reading(lambda: desk.trainer.fetch(ids), clock=desk.clock, attempts=2)
        desk.registry.record(desk.provider, ids, heard)
    except (Unreachable, Refused):
        pass  # then what we have must do: the careful answer is to refuse
    job = desk.registry.live_job(plan.scope, plan.fingerprint)
    if job is not None:
        raise DuplicateSubmit(
            f"this very plan is already {job.state} as {job.uri}{_missing(job)}.",
            job_uri=job.uri,
            remedy=f"Follow it: tuneport jobs wait {job.uri} - or submit a second one with --force.",
        )


def _missing(job: Job) -> str:
    return f" ({job.provider} has not known it since {job.missing_since:%Y-%m-%d %H:%M} UTC)" if job.missing_since else ""


def _settle_before_submit(intent: Intent, plan: Plan, *, desk: Desk, recreate: bool) -> Job | Intent | None:
    """The job an earlier submit made, or the intent to go on with, or None to begin a new one. Raises Uncertain."""
    named = desk.trainer.client_names_jobs
    settled = look_for(intent, plan, desk=desk, patience_s=(0.0,) if named else PATIENCE_S)
    if settled.job is not None:
        return settled.job
    if named:
        return settled.intent  # the same name cannot become two jobs: go on with it
    if recreate:
        desk.registry.advance(settled.intent, Phase.ABANDONED, reason="created anew at the user's word")
        return None
    raise _uncertain(settled.intent)


def _uncertain(intent: Intent) -> Uncertain:
    return Uncertain(
        f"it is not known whether {intent.provider} created the job of submit {intent.client_id[:8]}: its answer was lost, "
        "and no such job is listed.",
        client_id=intent.client_id,
        remedy="Wait and run: tuneport jobs sync - or, if you are sure that there is none: submit again with --recreate.",
    )


def look_for(intent: Intent, plan: Plan | None, *, desk: Desk, patience_s: tuple[float, ...]) -> Settled:
    """Looks for the remote job of an open intent, once after each wait, and adopts it; never creates anything."""
    known_plan = plan or Plan.from_dict(intent.plan)
    problem = ""
    for wait_s in patience_s:
        if wait_s:
            desk.clock.sleep(wait_s)
        try:
            snapshot = _find(intent, known_plan, desk=desk)
        except (Unreachable, Refused) as error:
            problem = f" ({error.message})"
            continue
        if snapshot is not None:
            job = desk.registry.adopt(intent, snapshot)
            return Settled(intent, Phase.CREATED, job, f"adopted {job.uri}")
    moved = intent if intent.phase is Phase.UNCERTAIN else desk.registry.advance(intent, Phase.UNCERTAIN, reason=f"not listed{problem}")
    return Settled(moved, Phase.UNCERTAIN, None, f"not known whether it was created{problem}")


def _find(intent: Intent, plan: Plan, *, desk: Desk) -> Snapshot | None:
    since = intent.created_at - CLOCK_SKEW
    snapshot = reading(lambda: desk.trainer.find(intent.client_id, plan, since=since), clock=desk.clock, attempts=3)
    return snapshot if snapshot is not None and _is_ours(snapshot, intent, plan, desk=desk) else None


def _is_ours(snapshot: Snapshot, intent: Intent, plan: Plan, *, desk: Desk) -> bool:
    """Compared here as well: a provider may ignore a filter, and an adapter may trust it."""
    if snapshot.client_id is not None:
        same_plan = snapshot.plan_fingerprint in (None, intent.plan_fingerprint)
        return snapshot.client_id == intent.client_id and same_plan
    owner = desk.registry.job(f"{desk.provider}:{snapshot.provider_id}")
    if owner is not None and owner.client_id not in (None, intent.client_id):
        return False
    same_files = all(snapshot.files.get(purpose) == file_id for purpose, file_id in intent.files.items())
    same_seed = snapshot.seed in (None, plan.seed)
    same_base = snapshot.base in (None, plan.base)
    return bool(snapshot.files) and same_files and same_seed and same_base


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
            wait_s = error.retry_after_s if error.retry_after_s is not None else 15.0
            if waited_s + wait_s > RATE_LIMIT_BUDGET_S:
                raise
            desk.clock.sleep(wait_s)
            waited_s += max(wait_s, 1.0)
        except FileGone:
            intent = desk.registry.advance(intent, retreat.not_sent, reason="a file was gone: nothing was created")
            if refreshed:
                desk.registry.advance(intent, retreat.refused, reason="a file is gone again right after its upload")
                raise
            refreshed, files = True, _uploaded(intent, plan, desk=desk, retreat=retreat, anew=True)
        except Unreachable:
            return _found_or_uncertain(intent, plan, desk=desk)
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
    except (Refused, UsageError) as error:
        desk.registry.advance(intent, retreat.refused, reason=error.message)
        raise


def _give_up(intent: Intent, reason: str, *, desk: Desk) -> None:
    desk.registry.advance(intent, Phase.FAILED, reason=reason)


def _named_before(intent: Intent, plan: Plan, *, desk: Desk) -> Job | None:
    """Where the client names the job: the job of that name, if it is there already. A second PUT would update it."""
    if not desk.trainer.client_names_jobs:
        return None
    snapshot = reading(lambda: desk.trainer.fetch([intent.client_id]), clock=desk.clock).get(intent.client_id)
    return None if snapshot is None else _recorded(intent, plan, snapshot, desk=desk)


def _recorded(intent: Intent, plan: Plan, snapshot: Snapshot, *, desk: Desk) -> Job:
    """The job row, after making sure that what came back is what was asked for."""
    if desk.trainer.client_names_jobs and snapshot.plan_fingerprint != plan.fingerprint:
        try:
            snapshot = reading(lambda: desk.trainer.fetch([intent.client_id]), clock=desk.clock).get(intent.client_id, snapshot)
        except (Unreachable, Refused):  # the job is there: only what it was made from is not known
            return _found_or_uncertain(intent, plan, desk=desk)
        if snapshot.plan_fingerprint is None:
            return _found_or_uncertain(intent, plan, desk=desk)
        if snapshot.plan_fingerprint != plan.fingerprint:
            message = f"{desk.provider} has a job named {intent.client_id[:8]}… that was made from another plan; it was left alone."
            _give_up(intent, message, desk=desk)
            raise Refused(message, remedy="Submit again: it gets a new name.")
    return desk.registry.adopt(intent, snapshot)


def _found_or_uncertain(intent: Intent, plan: Plan, *, desk: Desk) -> Job:
    settled = look_for(intent, plan, desk=desk, patience_s=PATIENCE_S)
    if settled.job is None:
        raise _uncertain(settled.intent) from None
    return settled.job


@dataclass(frozen=True, slots=True)
class SyncResult:
    """One line of what `sync` found: about an intent (`client_id`) or a job (`job`). `kind` is a word a script can switch on."""

    kind: Literal["adopted", "uncertain", "never_sent", "busy", "updated", "missing", "foreign"]
    sentence: str
    job: Job | None = None
    client_id: str | None = None


def sync(*, desk: Desk, adopt_all: bool = False) -> list[SyncResult]:
    """Brings the registry and one provider together: settles open intents, refreshes live jobs, and with `adopt_all`
    records every job there.

    Creates nothing. Raises Unreachable or Refused when the provider does not answer at all.
    """
    scope = desk.trainer.scope()
    results = [
        _sync_intent(intent, desk=desk)
        for intent in desk.registry.intents(provider=desk.provider)
        if _worth_a_look(intent, scope, desk=desk)
    ]
    results += _sync_jobs(scope, desk=desk)
    if adopt_all:
        results += _adopt_all(scope, desk=desk)
    return [result for result in results if result is not None]


def _worth_a_look(intent: Intent, scope: str, *, desk: Desk) -> bool:
    young = desk.clock.now() - intent.created_at < ABANDONED_FOR
    return intent.scope == scope and (intent.phase.open or (intent.phase is Phase.ABANDONED and young))


def _sync_intent(intent: Intent, *, desk: Desk) -> SyncResult:
    with submitting(intent.scope, intent.plan_fingerprint, desk.registry) as mine:
        current = desk.registry.intent(intent.client_id) or intent
        if not mine:
            return SyncResult("busy", f"submit {intent.client_id[:8]} is under way in another process", client_id=intent.client_id)
        if current.phase is Phase.ABANDONED:
            return _sync_abandoned(current, desk=desk)
        if current.phase is Phase.INTENDED:
            _give_up(current, "interrupted before anything was sent", desk=desk)
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


def _sync_abandoned(intent: Intent, *, desk: Desk) -> SyncResult:
    snapshot = _find(intent, Plan.from_dict(intent.plan), desk=desk)
    if snapshot is None:
        return SyncResult("uncertain", f"submit {intent.client_id[:8]} was given up; no job of it has appeared", client_id=intent.client_id)
    job = desk.registry.adopt(intent, snapshot, note="its submit was given up and created anew: you may have two jobs of one plan")
    return SyncResult("adopted", f"{job.uri} appeared after all: {job.note}", job=job, client_id=intent.client_id)


def _sync_jobs(scope: str, *, desk: Desk) -> list[SyncResult]:
    live = [job for job in desk.registry.jobs(provider=desk.provider, live_only=True) if job.provider_id and job.scope == scope]
    if not live:
        return []
    ids = [job.provider_id for job in live if job.provider_id]
    heard = reading(lambda: desk.trainer.fetch(ids), clock=desk.clock)
    now = desk.registry.record(desk.provider, ids, heard)
    return [
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
