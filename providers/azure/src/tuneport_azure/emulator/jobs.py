"""A fine-tuning job at Azure: the sister's, with Azure's words for its states, its turn in the queue, and the service's own pauses."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from tuneport_openai.emulator import jobs as sister
from tuneport_openai.emulator.bases import REINFORCEMENT
from tuneport_openai.emulator.jobs import Job, say
from tuneport_openai.emulator.training import KEPT_CHECKPOINTS, Training
from tuneport_openai.emulator.world import World

from tuneport.testing.emulator import Account
from tuneport_azure.emulator.courses import AzureCourse
from tuneport_azure.emulator.shifts import Shifts
from tuneport_azure.emulator.world import AzureWorld

PENDING, RUNNING, PAUSING, PAUSED, RESUMING = "pending", "running", "pausing", "paused", "resuming"
COLUMNS = {
    "step": "step",
    "train_loss": "train_loss",
    "train_mean_token_accuracy": "train_mean_token_accuracy",
    "valid_loss": "valid_loss",
    "valid_mean_token_accuracy": "validation_mean_token_accuracy",
    "full_valid_loss": "full_valid_loss",
    "full_valid_mean_token_accuracy": "full_valid_mean_token_accuracy",
}
"""The columns of results.csv: how the events call it, and how the file does."""


@dataclass(slots=True)
class AzureJob(Job):
    """`training_type` is one of the three canonical spellings. `paused_at`: when its user paused it last."""

    progress: Shifts
    course: AzureCourse
    training_type: str = "Standard"
    paused_at: datetime | None = None
    interruptions_told: int = 0
    told: ClassVar[Mapping[str, str]] = {
        "validated": "Preprocessing completed for the files of the job.",
        "begun": "Job started.",
        "paused": "Job is being paused.",
        "resumed": "Job is being resumed.",
        "cancelled": "Job cancelled.",
    }

    def status(self, now: datetime) -> str:
        if self.ended is not None:
            return self.ended
        if self.progress.paused:
            return PAUSING if self.paused_at and now < self.paused_at + timedelta(seconds=self.course.pausing_s) else PAUSED
        interruption = self.progress.interrupted(now)
        if interruption is not None:
            return self._interrupted(interruption, now)
        if now < self.progress.moved_at:
            return RESUMING
        return self.course.early_words[self.phase] if self.phase < 2 else RUNNING

    def _interrupted(self, interruption: tuple[datetime, datetime], now: datetime) -> str:
        begun, over = interruption
        if now < begun + timedelta(seconds=self.course.pausing_s):
            return PAUSING
        return RESUMING if now >= over - timedelta(seconds=self.course.requeue_s) else PAUSED

    def name_model(self, world: World, *, step: int | None = None) -> str:
        """BASE.ft-<the digits of the job's id>[-suffix], and the step for a checkpoint."""
        suffix = f"-{self.request.suffix}" if self.request.suffix else ""
        name = f"{self.root.name}.ft-{self.id.removeprefix('ftjob-')}{suffix}"
        return name if step is None else f"{name}:ckpt-step-{step}"

    def results(self, world: World) -> tuple[bytes, str]:
        assert self.plan is not None
        return _results(self.plan), "results.csv"

    def tell_end(self, world: World, at: datetime, *, model: str) -> None:
        say(self, world, at, f"Completed results file: {self.result_file}")
        say(self, world, at, "Job succeeded.")

    @property
    def begun_at(self) -> datetime | None:
        return self.progress.moment(self.course.before_running_s) if self.phase >= 2 else None

    @property
    def over_at(self) -> datetime | None:
        """When it ended: a job that ends says so with its last event."""
        return None if self.ended is None else self.finished_at or self.messages[-1].at


@dataclass(frozen=True, slots=True)
class PausedTraining(Training):
    """Training that was paused after these steps: each pause leaves a checkpoint."""

    pauses: tuple[int, ...] = ()

    def checkpoint_steps(self, done: int) -> tuple[int, ...]:
        ends = range(self.steps_per_epoch, done + 1, self.steps_per_epoch)
        return tuple(sorted({*ends, *self.pauses}, reverse=True))[:KEPT_CHECKPOINTS]


def jobs_of(account: Account, world: AzureWorld) -> list[AzureJob]:
    """The jobs of a resource, the oldest first."""
    return [job for job in world.jobs.values() if isinstance(job, AzureJob) and job.owner.project == account.project]


def settle(account: Account, world: AzureWorld) -> list[AzureJob]:
    """Lets all jobs of the resource run their course up to now: one waits for the other. The jobs."""
    jobs = jobs_of(account, world)
    for job in jobs:
        sister.settle(job, world)
        _tell_interruptions(job, world)
        if job.progress.paused:
            _keep_checkpoint(job)
    return jobs


def turn(job: AzureJob, world: AzureWorld, moment: datetime) -> datetime | None:
    """When the job that is ready at `moment` may start: as soon as fewer jobs run than may at a time. None: not before now."""
    most = world.quotas.running_jobs
    others = [(one.begun_at, one.over_at) for one in jobs_of(job.owner, world) if one is not job and one.begun_at is not None]
    if most is None:
        return moment
    openings = sorted({moment, *(over for _, over in others if over is not None and over > moment)})
    for opening in openings:
        running = sum(begun is not None and begun <= opening and (over is None or over > opening) for begun, over in others)
        if running < most:
            return opening
    return None


def cancel(job: AzureJob, world: AzureWorld) -> None:
    """What has been trained by then is billed."""
    if job.plan is not None and job.tokens_per_epoch is not None and job.request.method != REINFORCEMENT:
        job.trained_tokens = job.tokens_per_epoch * job.plan.epochs * job.steps_done // job.plan.steps or None
    sister.cancel(job, world)


def pause(job: AzureJob, world: AzureWorld) -> None:
    job.paused_at = None if world.habits.pauses_at_once else world.now()
    sister.pause(job, world)
    _keep_checkpoint(job)


def _keep_checkpoint(job: AzureJob) -> None:
    plan, step = job.plan, job.steps_done
    if plan is not None and step > 0:
        before = plan.pauses if isinstance(plan, PausedTraining) else ()
        own = (plan.method, plan.rows, plan.validated, plan.epochs, plan.batch_size, plan.seed)
        job.plan = PausedTraining(*own, pauses=tuple(sorted({*before, step})))


def _tell_interruptions(job: AzureJob, world: AzureWorld) -> None:
    for begun, over in job.progress.interruptions[job.interruptions_told :]:
        say(job, world, begun, f"Job paused by the service until capacity is available ({int((over - begun).total_seconds())} s).")
        job.interruptions_told += 1


def _results(plan: Training) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS.values())
    for step in range(1, plan.steps + 1):
        told = {"step": step, **plan.metrics(step)}
        writer.writerow([told.get(name, "") for name in COLUMNS])
    return out.getvalue().encode()
