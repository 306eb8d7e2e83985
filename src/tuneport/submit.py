"""Submitting a plan: never two jobs, never a lost one.

    intent row -> upload -> "creating" row -> create, once -> job row

Whatever kills the client, the registry holds the intent; whatever becomes of the reply, the client id on the remote job leads back to it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tuneport.clock import Clock
from tuneport.errors import (
    DuplicateSubmit,
    FileGone,
    QuotaExceeded,
    RateLimited,
    Refused,
    RegistryError,
    Uncertain,
    Unreachable,
    UsageError,
)
from tuneport.intent import Intent, Phase
from tuneport.job import Job, Snapshot
from tuneport.looking import look
from tuneport.plan import Plan
from tuneport.plan_lock import submitting
from tuneport.provider import Trainer
from tuneport.registry import JobRegistry
from tuneport.retry import RATE_LIMIT_BUDGET_S, reading, wait_s
from tuneport.second_run import refuse_second_run
from tuneport.upload import upload_files

Waiting = Callable[[QuotaExceeded, float], object]
"""Hears of each refusal for want of a place, and how many seconds pass until the next try."""

PATIENCE_S = (0.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Waits before each look for a job whose create got no readable answer: listings lag behind."""


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


def submit(plan: Plan, *, desk: Desk, force: bool = False, recreate: bool = False, queue: Waiting | None = None) -> Job:
    """Submits `plan` once and returns its job.

    An open intent of the same plan is settled first: found remotely, it is adopted and returned. `force` allows a second job beside one
    that already runs, whether it begins here or goes on with an earlier try; `recreate` gives up an uncertain intent and creates anew (the
    user's decision: both may turn out to exist). With `queue` a provider that runs only so many jobs at once is asked again until one of
    them has ended; whoever is interrupted meanwhile has sent nothing.
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
        return _carry_out(_to_go_on_with(intent, plan, desk=desk), plan, desk=desk, queue=queue)


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


def _carry_out(intent: Intent, plan: Plan, *, desk: Desk, queue: Waiting | None) -> Job:
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
            if queue is not None and isinstance(error, QuotaExceeded) and error.concurrent:
                intent = desk.registry.advance(intent, retreat.not_sent, reason="no place for another job: nothing was created")
                queue(error, pause_s := desk.trainer.poll_interval_s[1])
                desk.clock.sleep(pause_s)
                continue
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
