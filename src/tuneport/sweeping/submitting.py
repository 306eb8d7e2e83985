"""The one job of a trial: found again where it was made before, else submitted under the contract of `Client.submit`."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from tuneport.errors import (
    CredentialsRefused,
    DuplicateSubmit,
    PlatformClosed,
    QuotaExceeded,
    Refused,
    RegistryError,
    TuneportError,
    Uncertain,
    UsageError,
)
from tuneport.intent import Phase
from tuneport.job import Job, JobState
from tuneport.sweeping.begun import Begun
from tuneport.sweeping.offers import Offer
from tuneport.sweeping.trial import LIVE, Trial

_FOR_ALL = (CredentialsRefused, PlatformClosed, QuotaExceeded)
"""Refusals that the other trials would get as well."""


def take_up(one: Begun) -> None:
    """Trials that an earlier run was submitting when it was stopped get their jobs, where there are any. Sends nothing that creates."""
    started = [each for each in one.journal.trials if each.state == "begun"]
    if not started:
        return
    one.client.sync(provider=one.wishes.provider)
    for trial in started:
        job = _job_of(trial, one, useful=False)
        if job is not None:
            _runs(trial, job, one, f"trial {trial.number + 1} goes on as {job.uri}")


def begin(trial: Trial, found: Offer, *, one: Begun) -> bool:
    """Gives the trial its job. False where there is no place for another one while others run. Raises what `Client.submit` raises."""
    if trial.state == "planned" and (job := _job_of(trial, one, useful=True)) is not None:
        _runs(
            replace(trial, before=True), job, one, f"trial {trial.number + 1} is {job.uri}, which was there before: nothing was submitted"
        )
        return True
    _refuse_beside_an_open_one(trial, found, one)
    quoted = replace(trial, state="begun", plan=found.plan.fingerprint, scope=found.plan.scope, quoted_usd=found.most_usd)
    trial = one.journal.keep(quoted)
    try:
        job = _submitted(found, one)
    except RegistryError:
        raise
    except (Refused, UsageError) as error:
        return _refused(trial, error, one)
    _runs(trial, job, one, f"trial {trial.number + 1} is {job.uri}")
    return True


def _submitted(found: Offer, one: Begun) -> Job:
    try:
        return one.client.submit(found.recipe, provider=one.wishes.provider, plan=found.plan, recreate=one.wishes.recreate)
    except DuplicateSubmit as running:
        if not running.job_uri:
            raise
        return one.client.job(running.job_uri, refresh=False)


def _refused(trial: Trial, error: TuneportError, one: Begun) -> bool:
    """Nothing was created: the trial has failed, or where that is no matter of its values, waits."""
    if one.client.registry.open_intent(trial.scope, trial.plan) is not None:
        raise error
    if isinstance(error, (*_FOR_ALL, DuplicateSubmit)):
        one.journal.keep(replace(trial, state="planned"))
        if isinstance(error, QuotaExceeded) and error.concurrent and any(each.state in LIVE for each in one.journal.trials):
            return False
        raise error
    failed = one.journal.keep(replace(trial, state="failed", cost_usd=Decimal(0), reason=error.message))
    one.say(f"trial {trial.number + 1} was refused: {error.message}", failed)
    return True


def _runs(trial: Trial, job: Job, one: Begun, sentence: str) -> None:
    one.say(sentence, one.journal.keep(replace(trial, state="running", job=job.uri)))


def _job_of(trial: Trial, one: Begun, *, useful: bool) -> Job | None:
    """The job of this very plan; `useful` leaves out those that ended without a model."""
    taken = {each.job for each in one.journal.trials if each.number != trial.number}
    jobs = one.client.registry.jobs(provider=one.wishes.provider)
    alike = [each for each in jobs if each.plan_fingerprint == trial.plan and each.in_scope(trial.scope) and each.provider_id is not None]
    good = [each for each in alike if not each.state.terminal or each.state is JobState.SUCCEEDED]
    return next((each for each in (good if useful else good or alike) if each.uri not in taken), None)


def _refuse_beside_an_open_one(trial: Trial, found: Offer, one: Begun) -> None:
    """The plan may be another one than when its submit began. Raises Uncertain where the earlier one may have become a job unseen."""
    if trial.state != "begun" or trial.plan == found.plan.fingerprint or one.wishes.recreate:
        return
    intent = one.client.registry.open_intent(trial.scope, trial.plan)
    if intent is not None and intent.phase is not Phase.INTENDED:
        raise Uncertain(
            f"trial {trial.number + 1} is no longer what was begun, and whether {one.wishes.provider} made a job of that is not known.",
            client_id=intent.client_id,
            remedy="Wait and give the command again - or, if you are sure that there is none, add --recreate.",
        )
