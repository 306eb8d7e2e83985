"""From a recipe to a plan: the one request that creates the job, as the REST API spells it, and the files that go before it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any

from tuneport.errors import ConfigError, NotFound, RecipeError, UnknownModel, Unsupported
from tuneport.limits import Target, target
from tuneport.methods import GRPO, CloudMethod, cloud_method
from tuneport.plan import Plan, PlannedFile, PlannedRequest
from tuneport.planned_data import CheckedData, Rows, checked_data, datasets_of
from tuneport.recipe import Recipe
from tuneport_vertex.profile import BUCKET, Place, no_bucket
from tuneport_vertex.wire.hyperparameters import hyperparameters, notes, sent
from tuneport_vertex.wire.ids import is_resource, resource
from tuneport_vertex.wire.labels import DATA, RECIPE, labels_of, packed
from tuneport_vertex.wire.options import VertexOptions, options_of
from tuneport_vertex.wire.rewards import own_reward, reward_of
from tuneport_vertex.wire.rows import writer
from tuneport_vertex.wire.tunable import PROVIDER, Tunable, tunable

if TYPE_CHECKING:
    from tuneport.dataset import Dataset

CREATE = "POST tuningJobs"
REBASE = "POST tuningJobs:rebaseTunedModel"
SPECS = {"sft": "supervisedTuningSpec", "dpo": "preferenceOptimizationSpec", "grpo": "reinforcementTuningSpec"}
DISTILLED = "distillationSpec"
CLIENT_ID = "{client_id}"
"""Stands in a plan for what is drawn at each submit."""
MOST_NAME_CHARS = 128
"""Of a tuned model's display name (google-genai 2.34)."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A recipe's data as they lie in Cloud Storage, or will: `uris` by purpose for rows that are used where they lie, `datasets` by purpose
    where rows were rewritten, and the `media` that those rows name: to be read after the rows, which may add to them."""

    uris: Mapping[str, str] = field(default_factory=dict)
    datasets: Mapping[str, Dataset] | None = None
    media: Iterable[PlannedFile] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """A recipe as it is meant at one place: what it begins from and its options."""

    recipe: Recipe
    place: Place
    base: Tunable
    options: VertexOptions

    @property
    def method(self) -> CloudMethod:
        return cloud_method(self.recipe.method, who="Vertex AI")

    @property
    def who(self) -> str:
        return self.base.kind.who


def asked(recipe: Recipe, *, place: Place, on: date) -> Asked:
    """What the recipe means there on that day, without a look at its data.

    Raises UnknownModel, Unsupported and RecipeError.
    """
    options = options_of(recipe, provider=place.name)
    name = recipe.base_for(place.name)
    found = Asked(recipe, place, tunable(name, place=place, method=recipe.method.kind, options=options, on=on), options)
    _refuse(found)
    return found


def to_plan(found: Asked, *, prepared: Prepared | None = None) -> Plan:
    """What would be sent. Raises RecipeError, Unsupported, CheckFailed, DatasetError, and ConfigError where a bucket is needed and none is
    named; the cheap reasons come before the data are read."""
    recipe, method, kind, prepared = found.recipe, found.method, found.base.kind, prepared or Prepared()
    values = hyperparameters(method, found.options, kind=kind)
    reward = _reward(found)
    if found.place.bucket is None and not prepared.uris.keys() >= datasets_of(recipe).keys():
        raise no_bucket(found.place.name)
    body = _body(found, values=values, reward=reward, prepared=prepared)
    data = checked_data(recipe, _rows(found), datasets=prepared.datasets)
    return Plan(
        provider=found.place.name,
        scope=found.place.scope,
        base=found.base.id,
        method=method.kind,
        requests=(_request(found, body),),
        files=_files(data, prepared),
        hyperparameters=values,
        recipe=recipe.to_dict(),
        recipe_fingerprint=recipe.fingerprint,
        dataset_fingerprint=recipe.train.fingerprint,
        seed=None,
        suffix=recipe.suffix,
        unquoted=("the teacher's answers",) if found.base.kind.distilled else (),
        findings=data.findings,
        notes=(*notes(method, found.options, kind=kind, seed=recipe.seed), *data.notes, *_notes(found)),
    )


def create_body(plan: Plan, *, client_id: str, files: Mapping[str, str]) -> dict[str, Any]:
    """The body that is sent: with the files where they lie, and what is written on the job to find it again."""
    body: dict[str, Any] = _filled(
        plan.requests[-1].body, {f"{{file:{purpose}}}": uri for purpose, uri in files.items()} | {CLIENT_ID: client_id}
    )
    job = body["tuningJob"] if is_rebase(plan) else body
    job["labels"] = {**job.get("labels", {}), **labels_of(plan, client_id=client_id)}
    return body


def is_rebase(plan: Plan) -> bool:
    """Whether the plan tunes a tuned model anew on another base."""
    return plan.requests[-1].call == REBASE


# --- refusals ---------------------------------------------------------------------------------------------------------------------------


def _refuse(found: Asked) -> None:
    recipe, options, base = found.recipe, found.options, found.base
    if recipe.suffix is not None and len(recipe.suffix) > MOST_NAME_CHARS:
        raise RecipeError(f"the suffix has {len(recipe.suffix)} characters; Vertex AI takes {MOST_NAME_CHARS}.")
    if options.teacher is not None and found.method.kind != "sft":
        raise Unsupported(f"a teacher is distilled by method sft, not by {found.method.kind}.")
    if options.rebase is not None and (found.method.kind != "sft" or base.tuned is not None):
        raise Unsupported("a rebase tunes a model anew by method sft, on a base of Google's that is named as base.")
    key = options.kms_key or found.place.kms_key
    if key is not None and base.generation >= 3:
        raise Unsupported(
            f"{base.id} cannot be tuned with a key of your own (kms_key): Google offers that for no Gemini 3 (facts of 2026-11-21).",
            remedy="Leave kms_key out of options.vertex and of the profile, or take another base.",
        )
    if key is not None and f"/locations/{found.place.location}/" not in key:
        raise RecipeError(f"kms_key is of another region than {found.place.location}, where the job is to run.")


def _reward(found: Asked) -> dict[str, Any]:
    method = found.method
    if not isinstance(method, GRPO):
        return {}
    return reward_of(method.grader, parent=found.place.parent) if found.options.reward is None else own_reward(found.options.reward)


# --- the data ---------------------------------------------------------------------------------------------------------------------------


def _rows(found: Asked) -> Rows:
    kind, base = found.base.kind, found.base.limits_of
    return Rows(
        who=found.who,
        goal=goal_of(found),
        counted_as=f"{PROVIDER}:{base}" if kind.gemini else base,
        write=writer(found.method.kind, gemini=kind.gemini, distilled=kind.distilled),
        cuts=frozenset({"drop", "truncate"}) if kind.gemini else frozenset({"truncate"}),
    )


def goal_of(found: Asked) -> Target:
    """What the rows are checked for. Of a row that is distilled only the question counts."""
    goal = target(f"{PROVIDER}:{found.base.limits_of}", method=found.method.kind)
    return replace(goal, method="grpo") if found.base.kind.distilled else goal


def _files(data: CheckedData, prepared: Prepared) -> tuple[PlannedFile, ...]:
    """Media first: the rows name them."""
    return (*prepared.media, *(file for file in data.files if file.purpose not in prepared.uris))


# --- the request ------------------------------------------------------------------------------------------------------------------------


def _request(found: Asked, body: dict[str, Any]) -> PlannedRequest:
    rebase = found.options.rebase
    if rebase is None:
        return PlannedRequest(CREATE, body)
    same = {"deployToSameEndpoint": True} if found.options.same_endpoint else {}
    return PlannedRequest(REBASE, {"tunedModelRef": {"tunedModel": _tuned(found.place, rebase)}, "tuningJob": body} | same)


def _tuned(place: Place, name: str) -> str:
    try:
        return resource(place, name, kind="models").full
    except NotFound as error:
        raise UnknownModel(error.message, remedy=error.remedy) from None


def _body(found: Asked, *, values: dict[str, Any], reward: dict[str, Any], prepared: Prepared) -> dict[str, Any]:
    """The TuningJob that is asked for. Files that are not there yet stand as {file:<purpose>}."""
    options, place = found.options, found.place
    key = options.kms_key or place.kms_key
    job = {
        **found.base.body(),
        _spec_name(found): _spec(found, values=values, prepared=prepared) | reward,
        "tunedModelDisplayName": found.recipe.suffix,
        "description": options.description,
        "labels": dict(options.labels) | _of_rows_there(found, prepared),
        "serviceAccount": options.service_account or place.service_account,
        "encryptionSpec": {"kmsKeyName": key} if key else None,
        "customBaseModel": options.custom_base_model,
        "outputUri": None if found.base.kind.gemini else options.output_uri or _outputs(place),
    }
    return {name: value for name, value in job.items() if value not in (None, {})}


def _outputs(place: Place) -> str:
    """Where the weights of an open model go that says nothing of it. Raises ConfigError where there is no bucket."""
    if place.bucket is None:
        raise ConfigError(
            f"{place.name}: the weights of an open model go to Cloud Storage, and no bucket is named.",
            remedy=f'Set bucket = "gs://NAME" in [providers.{place.name}], or {BUCKET}, or options.vertex.output_uri in the recipe.',
        )
    return place.folder("outputs", CLIENT_ID)


def _of_rows_there(found: Asked, prepared: Prepared) -> dict[str, str]:
    """What an address alone does not say: which rows lay there. Two plans of one address with other rows are two jobs."""
    known = {DATA: found.recipe.train.fingerprint} if "train" in prepared.uris else {}
    known |= {RECIPE: found.recipe.fingerprint} if "validation" in prepared.uris else {}
    return {label: packed(fingerprint) for label, fingerprint in known.items()}


def _spec_name(found: Asked) -> str:
    return DISTILLED if found.base.kind.distilled else SPECS[found.method.kind]


def _spec(found: Asked, *, values: dict[str, Any], prepared: Prepared) -> dict[str, Any]:
    kind = found.base.kind
    where = {purpose: prepared.uris.get(purpose, f"{{file:{purpose}}}") for purpose in datasets_of(found.recipe)}
    spec: dict[str, Any] = {
        "promptDatasetUri" if kind.distilled else "trainingDatasetUri": where["train"],
        "validationDatasetUri": where.get("validation"),
        "hyperParameters": sent(values),
        "exportLastCheckpointOnly": True if found.options.checkpoints == "last" and found.method.kind != "grpo" else None,
        "tuningMode": None if kind.gemini else "TUNING_MODE_FULL" if kind.full else "TUNING_MODE_PEFT_ADAPTER",
    }
    return {name: value for name, value in (spec | _teacher(found)).items() if value not in (None, {})}


def _teacher(found: Asked) -> dict[str, Any]:
    teacher = found.options.teacher
    if teacher is None:
        return {}
    if is_resource(teacher.removeprefix(f"{found.place.name}:")):
        return {"tunedTeacherModelSource": _tuned(found.place, teacher)}
    return {"baseTeacherModel": teacher}


def _filled(value: Any, words: Mapping[str, str]) -> Any:
    """The body with every placeholder replaced."""
    if isinstance(value, Mapping):
        return {key: _filled(each, words) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(each, words) for each in value]
    if not isinstance(value, str):
        return value
    return words[value] if value in words else value.replace(CLIENT_ID, words.get(CLIENT_ID, CLIENT_ID))


def _notes(found: Asked) -> Iterator[str]:
    recipe, base = found.recipe, found.base
    if base.kind.gemini:
        yield "a project tunes one model at a time unless Google raised that; a further job is refused or waits"
        if base.generation >= 3:
            yield f"the tuned model answers from the multi-region {found.place.serving_location} only"
    else:
        yield "the weights go to your bucket; the model answers once it is deployed to GPUs, which cost by the hour"
    if base.tuned is not None:
        yield (
            f"a new model is made, named {recipe.suffix}"
            if recipe.suffix
            else "a new version of that model is made; with a suffix, a new model"
        )
    if found.options.checkpoints != "last" and base.kind.gemini and recipe.method.kind != "grpo":
        yield "each checkpoint (one an epoch, about ten of a long job) gets its endpoint; fewer: options.vertex.checkpoints = 'last'"
    if base.kind.distilled:
        yield "which teachers are offered for which base is not documented: Google says so when the job is created"
        yield "what the teacher's answers cost is not documented either, and is in no quote"
    if found.options.reward is not None:
        yield "options.vertex.reward scores the answers, not the recipe's grader"
    if found.options.same_endpoint:
        yield "the new model takes the place of the old one at its endpoint: the old one does not answer any more"
