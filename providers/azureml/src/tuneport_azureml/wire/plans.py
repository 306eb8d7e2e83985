"""From a recipe to a plan: the one PUT that creates the job, as the REST API spells it (2024-10-01-preview), and the data before it.

The body is the one that azure-ai-ml 1.35.2 makes of its own job entities; a test compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tuneport.errors import RecipeError, Unsupported
from tuneport.limits import Target, target
from tuneport.methods import SFT, Classify
from tuneport.plan import Plan, PlannedRequest
from tuneport.planned_data import Rows, checked_data, datasets_of
from tuneport.recipe import Recipe
from tuneport_azureml.profile import Workspace
from tuneport_azureml.wire.hyperparameters import WHO, Method, hyperparameters, notes, sent
from tuneport_azureml.wire.names import CLIENT_ID
from tuneport_azureml.wire.options import AzureMLOptions, options_of
from tuneport_azureml.wire.rows import KEYS, writer
from tuneport_azureml.wire.tags import tags_of_job
from tuneport_azureml.wire.tunable import Base, Road, base_of

PROVIDER = "azureml"
CREATE = "PUT jobs/{client_id}"
MOST_SUFFIX_CHARS = 100
TASKS = {
    "chat_completion": "chatCompletion",
    "text_classification": "textClassification",
    "summarization": "textSummarization",
    "question_answering": "questionAnswering",
}
"""The tasks that our rows can say, with the API's words for them."""
OUTPUT = "registered_model"
_METHOD = {"chat_completion": "sft", "summarization": "sft", "question_answering": "sft", "text_classification": "classify"}
_USUAL = {"sft": "chat_completion", "classify": "text_classification"}
_NOT_OURS = {
    "text_completion": "text completion is not carried yet: its rows are documented nowhere",
    "token_classification": "no row of ours labels single tokens",
    "translation": "translation is not carried yet",
    "image_classification": "images are not carried yet",
}
METHODS = ("sft", "classify")


@dataclass(frozen=True, slots=True)
class Asked:
    """A recipe as it is meant in one workspace: what it begins from, its task and where it runs."""

    recipe: Recipe
    place: Workspace
    base: Base
    options: AzureMLOptions
    method: Method
    task: str
    road: Road
    compute: str | None
    instance_types: tuple[str, ...]

    @property
    def on_compute(self) -> bool:
        """Whether it runs on machines that were named; else on the service's own."""
        return bool(self.compute or self.instance_types)


def asked(recipe: Recipe, *, place: Workspace) -> Asked:
    """What the recipe means there, without a look at its data. Raises UnknownModel, Unsupported and RecipeError."""
    method = recipe.method
    if not isinstance(method, SFT | Classify):
        raise Unsupported(f"{WHO} does not train by method {getattr(method, 'kind', '?')}.", remedy="Train it with local.")
    options = options_of(recipe, provider=place.name)
    base = base_of(recipe.base_for(place.name), provider=place.name)
    road = options.road or base.road
    task = options.task or _USUAL[method.kind]
    own = bool(options.compute or options.instance_types)
    found = Asked(
        recipe,
        place,
        base,
        options,
        method,
        task,
        road,
        options.compute if own else place.compute,
        tuple(options.instance_types) if own else place.instance_types,
    )
    _refuse(found)
    return found


def to_plan(found: Asked) -> Plan:
    """What would be sent. Raises RecipeError, Unsupported, CheckFailed and DatasetError; cheap reasons come before the data are read."""
    recipe, method = found.recipe, found.method
    values = hyperparameters(method, found.options, road=found.road, on_compute=found.on_compute)
    body = _body(found, values)
    rows = Rows(who=WHO, goal=_goal(found), counted_as=f"{PROVIDER}:{found.base.model}", write=writer(found.task), cuts=frozenset())
    data = checked_data(recipe, rows)
    told = notes(method, road=found.road, on_compute=found.on_compute, seed=recipe.seed)
    return Plan(
        provider=found.place.name,
        scope=found.place.scope,
        base=found.base.id,
        method=method.kind,
        requests=(PlannedRequest(CREATE, body),),
        files=data.files,
        hyperparameters=values,
        recipe=recipe.to_dict(),
        recipe_fingerprint=recipe.fingerprint,
        dataset_fingerprint=recipe.train.fingerprint,
        seed=None,
        suffix=recipe.suffix,
        unquoted=("the machines that the job runs on",),
        findings=data.findings,
        notes=(*told, *data.notes, *_notes(found)),
    )


def create_body(plan: Plan, *, client_id: str, files: Mapping[str, str]) -> dict[str, Any]:
    """The body that is sent: with the data where they lie, and what is written on the job to find it again."""
    words = {f"{{file:{purpose}}}": file_id for purpose, file_id in files.items()}
    body: dict[str, Any] = _filled(plan.requests[-1].body, words, client_id)
    properties = body["properties"]
    properties["tags"] = {**properties.get("tags", {}), **tags_of_job(plan, client_id=client_id)}
    return body


