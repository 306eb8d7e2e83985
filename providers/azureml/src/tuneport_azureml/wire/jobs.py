"""Jobs as the management plane tells of them, in REST's spelling. Fields that nobody told us of are left alone."""

from __future__ import annotations

from tuneport.job import JobState, Snapshot
from tuneport.model import Model
from tuneport.replies import Json, object_in, text_in, texts_in, time_in
from tuneport_azureml.wire.names import VERSION, Placed, model_id
from tuneport_azureml.wire.plans import OUTPUT
from tuneport_azureml.wire.states import detail_of, job_state
from tuneport_azureml.wire.tags import BASE, CLIENT, DATA, METHOD, PLAN, RECIPE, SUFFIX, tags_in
from tuneport_azureml.wire.tunable import registry_of, short_of

_METHODS = {"textclassification": "classify"}
_FILES = {"trainingData": "train", "validationData": "validation"}


def snapshot_of(job: Json, *, run: Json | None = None) -> Snapshot:
    """What a job says of itself. `run` is what the run history tells of it, where that was asked: when it ended, and why it failed."""
    properties, tags = object_in(job, "properties"), tags_in(job)
    word = text_in(properties, "status") or ""
    state = job_state(word)
    details = object_in(properties, "fineTuningDetails")
    return Snapshot(
        provider_id=text_in(job, "name") or "",
        state=state,
        provider_state=word or "no status",
        detail=detail_of(word),
        created_at=time_in(object_in(job, "systemData"), "createdAt"),
        finished_at=time_in(run, "endTimeUtc") if run is not None and state.terminal else None,
        base=text_in(tags, BASE) or _base(details),
        method=text_in(tags, METHOD) or (_METHODS.get((text_in(details, "taskType") or "").casefold(), "sft") if details else None),
        model=registered(job) if state is JobState.SUCCEEDED else None,
        error=error_of(run) if run is not None and state is JobState.FAILED else None,
        client_id=text_in(tags, CLIENT),
        plan_fingerprint=text_in(tags, PLAN),
        recipe_fingerprint=text_in(tags, RECIPE),
        dataset_fingerprint=text_in(tags, DATA),
        files={purpose: uri for key, purpose in _FILES.items() if (uri := text_in(object_in(details, key), "uri"))},
        suffix=text_in(tags, SUFFIX),
    )


def registered(job: Json) -> str | None:
    """The id of the model that the job registers. Its name is the job's own, so that there is one version of it."""
    outputs = object_in(object_in(job, "properties"), "outputs")
    output = object_in(outputs, OUTPUT)
    name = text_in(output, "assetName")
    return None if name is None else model_id(name, text_in(output, "assetVersion") or VERSION)


def error_of(run: Json) -> str | None:
    """Why it failed, in the service's own words."""
    error = object_in(object_in(run, "error"), "error")
    code, message = text_in(error, "code"), text_in(error, "message")
    return message or code


def model_of(place: Placed, job: Json, version: Json | None, *, run: Json | None = None) -> Model | None:
    """The tuned model with its lineage. `version` is what the workspace says of it, `run` what the run history says of the job."""
    said, found = snapshot_of(job), registered(job)
    if found is None or said.state is not JobState.SUCCEEDED:
        return None
    properties = object_in(version or {}, "properties")
    details = object_in(object_in(job, "properties"), "fineTuningDetails")
    told = {
        "method": said.method,
        "task": text_in(details, "taskType"),
        "machines": machines_of(job),
        "registry": registry_of(text_in(object_in(details, "model"), "uri") or ""),
        "run_hours": hours_of(run),
        "files": said.files,
        "model_uri": text_in(properties, "modelUri"),
        "model_type": text_in(properties, "modelType"),
        "experiment": text_in(object_in(job, "properties"), "experimentName"),
    }
    return Model(
        uri=f"{place.name}:{found}",
        provider=place.name,
        id=found,
        base=said.base,
        job_uri=f"{place.name}:{said.provider_id}",
        recipe_fingerprint=said.recipe_fingerprint,
        dataset_fingerprint=said.dataset_fingerprint,
        created_at=time_in(object_in(version or {}, "systemData"), "createdAt"),
        details={key: value for key, value in told.items() if value},
    )


def machines_of(job: Json) -> str:
    """The compute or the sizes that were named for a job; '' for the service's own machines."""
    properties = object_in(job, "properties")
    compute = (text_in(properties, "computeId") or "").rpartition("/")[2]
    return compute or ", ".join(texts_in(object_in(properties, "resources"), "instanceTypes"))


def hours_of(run: Json | None) -> float | None:
    """From the start of a run to its end, which is not what is billed: how many machines there were is told by nobody."""
    start, end = (time_in(run or {}, key) for key in ("startTimeUtc", "endTimeUtc"))
    return None if start is None or end is None or end < start else round((end - start).total_seconds() / 3600, 3)


def _base(details: Json) -> str | None:
    uri = text_in(object_in(details, "model"), "uri")
    return None if uri is None else short_of(uri)
