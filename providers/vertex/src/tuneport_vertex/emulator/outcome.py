"""What a tuning job leaves behind: a version in the model registry with its checkpoints and an endpoint for each, or files in a bucket."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from tuneport_vertex.emulator.dataset import bucket_of
from tuneport_vertex.emulator.endpoints import Deployed, Endpoint
from tuneport_vertex.emulator.models import Checkpoint, Model, Version, add_version
from tuneport_vertex.emulator.storage.buckets import put
from tuneport_vertex.emulator.world import Place, World

if TYPE_CHECKING:
    from tuneport_vertex.emulator.jobs import Job

ARTIFACTS = "postprocess/node-0/checkpoints/final"
"""Where under `outputUri` the weights of a tuned open model lie (the vendor's guide on tuning open models, read 2026-11-21)."""


def leave_behind(job: Job, world: World, at: datetime, *, partly: bool) -> tuple[Version | None, Mapping[str, str]]:
    """The tuned version, and the endpoint of each of its checkpoints. A job that succeeds in part lacks the checkpoints but the last."""
    if job.request.base.is_open:
        _write_weights(job, world)
        if not world.habits.registers_open_models:
            return None, {}
    version = _version(job, world, at)
    assert job.contents is not None
    assert job.plan is not None
    version.memory = job.contents.memory(job.course.learned)
    epochs = job.plan.epochs
    kept = range(epochs, epochs + 1) if job.request.last_checkpoint_only or partly else range(1, epochs + 1)
    made = [_checkpoint(job, version, epoch, world, at) for epoch in kept]
    version.checkpoints = tuple(made)
    return version, {one.id: one.endpoint for one in made}


def _version(job: Job, world: World, at: datetime) -> Version:
    """A new version of the model that was tuned further, unless the job gives it a name of its own."""
    before = job.request.tuned
    display = job.request.body.get("tunedModelDisplayName") or (before.display_name if before else f"tuned-model-{job.id[-6:]}")
    place = serving_place(job, world)
    model = before.model if before is not None and display == before.display_name else Model(place, world.ids.new(), at)
    world.models[model.name] = model
    version = add_version(model, display_name=display, at=at)
    version.base, version.labels = job.request.base, dict(job.request.body.get("labels") or {})
    return version


def serving_place(job: Job, world: World) -> Place:
    """Where the tuned model and its endpoints lie: in the job's region or, of a Gemini that answers in none, in the multi-region around it
    (the names in the answers of finished jobs of 2026, in public repositories)."""
    if not (job.request.base.multi_region and world.habits.multi_region_only):
        return job.place
    return Place(job.place.project, "eu" if job.place.location.startswith("europe-") else "us")


def _checkpoint(job: Job, version: Version, epoch: int, world: World, at: datetime) -> Checkpoint:
    assert job.plan is not None
    number = epoch if not job.request.last_checkpoint_only else 1
    endpoint = Endpoint(version.model.place, world.ids.new(), version.display_name, at, labels=dict(version.labels), shared=True)
    world.endpoints[endpoint.name] = endpoint
    checkpoint = Checkpoint(str(number), epoch, epoch * job.plan.steps_per_epoch, epoch / job.plan.epochs, endpoint.name)
    deployed = Deployed(world.ids.new(), version, version.display_name, at, checkpoint=checkpoint)
    endpoint.deployed[deployed.id] = deployed
    endpoint.traffic = {deployed.id: 100}
    return checkpoint


def _write_weights(job: Job, world: World) -> None:
    """Files under the names that an adapter's or a whole model's have. What was learned is found by the address of their folder."""
    folder = artifacts_of(job)
    bucket, name = bucket_of(folder, world)
    if bucket is None or job.contents is None:
        return
    config = {"base_model_name_or_path": job.request.base.name, "peft_type": "LORA", "r": 16}
    full = job.request.spec.get("tuningMode") == "TUNING_MODE_FULL"
    files = {
        "config.json" if full else "adapter_config.json": json.dumps(config, indent=1).encode(),
        "model.safetensors" if full else "adapter_model.safetensors": (8).to_bytes(8, "little") + b"{}      ",
        "tokenizer_config.json": b"{}",
    }
    for file, data in files.items():
        put(world, bucket, f"{name}/{file}", world.blobs.write([data]), content_type="application/octet-stream")
    world.artifacts[folder] = job


def artifacts_of(job: Job) -> str:
    return f"{str(job.request.body['outputUri']).rstrip('/')}/{ARTIFACTS}"
