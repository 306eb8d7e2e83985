"""Jobs as the API has them: the one that is asked for, and what is said of those that are there.

Taken as they come: `error` null, {} or text; files, seed, method and times missing or null; hyperparameters beside the files instead of
under the method, as OpenAI had them before. Fields that nobody told us of are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from tuneport.errors import FileGone, NotFound
from tuneport.job import JobState, Snapshot
from tuneport.model import Model
from tuneport.plan import Plan
from tuneport.redaction import without_secrets
from tuneport.replies import Json, number_of, object_in, text_in, texts_in, time_in, whole_in
from tuneport_openai.wire.bases import METHODS
from tuneport_openai.wire.dialect import OPENAI, Dialect
from tuneport_openai.wire.hyperparameters import OF_METHOD

CLIENT_ID, PLAN, RECIPE, DATA = "tuneport_client_id", "tuneport_plan", "tuneport_recipe", "tuneport_data"
"""What we write on a job, in its metadata."""

_OURS = {word: method for method, word in METHODS.items()}


# --- asking for one --------------------------------------------------------------------------------------------------------------------


def create_body(plan: Plan, *, client_id: str, files: Mapping[str, str]) -> dict[str, Any]:
    """The plan's request with the ids of its files, and with what the job is found by. Raises FileGone where an id is missing."""
    body = {key: _filled(value, files) for key, value in plan.requests[-1].body.items()}
    marks = {CLIENT_ID: client_id, PLAN: plan.fingerprint, RECIPE: plan.recipe_fingerprint, DATA: plan.dataset_fingerprint}
    return {**body, "metadata": {**body.get("metadata", {}), **{key: value for key, value in marks.items() if value}}}


def _filled(value: Any, files: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _filled(inner, files) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(inner, files) for inner in value]
    purpose = value[6:-1] if isinstance(value, str) and value.startswith("{file:") and value.endswith("}") else None
    if purpose is None:
        return value
    if purpose not in files:
        raise FileGone(f"the {purpose} file of the plan has not been uploaded.", remedy="Submit again.")
    return files[purpose]


# --- what is said of one ---------------------------------------------------------------------------------------------------------------


def snapshot_of(job: Json, *, dialect: Dialect = OPENAI) -> Snapshot:
    """What the API says of a job. Raises ValueError for an object without an id, which is no job."""
    job_id = text_in(job, "id")
    if job_id is None:
        raise ValueError("a job without an id")
    word = text_in(job, "status") or ""
    state = dialect.state_of(word)
    marks = object_in(job, "metadata")
    return Snapshot(
        provider_id=job_id,
        state=state,
        provider_state=word,
        detail=_detail(job, state),
        created_at=time_in(job, "created_at"),
        finished_at=time_in(job, "finished_at"),
        base=text_in(job, "model"),
        method=_method(job),
        model=text_in(job, "fine_tuned_model") if state is JobState.SUCCEEDED else None,
        error=_error(job),
        client_id=text_in(marks, CLIENT_ID),
        plan_fingerprint=text_in(marks, PLAN),
        recipe_fingerprint=text_in(marks, RECIPE),
        dataset_fingerprint=text_in(marks, DATA),
        files=_files(job),
        seed=whole_in(job, "seed"),
        suffix=text_in(job, "suffix") or text_in(job, "user_provided_suffix"),
    )


def trained_tokens(job: Json) -> int | None:
    """The tokens that are billed, once the vendor says."""
    return whole_in(job, "trained_tokens")


def organization_of(job: Json) -> str | None:
    """Whose job it is. Azure says nothing here."""
    return text_in(job, "organization_id")


def _detail(job: Json, state: JobState) -> str:
    if state.terminal:
        tokens = trained_tokens(job)
        return f"{tokens:,} tokens trained" if tokens else ""
    finish = time_in(job, "estimated_finish")
    return f"estimated to finish at {finish:%Y-%m-%d %H:%M} UTC" if finish else ""


def _method(job: Json) -> str | None:
    """By our name for it, or by the API's where we have none. Hyperparameters beside the files are those of a supervised job."""
    word = text_in(object_in(job, "method"), "type")
    if word is None:
        return "sft" if job.get("method") is None and object_in(job, "hyperparameters") else None
    return _OURS.get(word, word)


def _error(job: Json) -> str | None:
    """The vendor's words, with its code and the parameter where it names them. None where there is no error, as in null and in {}."""
    error = job.get("error")
    if isinstance(error, str):
        return without_secrets(error) or None
    found = error if isinstance(error, Mapping) else {}
    code, message, param = (text_in(found, key) for key in ("code", "message", "param"))
    said = ": ".join(filter(None, (code, message)))
    return without_secrets(f"{said} ({param})" if said and param else said or param or "") or None


def _files(job: Json) -> dict[str, str]:
    found = {"train": text_in(job, "training_file"), "validation": text_in(job, "validation_file")}
    return {purpose: file_id for purpose, file_id in found.items() if file_id is not None}


