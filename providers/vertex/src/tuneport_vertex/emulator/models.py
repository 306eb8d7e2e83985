"""The model registry: models, their versions, and the checkpoints of tuned ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tuneport_vertex.emulator import refusals
from tuneport_vertex.emulator.bases import Base
from tuneport_vertex.emulator.memory import Memory
from tuneport_vertex.emulator.world import Place, World, stamp

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What training had come to at the end of an epoch. `share` of the training was behind it; `endpoint` is its resource name."""

    id: str
    epoch: int
    step: int
    share: float
    endpoint: str


@dataclass(slots=True)
class Version:
    """One version of a model. `base` is what it was tuned from; None for one that was uploaded from anywhere."""

    model: Model
    id: str
    display_name: str
    created_at: datetime
    base: Base | None = None
    memory: Memory | None = None
    checkpoints: Sequence[Checkpoint] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    aliases: list[str] = field(default_factory=list)
    described: Mapping[str, Any] = field(default_factory=dict)
    """What an upload said of it: its container, where its files are, and so on."""

    @property
    def name(self) -> str:
        return f"{self.model.name}@{self.id}"

    @property
    def last(self) -> Checkpoint | None:
        return self.checkpoints[-1] if self.checkpoints else None


@dataclass(slots=True)
class Model:
    """A model of the registry, with at least one version."""

    place: Place
    id: str
    created_at: datetime
    versions: dict[str, Version] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.place.name}/models/{self.id}"

    @property
    def default(self) -> Version:
        return next((one for one in self.versions.values() if DEFAULT in one.aliases), next(iter(self.versions.values())))

    def version(self, called: str | None) -> Version | None:
        """By its id or one of its aliases; the default one without a name."""
        if called is None:
            return self.default
        return self.versions.get(called) or next((one for one in self.versions.values() if called in one.aliases), None)


def add_version(model: Model, *, display_name: str, at: datetime, default: bool = True) -> Version:
    """The next version, numbered on. The first is always the default."""
    version = Version(model, str(len(model.versions) + 1), display_name, at)
    if default or not model.versions:
        for one in model.versions.values():
            one.aliases = [alias for alias in one.aliases if alias != DEFAULT]
        version.aliases = [DEFAULT]
    model.versions[version.id] = version
    return version


def version_called(name: str, place: Place, world: World) -> Version:
    """The version of a resource name of this project and location. Raises Refusal."""
    path, _, called = name.partition("@")
    model = world.models.get(world.full(path))
    version = None if model is None or not _reached(model.place, place) else model.version(called or None)
    if version is None:
        raise refusals.not_found("model", name)
    return version


def _reached(model: Place, asked: Place) -> bool:
    """Whether a model of one place can be used in another: in its own, and from the regions that its multi-region is around."""
    around = {"us": "us-", "eu": "europe-"}.get(model.location, "/")
    return model.project is asked.project and (model.location == asked.location or asked.location.startswith(around))


def version_json(version: Version, deployed: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    """A google.cloud.aiplatform Model. `deployed`: where it is, as {endpoint, deployedModelId}."""
    model, last = version.model, version.last
    value: dict[str, Any] = {
        **version.described,
        "name": model.name,
        "versionId": version.id,
        "versionAliases": version.aliases,
        "versionCreateTime": stamp(version.created_at),
        "versionUpdateTime": stamp(version.created_at),
        "displayName": version.display_name,
        "createTime": stamp(model.created_at),
        "updateTime": stamp(version.created_at),
        "etag": f"AMEw9y{version.id}",
        "labels": dict(version.labels),
        "deployedModels": list(deployed),
    }
    if version.base is not None:
        value["supportedDeploymentResourcesTypes"] = ["SHARED_RESOURCES"]
        value["modelSourceInfo"] = {"sourceType": "GENIE"}
        value["baseModelSource"] = {"genieSource": {"baseModelUri": f"publishers/google/models/{version.base.name}"}}
        value["checkpoints"] = [checkpoint_json(one) for one in version.checkpoints]
        value["defaultCheckpointId"] = last.id if last else ""
    return {key: inner for key, inner in value.items() if inner not in ("", [], {})}


def checkpoint_json(checkpoint: Checkpoint) -> dict[str, str]:
    return {"checkpointId": checkpoint.id, "epoch": str(checkpoint.epoch), "step": str(checkpoint.step)}
