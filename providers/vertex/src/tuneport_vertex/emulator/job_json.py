"""A tuning job as the API answers it."""

from __future__ import annotations

from typing import Any

from tuneport_vertex.emulator.jobs import Job
from tuneport_vertex.emulator.messages import message
from tuneport_vertex.emulator.models import checkpoint_json
from tuneport_vertex.emulator.reading import known, shown
from tuneport_vertex.emulator.statistics import data_stats
from tuneport_vertex.emulator.tuning_requests import LACKING, OUTPUT_ONLY
from tuneport_vertex.emulator.world import World, stamp


def job_json(job: Job, world: World, *, version: str, numbers: bool = False) -> dict[str, Any]:
    """Absent fields are left out, as everywhere in Google's JSON. `numbers`: of enums, as some clients ask for."""
    now = world.now()
    state, detail = job.standing(now, world)
    value: dict[str, Any] = {name: inner for name, inner in job.request.body.items() if name not in OUTPUT_ONLY}
    value |= {"name": job.name, "state": state, "createTime": stamp(job.created_at), "updateTime": stamp(job.updated_at(now))}
    if job.request.tuned is not None:
        value["baseModel"] = job.request.base.name
        value["preTunedModel"] = value["preTunedModel"] | {"tunedModelName": job.request.tuned.name, "baseModel": job.request.base.name}
        del value["baseModel"]
    if "tunedModelDisplayName" not in value and job.tuned is not None:
        value["tunedModelDisplayName"] = job.tuned.display_name
    started = job.started_at
    if started is not None and started <= now:
        value["startTime"] = stamp(started)
        value["experiment"] = f"{job.place.name}/metadataStores/default/contexts/tuning-experiment-{job.id}"
    if job.ended_at is not None:
        value["endTime"] = stamp(job.ended_at)
    if job.error is not None:
        value["error"] = job.error
    if job.contents is not None and job.plan is not None:
        value["tuningDataStats"] = data_stats(job.request, job.contents, job.plan)
    if job.tuned is not None:
        value["tunedModel"] = _tuned_model(job)
    if job.metrics_uri is not None:
        value["gcsMetricsUri"] = job.metrics_uri
    if version == "v1beta1" and world.habits.tells_detail:
        value |= _detail(job, detail, world)
    kind = message(version, "TuningJob")
    if version == "v1":
        value = known(value, kind, LACKING[version])
    return shown(value, kind, numbers=numbers)


def _tuned_model(job: Job) -> dict[str, Any]:
    assert job.tuned is not None
    value: dict[str, Any] = {"model": job.tuned.name}
    if job.tuned.last is not None:
        value["endpoint"] = job.tuned.last.endpoint
    if not job.request.last_checkpoint_only:
        value["checkpoints"] = [{**checkpoint_json(one), "endpoint": one.endpoint} for one in job.tuned.checkpoints]
    return value


def _detail(job: Job, detail: str | None, world: World) -> dict[str, Any]:
    """What google-genai's type has and the published reference has only in part."""
    value: dict[str, Any] = {} if detail is None else {"tuningJobState": detail}
    done = job.steps_done(world.now())
    if done and job.plan is not None:
        epochs = done // job.plan.steps_per_epoch
        value["tuningJobMetadata"] = {"completedEpochCount": str(epochs), "completedStepCount": str(done)}
    return value
