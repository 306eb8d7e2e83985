"""Jobs, events and checkpoints as Azure shows them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from tuneport_openai.emulator import job_json as sister
from tuneport_openai.emulator.ids import derived
from tuneport_openai.emulator.job_json import StepEvent
from tuneport_openai.emulator.job_requests import AUTO
from tuneport_openai.emulator.jobs import Message, checkpoints
from tuneport_openai.emulator.world import TunedModel

from tuneport_azure.emulator.jobs import AzureJob
from tuneport_azure.emulator.versions import Api
from tuneport_azure.emulator.world import AzureWorld

OPENAI_ONLY: Final = ("user_provided_suffix", "shared_with_openai", "eval_id", "usage_metrics", "metadata")
LATER: Final = ("method", "integrations", "trainingType")
FILE_CODES: Final = ("invalid_file_format", "invalid_n_examples", "invalid_training_file", "invalid_validation_file")


def job_json(job: AzureJob, world: AzureWorld, api: Api) -> dict[str, Any]:
    value = {name: field for name, field in sister.job_json(job, world).items() if name not in OPENAI_ONLY}
    value |= {
        "organization_id": None,
        "result_files": [job.result_file] if job.result_file else None,
        "suffix": job.request.suffix,
        "hyperparameters": _numbers(value["hyperparameters"]),
        "error": _error(value["error"]),
        "trainingType": _echo(job.training_type, world),
    }
    if world.habits.keeps_metadata:
        value["metadata"] = dict(job.request.metadata or {})
    hidden = [*(LATER if not api.methods else ()), *(("trainingType",) if world.habits.echoes_training_type == "never" else ())]
    return {name: field for name, field in value.items() if name not in hidden}


def _echo(training_type: str, world: AzureWorld) -> str:
    return training_type.lower() if world.habits.echoes_training_type == "lower" else training_type


def _numbers(settings: dict[str, Any] | None) -> dict[str, Any] | None:
    """`auto` is shown as -1 epochs until the files have been read."""
    if settings is None or settings.get("n_epochs") != AUTO:
        return settings
    return {**settings, "n_epochs": -1}


def _error(error: dict[str, Any] | None) -> dict[str, Any] | None:
    if not error:
        return None
    return {**error, "code": "jsonlValidationFailed"} if error["code"] in FILE_CODES else error


def event_json(event: Message | StepEvent) -> dict[str, Any]:
    value = sister.event_json(event)
    return {**value, "level": "warning" if value["level"] == "warn" else value["level"]}


@dataclass(frozen=True, slots=True)
class AzureCheckpoint(sister.Checkpoint):
    """A checkpoint: its id is what is deployed."""

    @property
    def id(self) -> str:
        return derived("ftchkpt-", self.job.id, self.step, length=32)


def checkpoints_of(job: AzureJob, world: AzureWorld) -> list[AzureCheckpoint]:
    """The latest first. The last one of a job that succeeded is its model."""
    return [AzureCheckpoint(job, step) for step in checkpoints(job, world)]


def checkpoint_json(checkpoint: AzureCheckpoint) -> dict[str, Any]:
    return sister.checkpoint_json(checkpoint)


def checkpoint_model(job: AzureJob, world: AzureWorld, checkpoint_id: str) -> TunedModel | None:
    """The model of the job's checkpoint of that id; it can be deployed and trained on while the job goes on."""
    found = next((one for one in checkpoints_of(job, world) if one.id == checkpoint_id), None)
    if found is None or job.plan is None:
        return None
    name = job.checkpoint_models[found.step]
    if name not in world.models:
        world.models[name] = TunedModel(name, job, found.step / job.plan.steps, job.step_at(found.step))
    return world.models[name]
