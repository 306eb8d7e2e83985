"""Tuning jobs as the service tells of them, in REST's spelling. Fields that nobody told us of are left alone."""

from __future__ import annotations

from typing import Any

from tuneport.job import Snapshot
from tuneport.replies import Json, number_of, object_in, objects_in, text_in, time_in
from tuneport_vertex.wire import ids
from tuneport_vertex.wire.labels import CLIENT, DATA, PLAN, RECIPE, unpacked
from tuneport_vertex.wire.states import PARTIAL, detail_sentence, detail_word, job_state, state_word
from tuneport_vertex.wire.stats import findings, stats_of
from tuneport_vertex.wire.tunes import base_of, model_of

METHODS = {
    "supervisedTuningSpec": "sft",
    "preferenceOptimizationSpec": "dpo",
    "reinforcementTuningSpec": "grpo",
    "distillationSpec": "sft",
    "fullFineTuningSpec": "sft",
    "partnerModelTuningSpec": "sft",
}
"""The specs of the API, with a recipe's word for each."""
_FILES = {"trainingDatasetUri": "train", "promptDatasetUri": "train", "validationDatasetUri": "validation"}


def snapshot_of(job: Json, *, place: ids.Located) -> Snapshot:
    """What a job says of itself, by the ids that it goes by outside."""
    word, detail = state_word(job.get("state")), text_in(job, "tuningJobState") or ""
    state = job_state(word, detail)
    labels = object_in(job, "labels")
    name = text_in(job, "name") or ""
    model = model_of(place, job) if state.terminal else None
    return Snapshot(
        provider_id=ids.public(place, name),
        state=state,
        provider_state=word,
        detail=_left_out(job) if state.terminal else _detail(job, detail),
        created_at=time_in(job, "createTime"),
        finished_at=time_in(job, "endTime") if state.terminal else None,
        base=base_of(job),
        method=METHODS.get(spec_of(job)),
        model=None if model is None else model.id,
        error=error_of(job),
        client_id=text_in(labels, CLIENT),
        plan_fingerprint=unpacked(labels.get(PLAN)),
        recipe_fingerprint=unpacked(labels.get(RECIPE)),
        dataset_fingerprint=unpacked(labels.get(DATA)),
        files=files_of(job),
        suffix=text_in(job, "tunedModelDisplayName"),
        partial=word == PARTIAL,
    )


def spec_of(job: Json) -> str:
    """The key of the spec that it is tuned by; '' where it has none that we know."""
    return next((name for name in METHODS if object_in(job, name)), "")


def files_of(job: Json) -> dict[str, str]:
    """The datasets by purpose."""
    spec = object_in(job, spec_of(job))
    return {purpose: uri for key, purpose in _FILES.items() if (uri := text_in(spec, key))}


def epochs_of(job: Json) -> int | None:
    """How many epochs it is tuned, as far as it says."""
    said = number_of(object_in(object_in(job, spec_of(job)), "hyperParameters").get("epochCount"))
    done = number_of(object_in(job, "tuningJobMetadata").get("completedEpochCount"))
    return int(said or done or 0) or None


def error_of(job: Json) -> str | None:
    """Why it failed, in the service's own words; some answers have an empty object for none."""
    error = object_in(job, "error")
    code, message = number_of(error.get("code")), text_in(error, "message")
    if not code and not message:
        return None
    return message or f"google.rpc.Code {int(code or 0)}, without a word"


def checkpoints_of(job: Json) -> list[Json]:
    """The checkpoints with an id, in order of their steps."""
    found = [each for each in objects_in(object_in(job, "tunedModel"), "checkpoints") if each.get("checkpointId")]
    return sorted(found, key=lambda each: (number_of(each.get("step")) or 0, number_of(each.get("epoch")) or 0))


def _left_out(job: Json) -> str:
    """That rows were not tuned on, where that is so."""
    return next((each.message.rstrip(".") for each in findings(stats_of(job)) if each.rule == "rows-dropped"), "")


def _detail(job: Json, detail: str) -> str:
    """`TUNING: tunes; 2 epochs are done`."""
    word, sentence = detail_word(detail), detail_sentence(detail)
    said = [f"{word}: {sentence}" if sentence != word else word] if word else []
    done: Any = number_of(object_in(job, "tuningJobMetadata").get("completedEpochCount"))
    if done:
        said.append(f"{int(done)} {'epoch is' if done == 1 else 'epochs are'} done")
    return "; ".join(said)
