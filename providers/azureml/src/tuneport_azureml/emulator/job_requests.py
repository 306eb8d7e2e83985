"""The body of a PUT of a job, read as strictly as the REST models of 2024-10-01-preview say, and what it names looked up."""

from __future__ import annotations

import re
from typing import Any

from tuneport.testing.emulator import Fields, Problem
from tuneport_azureml.emulator import refusals
from tuneport_azureml.emulator.world import SIZES, Asset, World

TASKS = (
    "ChatCompletion",
    "TextCompletion",
    "TextClassification",
    "QuestionAnswering",
    "TextSummarization",
    "TokenClassification",
    "TextTranslation",
    "ImageClassification",
    "ImageInstanceSegmentation",
    "ImageObjectDetection",
    "VideoMultiObjectTracking",
)
TIERS = ("Null", "Spot", "Basic", "Standard", "Premium")
_ASSET = re.compile(r"(?:azureml:)?(?P<place>/subscriptions/.+)?/?(?:data/)?(?P<name>[\w.-]+)(?:/versions/|:)(?P<version>[\w.-]+)")
_EPOCHS = ("num_train_epochs", "nEpochs")
_BATCH = ("per_device_train_batch_size", "batchSize")


def read_job(fields: Fields, world: World) -> dict[str, Any]:
    """The job's properties as they are kept. Raises Refusal."""
    properties = fields.nested("properties", required=True)
    assert properties is not None
    fields.done()
    properties.text("jobType", required=True, words=("FineTuning",))
    found: dict[str, Any] = {"jobType": "FineTuning"}
    for name in ("displayName", "description", "experimentName", "computeId", "componentId"):
        if (text := properties.text(name, nullable=True)) is not None:
            found[name] = text
    found["tags"] = properties.strings("tags", pairs=50, longest_name=256, longest_value=1024) or {}
    found["properties"] = properties.strings("properties", pairs=50, longest_name=256, longest_value=1024) or {}
    found["isArchived"] = properties.flag("isArchived", nullable=True) or False
    if (services := properties.nested("services", nullable=True)) is not None:
        services.done()
    details = properties.nested("fineTuningDetails", required=True)
    assert details is not None
    found["fineTuningDetails"] = _details(details)
    if (resources := properties.nested("resources", nullable=True)) is not None:
        found["resources"] = {"instanceTypes": _words(resources, "instanceTypes")}
        resources.done()
    if (queue := properties.nested("queueSettings", nullable=True)) is not None:
        found["queueSettings"] = {"jobTier": queue.text("jobTier", words=TIERS)}
        queue.done()
    outputs = properties.nested("outputs", required=True)
    assert outputs is not None
    found["outputs"] = _outputs(outputs)
    properties.done()
    _look_up(found, world)
    return found


def asset_of(uri: str, world: World) -> Asset | None:
    """The data asset that an input's address names: by its id, or `azureml:NAME:VERSION`."""
    found = _ASSET.fullmatch(uri.removeprefix(f"azureml:{world.place.id}").removeprefix(world.place.id).lstrip("/"))
    return None if found is None else world.assets.get((found["name"], found["version"]))


def epochs_of(details: dict[str, Any]) -> int:
    return _number(details, _EPOCHS)


def batch_of(details: dict[str, Any]) -> int:
    return _number(details, _BATCH)


def _number(details: dict[str, Any], names: tuple[str, ...]) -> int:
    values = details.get("hyperParameters") or {}
    return next((int(values[name]) for name in names if name in values), 1)


def _details(fields: Fields) -> dict[str, Any]:
    provider = fields.text("modelProvider", required=True, words=("Custom", "AzureOpenAI"))
    task = fields.text("taskType", required=True) or ""
    if task.casefold() not in {each.casefold() for each in TASKS}:
        raise refusals.refuse(Problem("word", fields.at("taskType"), given=task, allowed=TASKS))
    found: dict[str, Any] = {"modelProvider": provider, "taskType": task[0].upper() + task[1:]}
    found["model"] = _input(fields, "model", "mlflow_model", required=True)
    found["trainingData"] = _input(fields, "trainingData", "uri_file", required=True)
    if (validation := _input(fields, "validationData", "uri_file")) is not None:
        found["validationData"] = validation
    if provider == "Custom":
        values: dict[str, Any] | None = fields.strings("hyperParameters", pairs=100, longest_name=256, longest_value=1024)
        _refuse_numbers(values or {})
    else:
        values = _of_openai(fields.nested("hyperParameters", nullable=True))
    if values is not None:
        found["hyperParameters"] = values
    fields.done()
    return found