# --- refusals ---------------------------------------------------------------------------------------------------------------------------


def _refuse(found: Asked) -> None:
    if found.task not in TASKS:
        raise Unsupported(f"{_NOT_OURS[found.task]}.", remedy="Tasks that are carried: " + ", ".join(TASKS) + ".")
    if _METHOD[found.task] != found.method.kind:
        raise RecipeError(f"options: task {found.task} goes with method {_METHOD[found.task]}, and the recipe's is {found.method.kind}.")
    suffix = found.recipe.suffix
    if suffix is not None and (len(suffix) > MOST_SUFFIX_CHARS or not suffix.replace("-", "").replace("_", "").isalnum()):
        raise RecipeError(
            f"the suffix {suffix[:MOST_SUFFIX_CHARS]!r} becomes a part of a model's name, which takes letters, digits, '-' and '_', "
            f"{MOST_SUFFIX_CHARS} of them."
        )
    if found.road == "azure_openai":
        _refuse_for_openai(found)


def _refuse_for_openai(found: Asked) -> None:
    """azure-ai-ml drops compute and tier of such a job without a word."""
    if found.task != "chat_completion":
        raise Unsupported(f"Azure OpenAI's models are tuned to chat, not to {found.task}.")
    if found.options.compute or found.options.instance_types or found.options.job_tier:
        raise RecipeError(
            "options: compute, instance_types and job_tier are for models of the registries; Azure OpenAI has its own machines."
        )


# --- the data ---------------------------------------------------------------------------------------------------------------------------


def _goal(found: Asked) -> Target:
    """What the rows are checked for: what is known of this provider's limits, which is little, and that its rows are text alone."""
    goal = target(f"{PROVIDER}:{found.base.model}", method=found.method.kind)
    return replace(goal, limits=replace(goal.limits, tools=False, images=False, media=False))


# --- the request ------------------------------------------------------------------------------------------------------------------------


def _body(found: Asked, values: dict[str, Any]) -> dict[str, Any]:
    """The job that is asked for. Data that are not there yet stand as {file:<purpose>}."""
    options, place, recipe = found.options, found.place, found.recipe
    model = f"{recipe.suffix or 'tuneport'}-{CLIENT_ID}"
    custom = found.road == "custom"
    tier = (options.job_tier or place.job_tier) if custom else None
    properties: dict[str, Any] = {
        "jobType": "FineTuning",
        "displayName": recipe.suffix or f"{found.base.model} by tuneport",
        "description": options.description,
        "experimentName": options.experiment or place.experiment,
        "tags": dict(options.tags),
        "properties": {},
        "isArchived": False,
        "computeId": found.compute if custom else None,
        "resources": {"instanceTypes": list(found.instance_types)} if custom and found.instance_types else None,
        "queueSettings": {"jobTier": tier.capitalize()} if tier else None,
        "fineTuningDetails": _details(found, values),
        "outputs": {OUTPUT: {"jobOutputType": "mlflow_model", "assetName": model}},
    }
    return {"properties": {name: value for name, value in properties.items() if value is not None}}


def _details(found: Asked, values: dict[str, Any]) -> dict[str, Any]:
    words = sent(values, road=found.road)
    if found.road == "custom":
        words = KEYS.get(found.task, {}) | words
    details: dict[str, Any] = {
        "modelProvider": "Custom" if found.road == "custom" else "AzureOpenAI",
        "taskType": TASKS[found.task],
        "model": {"jobInputType": "mlflow_model", "uri": found.base.asset},
    }
    keys = {"train": "trainingData", "validation": "validationData"}
    for purpose in datasets_of(found.recipe):
        details[keys[purpose]] = {"jobInputType": "uri_file", "uri": f"{{file:{purpose}}}"}
    return details | ({"hyperParameters": words} if words else {})


def _filled(value: Any, words: Mapping[str, str], client_id: str) -> Any:
    """The body with every placeholder replaced."""
    if isinstance(value, Mapping):
        return {key: _filled(each, words, client_id) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(each, words, client_id) for each in value]
    if not isinstance(value, str):
        return value
    return words[value] if value in words else value.replace(CLIENT_ID, client_id)


def _notes(found: Asked) -> Iterator[str]:
    if found.road == "azure_openai":
        yield "Azure OpenAI trains on machines of its own; whether this workspace is connected to it is told when the job is created"
    elif found.compute:
        yield f"runs on the compute {found.compute}"
    elif found.instance_types:
        yield f"runs on serverless machines: {', '.join(found.instance_types)}"
    else:
        yield "runs on machines of the service's own; to name others: compute or instance_types"
    if found.task in KEYS and found.road == "custom":
        yield "which key of a row is what is told by hyperparameters of Azure ML's pipelines; that a job takes them was not tried"
