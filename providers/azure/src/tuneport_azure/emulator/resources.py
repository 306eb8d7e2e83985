"""An Azure OpenAI resource (to Azure Resource Manager: an account), and how much of everything it may have."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuneport_azure.emulator.deployments import Deployment


@dataclass(frozen=True, slots=True)
class Quotas:
    """Per resource; None: any number. Figures: an older quotas page of Microsoft's (read 2026-11-21); the present ones were not found."""

    running_jobs: int | None = 1
    waiting_jobs: int | None = 20
    jobs: int | None = 100
    files: int | None = 100
    deployments: int | None = 5
    capacity: int = 250
    """Of each pool of tokens per minute (thousands), for a subscription in a region, unless the world's `pools` say otherwise."""


UNLIMITED = Quotas(None, None, None, None, None, 1_000_000)


@dataclass(slots=True)
class Resource:
    """`keys` work for it. `keys_disabled`: only Entra tokens come in; `network_closed`: nobody does."""

    name: str
    location: str
    subscription: str
    group: str
    keys: list[str]
    kind: str = "AIServices"
    keys_disabled: bool = False
    network_closed: bool = False
    deployments: dict[str, Deployment] = field(default_factory=dict)
    removed: list[Deployment] = field(default_factory=list)
    """Deployments that are no more."""
    requests: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    """When each deployment name was asked something."""

    @property
    def arm_id(self) -> str:
        group = f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
        return f"{group}/providers/Microsoft.CognitiveServices/accounts/{self.name}"
