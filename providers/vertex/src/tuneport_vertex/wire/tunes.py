"""Tuned models, as tuning jobs and the model registry tell of them. Pure.

Facts of 2026-11-21: a tuned Gemini has an endpoint of its own, which is where it answers; one of the third generation has both model and
endpoint in the `us` or `eu` multi-region, whatever region it was tuned in. A tuned open model has no endpoint: its weights lie below the
job's outputUri (docs.cloud.google.com, open-model tuning, last updated 2026-09-25).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tuneport.job import JobState
from tuneport.model import Model
from tuneport.replies import Json, object_in, time_in
from tuneport_vertex.profile import serving_of
from tuneport_vertex.wire import ids
from tuneport_vertex.wire.bases import generation_of, is_gemini, short_base
from tuneport_vertex.wire.labels import DATA, OURS, RECIPE, unpacked
from tuneport_vertex.wire.states import job_state, state_word

WEIGHTS = "postprocess/node-0/checkpoints/final"
"""Below a job's outputUri: the weights as they are to be deployed, and the tokenizer."""
MULTI_REGIONS = ("us", "eu")
MULTI_REGION_SINCE = 3.0
"""From that generation on Geminis answer in multi-regions only (locations page and supervised tuning, November 2026)."""
SPECS = ("supervisedTuningSpec", "preferenceOptimizationSpec", "reinforcementTuningSpec", "distillationSpec")


def model_of(place: ids.Located, job: Json, *, checkpoint: str = "") -> Model | None:
    """The tuned model of a job in REST's spelling, or a checkpoint of it; None where the job has made none (yet).

    `details`: its endpoint or, of an open model, its weights; what it was trained with.
    """
    named = str(object_in(job, "tunedModel").get("model") or "")
    if not named and not (endpoint_in(job) or (weights_of(job) and is_done(job))):
        return None
    public = ids.public(place, named or str(job.get("name") or ""), checkpoint=checkpoint)
    base = base_of(job)
    return Model(
        uri=f"{place.name}:{public}",
        provider=place.name,
        id=public,
        base=base,
        kind="tuned",
        job_uri=f"{place.name}:{ids.public(place, str(job.get('name') or ''))}",
        recipe_fingerprint=unpacked(object_in(job, "labels").get(RECIPE)),
        dataset_fingerprint=unpacked(object_in(job, "labels").get(DATA)),
        created_at=time_in(job, "endTime") or time_in(job, "updateTime") or time_in(job, "createTime"),
        checkpoints=() if checkpoint else tuple(f"{public}#{each['checkpointId']}" for each in checkpoints_of(job)),
        details=dict(_details(place, job, base, checkpoint)),
    )


def _details(place: ids.Located, job: Json, base: str | None, checkpoint: str) -> Iterator[tuple[str, Any]]:
    endpoint = endpoint_in(job, checkpoint)
    if endpoint:
        yield "endpoint", answering(place, endpoint, base)
    if base is not None and not is_gemini(base) and (weights := weights_of(job)):
        yield "weights", weights
    if name := job.get("tunedModelDisplayName"):
        yield "display_name", name
    if settings := hyperparameters_of(job):
        yield "hyperparameters", settings
    if labels := {name: str(value) for name, value in object_in(job, "labels").items() if not str(name).startswith(OURS)}:
        yield "labels", labels


def answering(place: ids.Located, endpoint: str, base: str | None) -> str:
    """The public id under which an endpoint answers: where it lies or, of a generation that answers in no region, in the multi-region
    around that."""
    found = ids.parsed(endpoint)
    if found is None:
        return endpoint
    if base is not None and generation_of(base) >= MULTI_REGION_SINCE and found.location not in (*MULTI_REGIONS, "global"):
        around = place.serving_location if found.location == place.location else serving_of(found.location)
        found = replace(found, location=around)
    return replace(found, project=place.project).public


def base_of(job: Json) -> str | None:
    """The publisher's base, also of a job that went on from a tuned model."""
    before = object_in(job, "preTunedModel")
    named = job.get("baseModel") or before.get("baseModel")
    return short_base(str(named)) if named else None


def endpoint_in(job: Json, checkpoint: str = "") -> str:
    """The full name of the endpoint where the model, or one of its checkpoints, answers; '' where there is none."""
    if checkpoint:
        return next((str(each.get("endpoint") or "") for each in checkpoints_of(job) if each["checkpointId"] == checkpoint), "")
    return str(object_in(job, "tunedModel").get("endpoint") or "")


def checkpoints_of(job: Json) -> list[dict[str, Any]]:
    """Those with an id, in order of their steps."""
    found = [each for each in object_in(job, "tunedModel").get("checkpoints") or () if isinstance(each, Mapping)]
    rows = [{**each, "checkpointId": str(each["checkpointId"])} for each in found if each.get("checkpointId")]
    return sorted(rows, key=lambda each: int(each.get("step") or 0))


def weights_of(job: Json) -> str:
    """Where the weights of a tuned open model lie; '' for a job that writes none."""
    out = str(job.get("outputUri") or "").rstrip("/")
    return f"{out}/{WEIGHTS}" if out else ""


def is_done(job: Json) -> bool:
    """Whether it has succeeded, perhaps in part."""
    return job_state(state_word(job.get("state"))) is JobState.SUCCEEDED


def hyperparameters_of(job: Json) -> dict[str, Any]:
    """What the service says that it trains with, by the words of recipes."""
    spec = next((object_in(job, name) for name in SPECS if object_in(job, name)), {})
    found = object_in(spec, "hyperParameters")
    words = {
        "epochCount": "epochs",
        "learningRateMultiplier": "learning_rate_multiplier",
        "learningRate": "learning_rate",
        "batchSize": "batch_size",
        "adapterSize": "adapter_size",
        "beta": "beta",
    }
    said = {word: found[key] for key, word in words.items() if found.get(key) not in (None, 0, "", "0")}
    return {word: int(value) if word in ("epochs", "batch_size") and str(value).isdigit() else value for word, value in said.items()}
