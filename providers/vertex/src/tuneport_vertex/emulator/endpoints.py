"""Endpoints, and the models that are deployed on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tuneport_vertex.emulator.models import Checkpoint, Version
from tuneport_vertex.emulator.world import Place, World, stamp


@dataclass(slots=True)
class Deployed:
    """A model on an endpoint. `said` is what the deployment asked for: machines, a service account, and so on."""

    id: str
    version: Version
    display_name: str
    created_at: datetime
    checkpoint: Checkpoint | None = None
    said: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Endpoint:
    """An endpoint. `shared`: made by tuning, on hardware that nobody pays for by the hour."""

    place: Place
    id: str
    display_name: str
    created_at: datetime
    labels: dict[str, str] = field(default_factory=dict)
    shared: bool = False
    said: Mapping[str, Any] = field(default_factory=dict)
    deployed: dict[str, Deployed] = field(default_factory=dict)
    traffic: dict[str, int] = field(default_factory=dict)
    updated_at: datetime | None = None

    @property
    def name(self) -> str:
        return f"{self.place.name}/endpoints/{self.id}"

    @property
    def answering(self) -> Deployed | None:
        """What answers: whatever gets most of the traffic."""
        ids = sorted(self.traffic, key=lambda one: -self.traffic[one])
        return next((self.deployed[one] for one in ids if one in self.deployed), next(iter(self.deployed.values()), None))


def endpoint_json(endpoint: Endpoint) -> dict[str, Any]:
    """A google.cloud.aiplatform Endpoint."""
    value = {
        **endpoint.said,
        "name": endpoint.name,
        "displayName": endpoint.display_name,
        "deployedModels": [_deployed_json(one) for one in endpoint.deployed.values()],
        "trafficSplit": dict(endpoint.traffic),
        "etag": "AMEw9yN",
        "labels": dict(endpoint.labels),
        "createTime": stamp(endpoint.created_at),
        "updateTime": stamp(endpoint.updated_at or endpoint.created_at),
    }
    return {key: inner for key, inner in value.items() if inner not in ("", [], {})}


def _deployed_json(deployed: Deployed) -> dict[str, Any]:
    value = {
        **deployed.said,
        "id": deployed.id,
        "model": deployed.version.model.name,
        "modelVersionId": deployed.version.id,
        "displayName": deployed.display_name,
        "createTime": stamp(deployed.created_at),
    }
    return value | ({"checkpointId": deployed.checkpoint.id} if deployed.checkpoint else {})


def deployments_of(version: Version, world: World) -> list[dict[str, str]]:
    """Where the version is deployed."""
    return [
        {"endpoint": endpoint.name, "deployedModelId": one.id}
        for endpoint in world.endpoints.values()
        for one in endpoint.deployed.values()
        if one.version is version
    ]
