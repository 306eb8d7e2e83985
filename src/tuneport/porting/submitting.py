"""The one job of a port: found again where an earlier run has made it, else submitted under the contract of `Client.submit`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tuneport.errors import DuplicateSubmit, JobFailed, Refused, Uncertain, UsageError
from tuneport.intent import Phase
from tuneport.job import Job, JobState
from tuneport.porting.mapping import Mapped
from tuneport.porting.work import Work

if TYPE_CHECKING:
    from tuneport.plan import Plan


def submitted(mapped: Mapped, plan: Callable[[], Plan], *, work: Work) -> Job:
    """The job at the destination, as it was last heard. `plan` is made only where something has to be sent.

    A run that was stopped between the job and its line in the journal finds it in the registry, after a `sync`, by scope and plan.
    Raises what `Client.submit` raises.
    """
    journal = work.journal
    if journal.done("submit"):
        return work.client.job(str(journal.facts("submit")["job"]), refresh=False)
    job = _found(work)
    if job is None:
        job = _sent(mapped, plan(), work)
        lines = (f"submitted {job.uri}",)
    else:
        lines = (f"{job.uri} is the job of this very plan: nothing was submitted",)
    journal.finish("submit", {"job": job.uri})
    work.say("submit", *lines, facts={"job": job.uri})
    return job


def _found(work: Work) -> Job | None:
    """The job that an earlier run has made, or that the same plan has had before and that did not fail. Raises UsageError where that is the
    very job that is to be carried: it is no copy of itself."""
    begun = work.journal.facts("submit")
    said = begun or work.journal.facts("convert")
    fingerprint, scope = said.get("plan_fingerprint"), said.get("scope")
    provider, client = work.wishes.to, work.client
    if begun.get("plan_fingerprint"):
        client.sync(provider=provider)
    given_up = set(work.journal.facts("follow").get("given_up", ()))
    alike = [job for job in client.registry.jobs(provider=provider) if job.plan_fingerprint == fingerprint and job.in_scope(str(scope))]
    ours = [job for job in alike if job.uri not in given_up and job.provider_id is not None]
    carried = next((job for job in ours if work.journal.about("source") in (job.uri, job.model)), None)
    if carried is not None:
        raise UsageError(
            f"{carried.uri} is at {provider} already, trained on these rows in this way: there is nothing to carry.",
            remedy="Name another base there: --base MODEL",
        )
    useful = [job for job in ours if not job.state.terminal or job.state is JobState.SUCCEEDED]
    failed = ours if begun.get("plan_fingerprint") else []
    return next(iter(useful or failed), None)


def _sent(mapped: Mapped, plan: Plan, work: Work) -> Job:
    _refuse_beside_an_open_one(plan, work)
    work.journal.begin("submit", {"plan_fingerprint": plan.fingerprint, "scope": plan.scope})
    try:
        return work.client.submit(mapped.recipe, provider=work.wishes.to, plan=plan, recreate=work.wishes.recreate)
    except DuplicateSubmit as running:
        if not running.job_uri:
            raise
        return work.client.job(running.job_uri, refresh=False)
    except (Refused, UsageError):
        if work.client.registry.open_intent(plan.scope, plan.fingerprint) is None:
            work.journal.forget("submit")  # there is no job and none may appear: what is wished for may be another one now
        raise


def _refuse_beside_an_open_one(plan: Plan, work: Work) -> None:
    """The plan may be another one by now: settings of the provider have changed, or Tuneport has. Raises Uncertain where the earlier plan
    may have become a job that is not listed yet."""
    begun = work.journal.facts("submit")
    before, scope = begun.get("plan_fingerprint"), str(begun.get("scope"))
    if before in (None, plan.fingerprint) or work.wishes.recreate:
        return
    intent = work.client.registry.open_intent(scope, str(before))
    if intent is not None and intent.phase is not Phase.INTENDED:
        raise Uncertain(
            f"what would be submitted is no longer what was begun, and whether {work.wishes.to} made a job of that is not known.",
            client_id=intent.client_id,
            remedy="Wait and run: tuneport jobs sync - or, if you are sure that there is none: give the same command with --recreate.",
        )


def followed(job: Job, *, work: Work) -> Job:
    """The job as it ended well. Raises JobFailed, and whatever ends the following, which can be taken up again."""
    ended = work.follow(job)
    if ended.state is not JobState.SUCCEEDED:
        work.journal.begin("follow", {"state": ended.state.value, "error": ended.error})
        why = f": {ended.error}" if ended.error else ""
        raise JobFailed(
            f"{ended.uri} is {ended.state}{why}. No other job was made.",
            remedy="To pay for another one, give the same command with --again.",
        )
    if not work.journal.done("follow"):
        work.journal.finish("follow", {"state": ended.state.value, "cost": ended.cost})
        work.say("follow", f"{ended.uri} {ended.state}" + (f", {ended.cost} USD" if ended.cost else ""), facts={"job": ended.uri})
    return ended


def begin_again(work: Work) -> None:
    """Lets a new job be made where the last one has failed; any other stays the port's.

    What the failed one cost counts with the new one: what was billed, else the most it was quoted at.
    """
    uri = work.journal.facts("submit").get("job")
    if uri is None:
        return
    job = work.client.job(str(uri))
    if not job.state.terminal or job.state is JobState.SUCCEEDED:
        return
    known = work.journal.facts("follow")
    cost, most = job.cost, (work.journal.facts("quote").get("training_usd") or (None,))[-1]
    paid = {**known.get("paid_usd", {}), job.uri: most if cost is None else cost}
    work.journal.begin("follow", {"given_up": [*known.get("given_up", ()), job.uri], "paid_usd": paid})
    work.journal.agree("train", "")  # another job is another price to agree to
    work.journal.forget("submit")
