"""Following the jobs of a sweep: what is heard of them, what they measured, and which are not worth finishing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from tuneport.errors import TuneportError, Unreachable, UsageError
from tuneport.job import Job, JobState, Metric
from tuneport.retry import reading
from tuneport.sweeping.begun import Begun
from tuneport.sweeping.measured import curve_of, names_in
from tuneport.sweeping.sampling import not_worth_it
from tuneport.sweeping.trial import Trial


def follow(live: Sequence[Trial], *, one: Begun, more_to_begin: bool) -> None:
    """Follows these trials to their ends; only until the first has ended where others wait to begin."""
    by_job = {str(each.job): each.number for each in live}
    for trial in live:
        if trial.state == "pruning":
            _stop(trial, one)  # an earlier run may have been stopped before it was sent
    last: Sequence[Job] = ()
    for look in one.client.follow(list(by_job)):
        last = look.jobs
        ended = [_heard(one.journal.trials[by_job[job.uri]], job, one) for job in last if _news(one.journal.trials[by_job[job.uri]])]
        if any(ended) and more_to_begin:
            return
    for job in last:
        trial = one.journal.trials[by_job[job.uri]]
        if _news(trial):
            _over(replace(trial, state="failed", reason=f"{job.provider} no longer knows {job.uri}"), one)


def _news(trial: Trial) -> bool:
    return trial.state in ("running", "pruning")


def _heard(trial: Trial, job: Job, one: Begun) -> bool:
    """Takes up what is known of a trial's job; whether it has ended."""
    if job.state.terminal:
        _ended(trial, job, one)
        return True
    if job.state is JobState.RUNNING and trial.state == "pruning":
        _stop(trial, one)
    elif job.state is JobState.RUNNING and not one.not_pruned:
        _weigh(trial, job, one)
    return False


def _weigh(trial: Trial, job: Job, one: Begun) -> None:
    try:
        curve = curve_of(one.client.metrics(job), one.metric)
    except TuneportError:
        return  # what could not be heard now may be heard later
    trial = replace(trial, curve=curve)
    if not curve or not not_worth_it(trial, one.journal.trials, one.space, direction=one.direction):
        return
    step, value = curve[-1]
    reason = f"stopped at step {step}: {one.metric} {value:.4g} was worse than half of the others there"
    _stop(one.journal.keep(replace(trial, state="pruning", value=value, reason=reason)), one)
    one.say(f"trial {trial.number + 1} is {reason}", one.journal.trials[trial.number])


def _stop(trial: Trial, one: Begun) -> None:
    """Asks for the cancel. One that is lost is sent again by the next look that finds the job going on."""
    try:
        one.client.cancel(str(trial.job))
    except (Unreachable, UsageError):
        return  # not heard, or the job has ended meanwhile


def _ended(trial: Trial, job: Job, one: Begun) -> None:
    cost = Decimal(job.cost) if job.cost is not None else None
    trial = replace(trial, cost_usd=Decimal(0) if trial.before else cost)
    if job.state is JobState.SUCCEEDED:
        _over(_measured(trial, job, one), one)
    elif job.state is JobState.CANCELLED and trial.state == "pruning":
        _over(replace(trial, state="pruned"), one)
    else:
        state = "cancelled" if job.state is JobState.CANCELLED else "failed"
        _over(replace(trial, state=state, reason=job.error or f"its job is {job.state}"), one)  # type: ignore[arg-type]


def _measured(trial: Trial, job: Job, one: Begun) -> Trial:
    metrics: list[Metric] = reading(lambda: one.client.metrics(job), clock=one.client.clock)
    curve = curve_of(metrics, one.metric)
    if curve:
        return replace(trial, state="succeeded", curve=curve, value=curve[-1][1], reason="")
    return replace(trial, state="unmeasured", reason=f"{job.uri} gives no {one.metric}, but {names_in(metrics)}")


def _over(trial: Trial, one: Begun) -> None:
    one.say(_sentence(trial, one), one.journal.keep(trial))


def _sentence(trial: Trial, one: Begun) -> str:
    cost = f", billed {trial.cost_usd:.2f} USD" if trial.cost_usd else ""
    if trial.state == "succeeded":
        return f"trial {trial.number + 1}: {one.metric} {trial.value:.6g}{cost}"
    return f"trial {trial.number + 1} {trial.state}{cost}: {trial.reason}"
