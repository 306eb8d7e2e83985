"""What must be true of every run, whatever went wrong: checked after each step, and once more when all is quiet."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import combinations

from tuneport.intent import Intent, Phase
from tuneport.job import Job
from tuneport.testing.remote_job import TERMINAL_WORDS, RemoteJob
from tuneport.testing.translation import WORDS
from tuneport.testing.world import World


def check_always(world: World) -> None:
    """After any step, also one that ended in a kill. Raises InvariantViolation."""
    jobs, intents = world.look()
    _no_terminal_state_is_overwritten(world, jobs)
    _every_state_was_told(world, jobs)
    _no_submit_made_two_jobs(world)
    _no_plain_submit_made_a_second_live_job(world)
    _who_said_nothing_was_created_was_right(world)
    _no_job_belongs_to_two_submits(world, jobs, intents)


def check_quiet(world: World) -> None:
    """After the faults have ended, everything held back has arrived, and sync and poll have run."""
    check_always(world)
    jobs, intents = world.look()
    for remote in world.ours():
        _is_known(world, remote, jobs, intents)
    for intent in intents.values():
        _ended_in_truth(world, intent)
    for job in jobs.values():
        _is_as_the_provider_says(world, job)


def _no_terminal_state_is_overwritten(world: World, jobs: Mapping[str, Job]) -> None:
    for uri, state in world.truth.ended.items():
        now = jobs[uri].state if uri in jobs else "no longer there"
        if now != state:
            raise world.violation(f"{uri} had ended as {state} and is now {now}")
    world.truth.ended |= {uri: job.state for uri, job in jobs.items() if job.state.terminal}


def _every_state_was_told(world: World, jobs: Mapping[str, Job]) -> None:
    for job in jobs.values():
        told = world.truth.told[job.provider_id or ""]
        if job.state not in told:
            raise world.violation(f"{job.uri} is {job.state} in the registry, but the provider only said {sorted(told)}")


def _no_submit_made_two_jobs(world: World) -> None:
    for client_id, count in Counter(remote.sent_client_id for remote in world.ours()).items():
        if count > 1:
            raise world.violation(f"submit {client_id} made {count} remote jobs")


def _no_plain_submit_made_a_second_live_job(world: World) -> None:
    """Without --force and --recreate, a plan is only run again once every job of it has ended."""
    by_plan: defaultdict[str, list[RemoteJob]] = defaultdict(list)
    for remote in world.ours():
        if remote.sent_client_id not in world.truth.given_up:
            by_plan[remote.body["metadata"]["plan"]].append(remote)
    for remotes in by_plan.values():
        for first, second in combinations(remotes, 2):  # in the order in which they were created
            still_ran = first.finished_at is None or second.created_at < first.finished_at
            if still_ran and second.id not in world.truth.forced:
                raise world.violation(f"{second.id} was created while {first.id} of the same plan was running")


def _who_said_nothing_was_created_was_right(world: World) -> None:
    for process, sentence in world.truth.denied_by.items():
        if world.truth.created_by[process]:
            raise world.violation(f"{process} made {world.truth.created_by[process]} and yet told its user {sentence!r}")


def _no_job_belongs_to_two_submits(world: World, jobs: Mapping[str, Job], intents: Mapping[str, Intent]) -> None:
    for uri, count in Counter(intent.job_uri for intent in intents.values() if intent.job_uri).items():
        if count > 1:
            raise world.violation(f"{count} submits claim {uri}")
    for job in jobs.values():
        remote = world.cloud.jobs.get(job.provider_id or "")
        if remote is None or job.client_id not in intents or _may_be_mistaken(world, remote):
            continue
        if job.client_id != remote.sent_client_id:
            raise world.violation(f"{job.uri} was made by {remote.sent_client_id} and adopted by {job.client_id}")


def _may_be_mistaken(world: World, remote: RemoteJob) -> bool:
    """Without marks, the job of a submit that the user gave up is taken for the one created in its place: nothing tells them apart."""
    alike = {other.sent_client_id for other in world.ours() if other.body["metadata"]["plan"] == remote.body["metadata"]["plan"]}
    return world.flavour == "unmarked" and bool(alike & world.truth.given_up)


def _is_known(world: World, remote: RemoteJob, jobs: Mapping[str, Job], intents: Mapping[str, Intent]) -> None:
    """Two jobs that cannot be told apart are no match for either: the only case in which a job may stay unknown."""
    if f"fake:{remote.id}" in jobs or (world.flavour == "unmarked" and world.twins(remote) > 1):
        return
    phase = intents[remote.sent_client_id].phase if remote.sent_client_id in intents else "not in the registry"
    raise world.violation(f"after sync, the registry does not know {remote.id}; its submit {remote.sent_client_id} is {phase}")


def _ended_in_truth(world: World, intent: Intent) -> None:
    if intent.job_uri and _may_be_mistaken(world, world.cloud.jobs[intent.job_uri.removeprefix("fake:")]):
        return
    exists = any(remote.sent_client_id == intent.client_id for remote in world.ours())
    if intent.phase in (Phase.INTENDED, Phase.CREATING):
        raise world.violation(f"after sync, submit {intent.client_id} is still {intent.phase}")
    if intent.phase is Phase.CREATED and not exists:
        raise world.violation(f"submit {intent.client_id} is recorded as created, but there is no such job")
    if intent.phase is Phase.FAILED and exists:
        raise world.violation(f"submit {intent.client_id} is recorded as failed ({intent.reason}), but its job exists")


def _is_as_the_provider_says(world: World, job: Job) -> None:
    remote = world.cloud.jobs[job.provider_id or ""]
    if remote.word not in TERMINAL_WORDS or job.state is not WORDS[remote.word] or job.missing_since is not None:
        raise world.violation(f"{job.uri} is {job.state} here (missing since {job.missing_since}) and {remote.word} there")
