"""A deployment: how it comes to be, what it serves, and how it ends, by itself or not."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from tuneport_openai.emulator.world import TunedModel

from tuneport_azure.emulator.bases import AzureBase
from tuneport_azure.emulator.courses import DeploymentCourse
from tuneport_azure.emulator.resources import Resource
from tuneport_azure.emulator.world import AzureWorld

ACCEPTED, CREATING, SUCCEEDED, DELETING = "Accepted", "Creating", "Succeeded", "Deleting"
UNDER_WAY: Final = (ACCEPTED, CREATING, DELETING)
DEVELOPER_SKU = "DeveloperTier"
DEVELOPER_LIFE, IDLE_LIFE = timedelta(hours=24), timedelta(days=15)


@dataclass(slots=True)
class Deployment:
    """`model` is as the PUT said it (format, name, version, perhaps source). `tuned` None: it serves the base itself.

    `begun_at`: when the last PUT of it began; `created_at`: when the first did. `removed_because`: once it is gone.
    """

    name: str
    model: dict[str, str]
    sku: str
    capacity: int
    base: AzureBase
    tuned: TunedModel | None
    course: DeploymentCourse
    created_by: str
    created_at: datetime
    begun_at: datetime
    tags: dict[str, str]
    used_at: datetime | None = None
    deleting_since: datetime | None = None
    removed_at: datetime | None = None
    removed_because: str = ""

    def state(self, now: datetime) -> str:
        """The vendor's provisioningState."""
        if self.deleting_since is not None:
            return DELETING
        passed_s = (now - self.begun_at).total_seconds()
        if passed_s < self.course.accepted_s:
            return ACCEPTED
        return CREATING if passed_s < self.course.provisioning_s else self.course.ends

    def heard(self, now: datetime) -> bool:
        """Whether the data plane knows it."""
        return self.state(now) == SUCCEEDED and now >= self.begun_at + timedelta(seconds=self.course.provisioning_s + self.course.unheard_s)

    def answers(self, now: datetime) -> bool:
        return self.state(now) == SUCCEEDED and now >= self.begun_at + timedelta(seconds=self.course.provisioning_s + self.course.heard_s)

    @property
    def pool(self) -> str:
        """The quota that its capacity comes from."""
        return f"OpenAI.{self.sku}.{self.base.pool}{'-finetune' if self.tuned else ''}"

    def end(self) -> tuple[datetime, str] | None:
        """When it will be gone if nothing happens, and why; None: never."""
        if self.deleting_since is not None:
            return self.deleting_since + timedelta(seconds=self.course.deleting_s), "deleted"
        if self.tuned is None:
            return None
        if self.sku == DEVELOPER_SKU:
            return self.created_at + DEVELOPER_LIFE, "24 hours"
        return max(self.created_at, self.used_at or self.created_at) + IDLE_LIFE, "idle"


def current(resource: Resource, world: AzureWorld) -> dict[str, Deployment]:
    """The deployments that are there now, by name: those whose time has come are gone."""
    now = world.now()
    for name, deployment in list(resource.deployments.items()):
        end = deployment.end()
        if end is not None and end[0] <= now:
            deployment.removed_at, deployment.removed_because = end
            resource.removed.append(resource.deployments.pop(name))
    return resource.deployments


def busy(resource: Resource, world: AzureWorld) -> bool:
    """Whether an operation on the account is under way."""
    return any(deployment.state(world.now()) in UNDER_WAY for deployment in current(resource, world).values())


def used(pool: str, resource: Resource, world: AzureWorld) -> int:
    """The capacity taken from the pool in the subscription and region of the resource."""
    neighbours = [one for one in world.resources.values() if (one.subscription, one.location) == (resource.subscription, resource.location)]
    return sum(one.capacity for neighbour in neighbours for one in current(neighbour, world).values() if one.pool == pool)


def limit(pool: str, world: AzureWorld) -> int:
    return world.pools.get(pool, world.quotas.capacity)
