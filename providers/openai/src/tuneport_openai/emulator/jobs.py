"""A fine-tuning job and its course: validating_files, queued, running, and how it ends. Everything happens by the emulator's clock."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from tuneport.testing.emulator import Account, Blob
from tuneport_openai.emulator.bases import REINFORCEMENT, Base
from tuneport_openai.emulator.courses import Course
from tuneport_openai.emulator.files import store
from tuneport_openai.emulator.job_requests import JobRequest, Settings
from tuneport_openai.emulator.progress import Progress
from tuneport_openai.emulator.training import Training, chosen
from tuneport_openai.emulator.validation import Contents, InvalidFile, Reading, read_file
from tuneport_openai.emulator.world import TunedModel, World

VALIDATING, QUEUED, RUNNING, PAUSED = "validating_files", "queued", "running", "paused"
SUCCEEDED, FAILED, CANCELLED = "succeeded", "failed", "cancelled"
ENDED = (SUCCEEDED, FAILED, CANCELLED)
PHASES = (VALIDATING, QUEUED, RUNNING, RUNNING)
"""The word for each stretch of work between two of a course's boundaries; the last one is for finishing."""


@dataclass(frozen=True, slots=True)
class Message:
    """An event that is no step of training. `kind` is the event's `type`; `late`: of a step at the same moment it is the consequence."""

    id: str
    at: datetime
    text: str
    level: str = "info"
    kind: str = "message"
    data: Any = field(default_factory=dict)
    late: bool = False


@dataclass(slots=True)
class Job:
    """A job as the platform keeps it. `root` is the base that a continued model came from in the beginning.

    A vendor that speaks this dialect in other words overrides `told` and the methods.
    """

    told: ClassVar[Mapping[str, str]] = {
        "validated": "Files validated, moving job to queued state",
        "begun": "Fine-tuning job started",
        "paused": "Fine-tuning job paused",
        "resumed": "Fine-tuning job resumed, moving job to queued state",
        "cancelled": "The job has been cancelled",
    }
    """What the events say."""

    id: str
    owner: Account
    request: JobRequest
    root: Base
    model: str
    training: Blob
    validation: Blob | None
    course: Course
    seed: int
    created_at: datetime
    progress: Progress
    settings: Settings
    phase: int = 0
    ended: str | None = None
    error: dict[str, Any] | None = None
    messages: list[Message] = field(default_factory=list)
    plan: Training | None = None
    tokens_per_epoch: int | None = None
    finished_at: datetime | None = None
    fine_tuned_model: str | None = None
    result_file: str | None = None
    trained_tokens: int | None = None
    checkpoint_models: dict[int, str] = field(default_factory=dict)

    def status(self, now: datetime) -> str:
        if self.ended is not None:
            return self.ended
        if self.progress.paused:
            return PAUSED
        return QUEUED if now < self.progress.moved_at else PHASES[self.phase]

    def files(self) -> Iterator[tuple[str, str, Blob]]:
        """What each file is for, its id, and its bytes."""
        yield "training", self.request.training_file, self.training
        if self.validation is not None:
            yield "validation", self.request.validation_file or "", self.validation

    @property
    def steps_done(self) -> int:
        if self.plan is None or self.phase < 2:
            return 0
        share = (self.progress.worked_s - self.course.before_running_s) / self.course.running_s if self.course.running_s else 1.0
        return int(self.plan.steps * min(1.0, max(0.0, share)) + 1e-9)

    def name_model(self, world: World, *, step: int | None = None) -> str:
        """ft:<base>:<organisation>:<suffix>:<id>, and the step for a checkpoint."""
        name = f"ft:{self.root.name}:{world.organisation(self.owner).slug}:{self.request.suffix or ''}:{world.ids.new('', 8)}"
        return name if step is None else f"{name}:ckpt-step-{step}"

    def results(self, world: World) -> tuple[bytes, str]:
        """The results file and its name."""
        assert self.plan is not None
        data = self.plan.results()
        return base64.b64encode(data) if world.habits.results_in_base64 else data, "step_metrics.csv"

    def tell_end(self, world: World, at: datetime, *, model: str) -> None:
        """The last events of a job that succeeded."""
        for step, checkpoint in sorted(self.checkpoint_models.items()):
            if checkpoint != model:
                say(self, world, at, f"Checkpoint created at step {step} with Snapshot ID: {checkpoint}")
        say(self, world, at, f"New fine-tuned model created: {model}")
        passed = {"blocked": False, "results": []}
        say(self, world, at, f"Moderation checks for snapshot {model} passed.", kind="moderation_checks", data=passed)
        say(self, world, at, "The job has successfully completed")

    def step_at(self, step: int) -> datetime:
        assert self.plan is not None
        return self.progress.moment(self.course.before_running_s + self.course.running_s * step / self.plan.steps)


