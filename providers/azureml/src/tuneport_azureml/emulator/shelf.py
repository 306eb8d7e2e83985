"""What is registered and what is served in a workspace, as records."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from tuneport.testing.emulator.recall import Memory


@dataclass(slots=True)
class Registered:
    """A version of a model. `memory` is what it answers from, of one that was tuned to chat here. `serverless`: it was tuned on the
    service's own machines, and can be served on them."""

    name: str
    version: str
    properties: dict[str, Any]
    created_at: datetime
    memory: Memory[str] | None = None
    serverless: bool = False


@dataclass(frozen=True, slots=True)
class Serving:
    """What becomes of endpoints. All times are seconds by the emulator's clock; `deaf_s`: how long a ready one does not answer yet.

    Of an online endpoint `endpoint_s` is the time until it stands, and `creating_s` that until its deployment does.
    """

    creating_s: float = 240.0
    deleting_s: float = 30.0
    deaf_s: float = 20.0
    endpoint_s: float = 60.0
    ends: Literal["Succeeded", "Failed", "Canceled"] = "Succeeded"


@dataclass(slots=True)
class Endpoint:
    """A serverless endpoint. `puts` counts what was sent under its name; `suspended`: its subscription to the offer has ended."""

    name: str
    properties: dict[str, Any]
    location: str
    tags: dict[str, str]
    keys: tuple[str, str]
    created_at: datetime
    serving: Serving
    begun_at: datetime
    deleted_at: datetime | None = None
    puts: int = 1
    suspended: bool = False

    def state(self, now: datetime) -> str | None:
        """The word of that moment; None once it is gone."""
        if self.deleted_at is not None:
            return "Deleting" if now < self.deleted_at + timedelta(seconds=self.serving.deleting_s) else None
        if now < self.begun_at + timedelta(seconds=self.serving.creating_s):
            return "Creating" if self.puts == 1 else "Updating"
        return self.serving.ends

    def hears(self, now: datetime) -> bool:
        """Whether it answers questions."""
        ready_at = self.begun_at + timedelta(seconds=self.serving.creating_s + self.serving.deaf_s)
        return self.state(now) == "Succeeded" and now >= ready_at and not self.suspended


@dataclass(slots=True)
class OnlineDeployment:
    """Machines of an online endpoint with a model on them."""

    name: str
    properties: dict[str, Any]
    capacity: int
    tags: dict[str, str]
    begun_at: datetime
    puts: int = 1


@dataclass(slots=True)
class OnlineEndpoint:
    """A managed online endpoint with its deployments by their names."""

    name: str
    properties: dict[str, Any]
    location: str
    tags: dict[str, str]
    keys: tuple[str, str]
    created_at: datetime
    serving: Serving
    deleted_at: datetime | None = None
    puts: int = 1
    deployments: dict[str, OnlineDeployment] = field(default_factory=dict)

    def state(self, now: datetime) -> str | None:
        """The word of that moment; None once it is gone, with all that was on it."""
        if self.deleted_at is not None:
            return "Deleting" if now < self.deleted_at + timedelta(seconds=self.serving.deleting_s) else None
        return "Creating" if now < self.created_at + timedelta(seconds=self.serving.endpoint_s) else "Succeeded"

    def deployment_state(self, deployment: OnlineDeployment, now: datetime) -> str:
        if self.deleted_at is not None:
            return "Deleting"
        if now < deployment.begun_at + timedelta(seconds=self.serving.creating_s):
            return "Creating" if deployment.puts == 1 else "Updating"
        return self.serving.ends

    def hears(self, deployment: OnlineDeployment, now: datetime) -> bool:
        """Whether the deployment answers questions."""
        ready_at = deployment.begun_at + timedelta(seconds=self.serving.creating_s + self.serving.deaf_s)
        return self.state(now) == "Succeeded" and self.deployment_state(deployment, now) == "Succeeded" and now >= ready_at


@dataclass(slots=True)
class Shelf:
    """Models by name and version. `filled`: the jobs whose models have been put there; `archived`: names. Endpoints by their names,
    `online` those on machines by the hour."""

    models: dict[tuple[str, str], Registered] = field(default_factory=dict)
    filled: set[str] = field(default_factory=set)
    archived: set[str] = field(default_factory=set)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    online: dict[str, OnlineEndpoint] = field(default_factory=dict)
