"""A custom job and its course: it waits for quota and for a machine, runs there (by the clock, or for real), is preempted, and ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from tuneport_vertex.emulator import refusals
from tuneport_vertex.emulator.custom_requests import accelerators_of
from tuneport_vertex.emulator.jobs import CANCELLED, CANCELLING, EXPIRED, FAILED, PENDING, RUNNING, SUCCEEDED
from tuneport_vertex.emulator.reading import Json
from tuneport_vertex.emulator.world import Place, World

if TYPE_CHECKING:
    from tuneport_vertex.emulator.containers import Run

QUEUED = "JOB_STATE_QUEUED"
LONGEST_S = 7 * 86_400.0
"""Of a job that names no timeout (google-cloud-aiplatform 2.7.0, Scheduling)."""


@dataclass(frozen=True, slots=True)
class CustomCourse:
    """Seconds of each stretch of a job that is not really run, and how it ends."""

    pending_s: float = 60.0
    running_s: float = 600.0
    cancelling_s: float = 10.0
    ending: Literal["succeeds", "fails", "expires"] = "succeeds"
    error: str = "The replica workerpool0-0 exited with a non-zero status of 1."


@dataclass(slots=True)
class CustomJob:
    """A job as the service keeps it. `admitted_at` is when the quota let it begin; `state` only where it has ended; `run` is the process of
    one that really runs."""

    id: str
    place: Place
    body: Json
    course: CustomCourse
    created_at: datetime
    admitted_at: datetime | None = None
    started_at: datetime | None = None
    cancelled_at: datetime | None = None
    ended_at: datetime | None = None
    state: str | None = None
    error: dict[str, Any] | None = None
    run: Run | None = None

    @property
    def name(self) -> str:
        return f"{self.place.name}/customJobs/{self.id}"

    @property
    def limit_s(self) -> float:
        said = (self.body["jobSpec"].get("scheduling") or {}).get("timeout")
        return float(said.removesuffix("s")) if said else LONGEST_S

    def standing(self) -> str:
        if self.state is not None:
            return self.state
        if self.cancelled_at is not None:
            return CANCELLING
        if self.admitted_at is None:
            return QUEUED
        if self.run is not None and self.run.away:
            return PENDING
        return PENDING if self.started_at is None else RUNNING


def admit(job: CustomJob, world: World) -> None:
    """A new job: more than the quota at all is refused, more than is left of it waits (documented; refusals: vertex-ai-samples issue 700).

    Raises Refusal."""
    kind, count = accelerators_of(job.body)
    spot = (job.body["jobSpec"].get("scheduling") or {}).get("strategy") == "SPOT"
    if kind and count > job.place.project.training_gpus.get(kind, 0):
        raise refusals.out_of_quota(f"aiplatform.googleapis.com/custom_model_training_{'preemptible_' if spot else ''}{_metric(kind)}")
    world.custom_jobs[job.id] = job
    settle_all(world)


def settle_all(world: World) -> None:
    """Lets every job run its course up to now; what waits for quota begins once there is room."""
    for job in world.custom_jobs.values():
        _settle(job, world)
    for job in world.custom_jobs.values():
        if job.admitted_at is None and job.ended_at is None and _has_room(job, world):
            job.admitted_at = world.now()
            _settle(job, world)


def cancel(job: CustomJob, world: World) -> None:
    """Asks it to stop. Raises Refusal where it has ended (not published)."""
    if job.ended_at is not None:
        raise refusals.refusal("FAILED_PRECONDITION", f"Cannot cancel a custom job that has ended: its state is {job.state}.")
    if job.cancelled_at is None:
        job.cancelled_at = world.now()
    if job.run is not None:
        job.run.stop()
    _settle(job, world)


def _settle(job: CustomJob, world: World) -> None:
    if job.ended_at is not None or (job.admitted_at is None and job.cancelled_at is None):
        return
    if world.machines is not None:
        _settle_run(job, world)
    else:
        _settle_by_the_clock(job, world)


def _settle_by_the_clock(job: CustomJob, world: World) -> None:
    now, course = world.now(), job.course
    if job.admitted_at is not None and job.admitted_at + timedelta(seconds=course.pending_s) <= now and job.started_at is None:
        started = job.admitted_at + timedelta(seconds=course.pending_s)
        job.started_at = started if job.cancelled_at is None or started <= job.cancelled_at else None
    if job.cancelled_at is not None:
        waited_s = course.cancelling_s if job.started_at is not None else 0.0
        if job.cancelled_at + timedelta(seconds=waited_s) <= now:
            _end(job, CANCELLED, job.cancelled_at + timedelta(seconds=waited_s), code="CANCELLED", said="The custom job was cancelled.")
        return
    if job.started_at is None:
        return
    length_s = min(course.running_s, job.limit_s)
    ended = job.started_at + timedelta(seconds=length_s)
    if ended > now:
        return
    if job.limit_s < course.running_s:
        _end(job, CANCELLED, ended)
    elif course.ending == "fails":
        _end(job, FAILED, ended, code="INTERNAL", said=course.error)
    else:
        _end(job, EXPIRED if course.ending == "expires" else SUCCEEDED, ended)


def _settle_run(job: CustomJob, world: World) -> None:
    """As its process stands. It is started with the first look after it was let in."""
    assert world.machines is not None
    now = world.now()
    if job.run is None and job.cancelled_at is None and job.admitted_at is not None:
        job.run = world.machines.begin(job.body, name=job.id)
        job.started_at = now
    run = job.run
    if run is None:
        _end(job, CANCELLED, now, code="CANCELLED", said="The custom job was cancelled.")
        return
    if job.cancelled_at is None and job.started_at is not None and (now - job.started_at).total_seconds() >= job.limit_s:
        run.stop()
    if not run.over:
        return
    world.machines.settle()
    if job.cancelled_at is not None:
        _end(job, CANCELLED, now, code="CANCELLED", said="The custom job was cancelled.")
    elif run.stopped:
        _end(job, CANCELLED, now)
    elif run.problem:
        _end(job, FAILED, now, code="INTERNAL", said=run.problem)
    else:
        _end(job, SUCCEEDED, now)


def _end(job: CustomJob, state: str, at: datetime, *, code: str = "", said: str = "") -> None:
    job.state, job.ended_at = state, at
    job.error = {"code": refusals.CODES[code], "message": said} if code else None


def _has_room(job: CustomJob, world: World) -> bool:
    kind, count = accelerators_of(job.body)
    if not kind:
        return True
    beside = [one for one in world.custom_jobs.values() if one.place == job.place and one.admitted_at is not None and one.ended_at is None]
    used = sum(number for other, number in (accelerators_of(one.body) for one in beside) if other == kind)
    return used + count <= job.place.project.training_gpus.get(kind, 0)


def _metric(kind: str) -> str:
    """As refusals name it: the page of quotas drops the word of the older cards."""
    return f"{kind.lower().replace('nvidia_tesla_', 'nvidia_')}_gpus".replace("h100_80gb", "h100").replace("h200_141gb", "h200")