def hyperparameters_of(job: Json) -> dict[str, Any]:
    """Those of the job as it says them: under its method, else beside its files."""
    method = object_in(job, "method")
    nested = object_in(object_in(method, text_in(method, "type") or ""), "hyperparameters")
    return dict(nested or object_in(job, "hyperparameters"))


# --- whether it is ours ----------------------------------------------------------------------------------------------------------------


def carries(job: Json, client_id: str) -> bool:
    """Whether that client id is written on the job."""
    return text_in(object_in(job, "metadata"), CLIENT_ID) == client_id


def matches(job: Json, plan: Plan, *, files: Sequence[str], since: datetime | None) -> bool:
    """Whether a job that carries no client id may be the plan's: made from `files`, created at or after `since`, and in nothing that it
    says unlike the plan. What it does not say does not count against it, except its files and its time."""
    said = snapshot_of(job)
    if said.client_id is not None or (since is not None and (said.created_at is None or said.created_at < since)):
        return False
    same_files = set(said.files) == {file.purpose for file in plan.files} and set(said.files.values()) <= set(files)
    return same_files and plan.may_train(said.base) and not any(_unlike(job, said, plan))


def _unlike(job: Json, said: Snapshot, plan: Plan) -> Iterator[bool]:
    """Each thing that job and plan both say, and whether they differ in it. A method that is only concluded from the form of a job is not
    said, and a hyperparameter that is not above 0 (Azure's -1) was left to the vendor."""
    for name in ("seed", "suffix"):
        found, wanted = getattr(said, name), getattr(plan, name)
        yield found is not None and found != wanted
    word = text_in(object_in(job, "method"), "type")
    yield word is not None and _OURS.get(word, word) != plan.method
    values = hyperparameters_of(job)
    for setting in OF_METHOD.get(plan.method, ()):
        found, wanted = number_of(values.get(setting.wire)), number_of(plan.hyperparameters.get(setting.name))
        yield found is not None and found > 0 and wanted is not None and found != wanted


# --- what came of it -------------------------------------------------------------------------------------------------------------------


def model_of(job: Json, checkpoints: Sequence[Json], *, provider: str, dialect: Dialect = OPENAI) -> Model:
    """The tuned model of a job with its checkpoints, oldest first. Raises NotFound where there is none."""
    said = snapshot_of(job, dialect=dialect)
    steps = sorted(filter(_checkpoint_model, checkpoints), key=lambda each: whole_in(each, "step_number") or 0)
    names = tuple(dict.fromkeys(filter(None, map(_checkpoint_model, steps))))
    if said.model is None:
        raise NotFound(_no_model(said, names), remedy=f"See: tuneport jobs show {provider}:{said.provider_id}")
    return Model(
        uri=f"{provider}:{said.model}",
        provider=provider,
        id=said.model,
        base=said.base,
        job_uri=f"{provider}:{said.provider_id}",
        recipe_fingerprint=said.recipe_fingerprint,
        dataset_fingerprint=said.dataset_fingerprint,
        created_at=said.finished_at or said.created_at,
        checkpoints=names,
        details=_details(job, said) | ({"checkpoints": [checkpoint_details(each) for each in steps]} if steps else {}),
    )


def _no_model(said: Snapshot, checkpoints: Sequence[str]) -> str:
    kept = f" Checkpoints of it can be used: {', '.join(checkpoints)}." if checkpoints else ""
    return f"job {said.provider_id} has no tuned model: it is {said.provider_state or 'in no state that it says'}.{kept}"


def _checkpoint_model(checkpoint: Json) -> str | None:
    """What a checkpoint is asked by."""
    return text_in(checkpoint, "fine_tuned_model_checkpoint") or text_in(checkpoint, "id")


def checkpoint_details(checkpoint: Json) -> dict[str, Any]:
    """A checkpoint as JSON: its model, its step, when it was kept and how good it was by then."""
    created_at = time_in(checkpoint, "created_at")
    measured = {key: number for key, value in object_in(checkpoint, "metrics").items() if (number := number_of(value)) is not None}
    found = {
        "id": text_in(checkpoint, "id"),
        "model": _checkpoint_model(checkpoint),
        "step": whole_in(checkpoint, "step_number"),
        "created_at": created_at and created_at.isoformat(),
        "metrics": {key: value for key, value in measured.items() if key != "step"},
    }
    return {key: value for key, value in found.items() if value not in (None, {})}


def _details(job: Json, said: Snapshot) -> dict[str, Any]:
    found = {
        "method": said.method,
        "hyperparameters": hyperparameters_of(job),
        "seed": said.seed,
        "trained_tokens": trained_tokens(job),
        "organization": organization_of(job),
        "files": said.files,
        "result_files": list(texts_in(job, "result_files")),
    }
    return {key: value for key, value in found.items() if value not in (None, {}, [])}
