"""Jobs, events and checkpoints as the API shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tuneport_openai.emulator.bases import REINFORCEMENT, SUPERVISED
from tuneport_openai.emulator.ids import derived
from tuneport_openai.emulator.jobs import RUNNING, Job, Message, checkpoints
from tuneport_openai.emulator.world import World, unix

CHECKPOINT_METRICS = (
    "train_loss",
    "train_mean_token_accuracy",
    "valid_loss",
    "valid_mean_token_accuracy",
    "full_valid_loss",
    "full_valid_mean_token_accuracy",
    "train_reward_mean",
    "valid_reward_mean",
)


def job_json(job: Job, world: World) -> dict[str, Any]:
    """`user_provided_suffix`, `shared_with_openai`, `eval_id` and `usage_metrics` are sent, though the SDK's types do not have them."""
    request, habits = job.request, world.habits
    status = job.status(world.now())
    return {
        "object": "fine_tuning.job",
        "id": job.id,
        "model": job.model,
        "created_at": unix(job.created_at),
        "finished_at": unix(job.finished_at),
        "fine_tuned_model": job.fine_tuned_model,
        "organization_id": job.owner.organisation,
        "result_files": [job.result_file] if job.result_file else [],
        "status": status,
        "validation_file": request.validation_file,
        "training_file": request.training_file,
        "hyperparameters": job.settings if request.method == SUPERVISED else None,
        "trained_tokens": job.trained_tokens,
        "error": job.error or ({} if habits.absent_error == "object" else None),
        "user_provided_suffix": request.suffix,
        "seed": job.seed,
        "estimated_finish": _estimate(job) if status == RUNNING else None,
        "integrations": list(request.integrations),
        "metadata": dict(request.metadata) if request.metadata is not None and habits.keeps_metadata else None,
        "usage_metrics": None,
        "shared_with_openai": False,
        "eval_id": None,
        "method": _method(job),
    }


def _method(job: Job) -> dict[str, Any]:
    own: dict[str, Any] = {"hyperparameters": job.settings}
    if job.request.method == REINFORCEMENT:
        own["grader"] = job.request.raw_grader
    return {"type": job.request.method, job.request.method: own}


def _estimate(job: Job) -> int | None:
    return unix(job.progress.moment(job.course.boundaries()[-1]))


@dataclass(frozen=True, slots=True)
class StepEvent:
    """The event of one step of training: made anew whenever it is asked for."""

    job: Job
    step: int

    @property
    def id(self) -> str:
        return derived("ftevent-", self.job.id, self.step)


def events(job: Job) -> Sequence[Message | StepEvent]:
    """All events so far, the newest first."""
    steps = [StepEvent(job, step) for step in range(1, job.steps_done + 1)]
    timed: list[tuple[tuple[datetime, int], Message | StepEvent]] = [((told.at, 2 * told.late), told) for told in job.messages]
    timed += [((job.step_at(event.step), 1), event) for event in steps]
    return [event for _, event in sorted(timed, key=lambda one: one[0])][::-1]


def event_json(event: Message | StepEvent) -> dict[str, Any]:
    if isinstance(event, Message):
        at, level, text, data, kind = event.at, event.level, event.text, event.data, event.kind
    else:
        plan = event.job.plan
        assert plan is not None
        at, level, kind, text = event.job.step_at(event.step), "info", "metrics", plan.message(event.step)
        data = {"step": event.step, "total_steps": plan.steps, **plan.metrics(event.step)}
    return {
        "object": "fine_tuning.job.event",
        "id": event.id,
        "created_at": unix(at),
        "level": level,
        "message": text,
        "data": data,
        "type": kind,
    }


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint of a job."""

    job: Job
    step: int

    @property
    def id(self) -> str:
        return derived("ftckpt_", self.job.id, self.step)


def checkpoints_of(job: Job, world: World) -> list[Checkpoint]:
    """The latest first; for reinforcement, the best first."""
    found = [Checkpoint(job, step) for step in checkpoints(job, world)]
    if job.request.method == REINFORCEMENT and job.plan is not None:
        plan = job.plan
        found.sort(key=lambda one: plan.metrics(one.step).get("valid_reward_mean", 0.0), reverse=True)
    return found


def checkpoint_json(checkpoint: Checkpoint) -> dict[str, Any]:
    job, step = checkpoint.job, checkpoint.step
    assert job.plan is not None
    told = job.plan.metrics(step)
    return {
        "object": "fine_tuning.job.checkpoint",
        "id": checkpoint.id,
        "created_at": unix(job.step_at(step)),
        "fine_tuned_model_checkpoint": job.checkpoint_models[step],
        "fine_tuning_job_id": job.id,
        "metrics": {"step": step, **{name: told[name] for name in CHECKPOINT_METRICS if name in told}},
        "step_number": step,
    }
