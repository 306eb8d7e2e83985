"""A tuning job and its course: it waits, its data are read, it waits for hardware, tunes, and leaves a model and endpoints behind."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tuneport_vertex.emulator import refusals
from tuneport_vertex.emulator.courses import Course
from tuneport_vertex.emulator.dataset import Contents, InvalidData, read_dataset
from tuneport_vertex.emulator.metrics import write_metrics
from tuneport_vertex.emulator.models import Version
from tuneport_vertex.emulator.outcome import leave_behind
from tuneport_vertex.emulator.training import Training
from tuneport_vertex.emulator.tuning_requests import TuningRequest
from tuneport_vertex.emulator.world import Place, World

PENDING, RUNNING, CANCELLING = "JOB_STATE_PENDING", "JOB_STATE_RUNNING", "JOB_STATE_CANCELLING"
SUCCEEDED, PARTLY, FAILED, CANCELLED, EXPIRED = (
    "JOB_STATE_SUCCEEDED",
    "JOB_STATE_PARTIALLY_SUCCEEDED",
    "JOB_STATE_FAILED",
    "JOB_STATE_CANCELLED",
    "JOB_STATE_EXPIRED",
)
WAITING_FOR_QUOTA, PROCESSING, WAITING_FOR_CAPACITY, TUNING, POST_PROCESSING = (
    f"TUNING_JOB_STATE_{word}" for word in ("WAITING_FOR_QUOTA", "PROCESSING_DATASET", "WAITING_FOR_CAPACITY", "TUNING", "POST_PROCESSING")
)


@dataclass(slots=True)
class Job:
    """A job as the service keeps it. `admitted_at` is when the project's quota let it begin; `state` only where it has ended."""

    id: str
    place: Place
    request: TuningRequest
    course: Course
    created_at: datetime
    number: int
    admitted_at: datetime | None = None
    cancelled_at: datetime | None = None
    ended_at: datetime | None = None
    state: str | None = None
    error: dict[str, Any] | None = None
    contents: Contents | None = None
    plan: Training | None = None
    tuned: Version | None = None
    metrics_uri: str | None = None
    endpoints: Mapping[str, str] = field(default_factory=dict)
    """The endpoint of each checkpoint, by the checkpoint's id."""

    @property
    def name(self) -> str:
        return f"{self.place.name}/tuningJobs/{self.id}"

    @property
    def waits(self) -> bool:
        return self.admitted_at is None and self.ended_at is None

    @property
    def active(self) -> bool:
        return self.admitted_at is not None and self.ended_at is None

    def after(self, seconds: float) -> datetime:
        assert self.admitted_at is not None
        return self.admitted_at + timedelta(seconds=seconds)

    @property
    def started_at(self) -> datetime | None:
        """When it first ran; None for one that never did."""
        if self.admitted_at is None:
            return None
        started = self.after(self.course.pending_s)
        return started if self.ended_at is None or started <= self.ended_at else None

    def standing(self, now: datetime, world: World) -> tuple[str, str | None]:
        """The state and its detail."""
        if self.state is not None:
            return self.state, None
        if self.cancelled_at is not None:
            return CANCELLING, None
        if self.admitted_at is None:
            return world.habits.waits_as, WAITING_FOR_QUOTA
        course, passed = self.course, (now - self.admitted_at).total_seconds()
        if passed < course.pending_s:
            return PENDING, None
        stretches = ((PROCESSING, course.processing_s), (WAITING_FOR_CAPACITY, course.capacity_s), (TUNING, course.tuning_s))
        until = course.pending_s
        for detail, length_s in stretches:
            until += length_s
            if passed < until:
                return RUNNING, detail
        return RUNNING, POST_PROCESSING

    def steps_done(self, now: datetime) -> int:
        """0 until it tunes, and for one whose data are unknown."""
        if self.plan is None or self.admitted_at is None:
            return 0
        course, until = self.course, self.ended_at or now
        begun = self.after(course.pending_s + course.processing_s + course.capacity_s)
        share = (until - begun).total_seconds() / course.tuning_s if course.tuning_s else float(until >= begun)
        return max(0, min(self.plan.steps, int(share * self.plan.steps)))

    def updated_at(self, now: datetime) -> datetime:
        if self.ended_at is not None:
            return self.ended_at
        course = self.course
        marks = [self.created_at, self.cancelled_at or self.created_at]
        if self.admitted_at is not None:
            passed = 0.0
            for length_s in (0.0, course.pending_s, course.processing_s, course.capacity_s, course.tuning_s):
                passed += length_s
                marks.append(self.after(passed))
        return max(mark for mark in marks if mark <= now)


def settle(job: Job, world: World) -> None:
    """Lets it run its course up to now."""
    if not job.active:
        return
    now, course = world.now(), job.course
    read_at = job.after(course.pending_s + course.processing_s)
    if job.cancelled_at is not None:
        stopped = job.cancelled_at + timedelta(seconds=course.cancelling_s)
        if stopped <= now:
            end(job, CANCELLED, stopped, error=("CANCELLED", "The tuning job was cancelled."))
        return
    if job.contents is None and read_at <= now:
        _read(job, world, read_at)
    if job.active and job.after(course.total_s) <= now:
        _finish(job, world, job.after(course.total_s))


def cancel(job: Job, world: World) -> None:
    """Asks it to stop; one that has not begun stops at once. Raises Refusal where it has ended."""
    if job.ended_at is not None:
        raise refusals.refusal("FAILED_PRECONDITION", f"Cannot cancel a tuning job that has ended: its state is {job.state}.")
    if job.cancelled_at is None:
        job.cancelled_at = world.now()
    if job.admitted_at is None:
        end(job, CANCELLED, world.now(), error=("CANCELLED", "The tuning job was cancelled."))


def end(job: Job, state: str, at: datetime, *, error: tuple[str, str] | None = None) -> None:
    job.state, job.ended_at = state, at
    job.error = {"code": refusals.CODES[error[0]], "message": error[1]} if error else None


def _read(job: Job, world: World, at: datetime) -> None:
    """Its data, at the end of the stretch in which they are processed."""
    try:
        job.contents = read_dataset(job.request, job.place, world)
    except InvalidData as problem:
        end(job, FAILED, at, error=(problem.word, str(problem)))
        return
    job.plan = Training.of(job.request, rows=job.contents.rows)


def _finish(job: Job, world: World, at: datetime) -> None:
    match job.course.ending:
        case "fails":
            end(job, FAILED, at, error=("INTERNAL", job.course.error))
        case "expires":
            end(job, EXPIRED, at)
        case ending:
            job.tuned, job.endpoints = leave_behind(job, world, at, partly=ending == "partly")
            job.metrics_uri = write_metrics(job, world) if world.habits.writes_metrics else None
            error = ("INTERNAL", "Some of the checkpoints could not be exported.") if ending == "partly" else None
            end(job, PARTLY if ending == "partly" else SUCCEEDED, at, error=error)