def settle(job: Job, world: World) -> None:
    """Lets the job run its course up to now."""
    now = world.now()
    while job.ended is None:
        moment = job.progress.reach(job.course.boundaries()[job.phase], now)
        if moment is None:
            return
        _NEXT[job.phase](job, world, moment)
        job.phase = min(job.phase + 1, len(PHASES) - 1)


def say(job: Job, world: World, at: datetime, text: str, *, level: str = "info", kind: str = "message", data: Any = None) -> None:
    job.messages.append(Message(world.ids.new("ftevent-"), at, text, level, kind, {} if data is None else data, late=job.phase > 1))


def pause(job: Job, world: World) -> None:
    job.progress.paused = True
    say(job, world, world.now(), job.told["paused"])


def resume(job: Job, world: World) -> None:
    """The job waits in the queue for a while, and goes on where it stopped."""
    job.progress.resume(world.now() + timedelta(seconds=job.course.requeue_s))
    say(job, world, world.now(), job.told["resumed"])


def cancel(job: Job, world: World) -> None:
    job.ended = CANCELLED
    say(job, world, world.now(), job.told["cancelled"])


# from one phase into the next


def _validated(job: Job, world: World, at: datetime) -> None:
    contents: dict[str, Contents] = {}
    for which, file_id, blob in job.files():
        try:
            contents[which] = read_file(blob, Reading(which, file_id, job.request.method, job.root, job.request.grader))
        except InvalidFile as error:
            param = None if error.code == "invalid_grader" else f"{which}_file"
            _fail(job, world, at, (error.code, str(error)), param=param)
            return
    training = contents["training"]
    if training.cut:
        message = f"{training.cut} example(s) exceed the limit of {job.root.example_tokens} tokens and were truncated"
        say(job, world, at, message, level="warn")
    job.settings = chosen(job.settings, rows=training.rows, base=job.root)
    epochs, batch_size = job.settings["n_epochs"], job.settings["batch_size"]
    job.plan = Training(job.request.method, training.rows, "validation" in contents, epochs, batch_size, job.seed)
    job.tokens_per_epoch = training.tokens
    say(job, world, at, job.told["validated"])


def _begun(job: Job, world: World, at: datetime) -> None:
    say(job, world, at, job.told["begun"])


def _trained(job: Job, world: World, at: datetime) -> None:
    if job.course.ends == FAILED:
        _fail(job, world, at, job.course.failure)


def _finished(job: Job, world: World, at: datetime) -> None:
    assert job.plan is not None
    name = job.name_model(world)
    job.ended, job.finished_at, job.fine_tuned_model = SUCCEEDED, at, name
    if job.tokens_per_epoch is not None and job.request.method != REINFORCEMENT:
        job.trained_tokens = job.tokens_per_epoch * job.plan.epochs
    job.result_file = _results(job, world)
    world.organisation(job.owner).has_tuned = True
    _keep_models(job, world, name)
    job.tell_end(world, at, model=name)


_NEXT = (_validated, _begun, _trained, _finished)


def _fail(job: Job, world: World, at: datetime, error: tuple[str, str], *, param: str | None = None) -> None:
    """A job that fails has no `finished_at` (as in jobs that users have published)."""
    job.ended = FAILED
    job.error = {"code": error[0], "message": error[1], "param": param}
    say(job, world, at, error[1], level="error")


# what is left behind


def checkpoints(job: Job, world: World) -> tuple[int, ...]:
    """The steps whose checkpoints exist, the latest first; each has a model. The model of the last step is the job's own."""
    if job.plan is None:
        return ()
    steps = [step for step in job.plan.checkpoint_steps(job.steps_done) if step < job.plan.steps or job.ended == SUCCEEDED]
    for step in steps:
        if step not in job.checkpoint_models:
            last = step == job.plan.steps
            job.checkpoint_models[step] = job.fine_tuned_model if last and job.fine_tuned_model else job.name_model(world, step=step)
    return tuple(steps)


def _keep_models(job: Job, world: World, name: str) -> None:
    assert job.plan is not None
    kept = checkpoints(job, world)
    job.checkpoint_models = {step: job.checkpoint_models[step] for step in kept}
    for step, model in job.checkpoint_models.items():
        world.models[model] = TunedModel(model, job, step / job.plan.steps, job.finished_at or job.created_at)


def _results(job: Job, world: World) -> str:
    data, filename = job.results(world)
    stored = store(world, job.owner, world.blobs.write([data]), filename=filename, purpose="fine-tune-results")
    if job.finished_at is not None:
        stored.created_at = stored.ready_at = job.finished_at
    return stored.id
