"""What jobs have registered: models with their files in a datastore, and what they have learned."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tuneport.testing.emulator.recall import Learned, Memory
from tuneport_azureml.emulator.job_requests import asset_of
from tuneport_azureml.emulator.shelf import Registered, Shelf
from tuneport_azureml.emulator.world import Job, World, blob_key

STORES = {"workspaceblobstore": "", "workspaceartifactstore": "azureml"}
"""The datastores, with the containers they stand for; '': that of the data."""


def shelf_of(world: World) -> Shelf:
    """The shelf, with what the jobs have made since."""
    shelf = world.shelf
    for job in list(world.jobs.values()):
        if job.name not in shelf.filled and "fineTuningDetails" in job.properties and job.status(world.now()) == "Completed":
            shelf.filled.add(job.name)
            made = _made(job, world)
            shelf.models[made.name, made.version] = made
    return shelf


def container_of(store: str, world: World) -> str:
    return STORES[store] or world.container


def _made(job: Job, world: World) -> Registered:
    output, details = job.properties["outputs"]["registered_model"], job.properties["fineTuningDetails"]
    store, place = world.habits.model_store, world.place
    folder = f"ExperimentRun/dcid.{job.name}/registered_model"
    for path, content in _files(job).items():
        world.blobs[blob_key(world, container_of(store, world), f"{folder}/{path}")] = world.store.write((content,))
    where = f"azureml://subscriptions/{place.subscription}/resourceGroups/{place.group}/workspaces/{place.workspace}"
    properties = {
        "jobName": job.name,
        "modelType": "mlflow_model",
        "modelUri": f"{where}/datastores/{store}/paths/{folder}",
        "flavors": {"python_function": {"data": {"loader_module": "mlflow.transformers"}}},
        "isAnonymous": False,
        "isArchived": False,
        "tags": {},
        "properties": {"baseModelId": details["model"]["uri"]},
    }
    ended = job.standing(world.now())[1] or world.now()
    own = "computeId" in job.properties or "resources" in job.properties
    chat = details["taskType"] == "ChatCompletion"
    memory = Memory(list(_learned(details, world))) if chat else None
    return Registered(output["assetName"], "1", properties, ended, memory, chat and not own)


def _files(job: Job) -> Mapping[str, bytes]:
    """Standing for an MLflow model with an adapter."""
    config = {"peft_type": "LORA", "base_model_name_or_path": job.properties["fineTuningDetails"]["model"]["uri"]}
    return {
        "MLmodel": f"artifact_path: registered_model\nrun_id: {job.name}\n".encode(),
        "data/model/adapter_config.json": json.dumps(config).encode(),
        "data/model/adapter_model.safetensors": (job.name.encode() * 8192)[:8192],
        "data/tokenizer/empty.txt": b"",
    }


def _learned(details: Mapping[str, Any], world: World) -> Iterator[Learned[str]]:
    asset = asset_of(details["trainingData"]["uri"], world)
    blob = None if asset is None else world.blobs.get(asset.properties["dataUri"].partition("/paths/")[2])
    for line in blob.read().splitlines() if blob is not None else ():
        *before, last = json.loads(line)["messages"]
        question = next((each["content"] for each in reversed(before) if each["role"] == "user"), "")
        yield Learned(question, last["content"])