def _refuse_numbers(values: dict[str, Any]) -> None:
    for name in (*_EPOCHS[:1], *_BATCH[:1]):
        if name in values and not (values[name].isdecimal() and int(values[name]) > 0):
            raise refusals.user_error(f"The hyperparameter {name} must be a positive integer.")


def _of_openai(fields: Fields | None) -> dict[str, Any] | None:
    if fields is None:
        return None
    found = {
        "nEpochs": fields.whole("nEpochs", nullable=True, least=1),
        "batchSize": fields.whole("batchSize", nullable=True, least=1),
        "learningRateMultiplier": fields.number("learningRateMultiplier", nullable=True, above=0),
    }
    fields.done()
    return {name: value for name, value in found.items() if value is not None}


def _input(fields: Fields, name: str, kind: str, *, required: bool = False) -> dict[str, Any] | None:
    inner = fields.nested(name, required=required, nullable=not required)
    if inner is None:
        return None
    found = {"jobInputType": inner.text("jobInputType", required=True, words=(kind,)), "uri": inner.text("uri", required=True)}
    for other in ("mode", "description", "pathOnCompute"):
        inner.text(other, nullable=True)
    inner.done()
    return found


def _outputs(fields: Fields) -> dict[str, Any]:
    found = {}
    for name in fields.names():
        output = fields.nested(name, required=True)
        assert output is not None
        kind = output.text("jobOutputType", required=True, words=("mlflow_model",))
        found[name] = {"jobOutputType": kind, "assetName": output.text("assetName", required=True, longest=255)}
        for other in ("mode", "uri", "description", "assetVersion"):
            if (text := output.text(other, nullable=True)) is not None:
                found[name][other] = text
        output.done()
    if "registered_model" not in found:
        raise refusals.user_error("A fine-tuning job needs the output 'registered_model'.")
    return found


def _words(fields: Fields, name: str) -> list[str]:
    values = fields.items(name, required=True) or ()
    if not values or not all(isinstance(each, str) for each in values):
        raise refusals.refuse(Problem("type", fields.at(name), given="another list", allowed="strings"))
    return list(values)


def _look_up(found: dict[str, Any], world: World) -> None:
    details = found["fineTuningDetails"]
    model = details["model"]["uri"]
    if model not in world.models:
        raise refusals.user_error(f"The model {model} could not be found in its registry.")
    if world.served_regions is not None and world.region not in world.served_regions:
        raise refusals.user_error(f"Fine-tuning of this asset is not supported in the region {world.region}.")
    if details["modelProvider"] == "AzureOpenAI" and not world.connected_to_openai:
        raise refusals.user_error("The workspace has no connection to an Azure OpenAI resource.")
    for key in ("trainingData", "validationData"):
        if key in details and asset_of(details[key]["uri"], world) is None:
            raise refusals.error(404, "NotFound", f"The data asset {details[key]['uri']} could not be found.")
    compute = found.get("computeId")
    if compute is not None and compute.rpartition("/")[2] not in world.computes:
        raise refusals.user_error(f"The compute {compute.rpartition('/')[2]} does not exist in the workspace.")
    for size in found.get("resources", {}).get("instanceTypes", ()):
        family = SIZES.get(size, ("", 0, 0, 0.0))[0]
        if not family:
            raise refusals.user_error(f"The instance type {size} is not available.")
        if world.quotas.get(family, 0) < SIZES[size][1]:
            raise refusals.user_error(
                f"There is not enough quota of {family} for {size}: the limit is {world.quotas.get(family, 0)} cores."
            )
