"""The emulated Azure and clients of it, on one clock that a test owns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from stage import chats
from tuneport_azure.adapter.trainer import AzureTrainer
from tuneport_azure.emulator import AzureEmulator
from tuneport_azure.emulator.courses import AzureCourse
from tuneport_azure.emulator.habits import AzureHabits
from tuneport_azure.emulator.platform import GROUP, START, SUBSCRIPTION
from tuneport_azure.emulator.resources import UNLIMITED, Quotas

from tuneport.provider import ProviderSettings
from tuneport.recipe import SFT, Recipe
from tuneport.testing import SimulatedClock
from tuneport.testing.emulator import FaultPlan, SteppedClock

DATED = "2025-04-01-preview"
CREATE = "POST /{resource}/openai/v1/fine_tuning/jobs"


@dataclass(frozen=True)
class Stage:
    """`clock` is the client's and the platform's."""

    emulator: AzureEmulator
    clock: SimulatedClock
    home: Path

    def settings(
        self, name: str = "azure", *, resource: str = "contoso", environ: Mapping[str, str] | None = None, **profile: Any
    ) -> ProviderSettings:
        """As a client would give them, by the SDK's variables; `profile` is the table of that name."""
        given = {"AZURE_OPENAI_ENDPOINT": self.emulator.endpoint(resource), "AZURE_OPENAI_API_KEY": self.emulator.key(resource)}
        return ProviderSettings(name=name, home=self.home, environ=given if environ is None else environ, profile=profile, clock=self.clock)

    def trainer(self, *, http_client: httpx2.Client | None = None, credential: Any = None, **settings: Any) -> AzureTrainer:
        return AzureTrainer(self.settings(**settings), http_client=http_client, credential=credential)

    def managed(self, **settings: Any) -> AzureTrainer:
        """One that may look at the management plane as well, as an owner."""
        environ = {
            **self.settings(resource=settings.get("resource", "contoso")).environ,
            "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
            "AZURE_RESOURCE_GROUP": GROUP,
            "AZURE_MANAGEMENT_TOKEN": self.emulator.token(role=settings.pop("role", "owner")),
        }
        return self.trainer(environ=environ, management_url=self.emulator.management_url, **settings)

    def body(self, job_id: str) -> Any:
        """What the job was asked for with."""
        return self.emulator.world.jobs[job_id.partition("/")[2]].request


@contextmanager
def staged(
    home: Path,
    *,
    habits: AzureHabits | None = None,
    course: AzureCourse | Callable[[int], AzureCourse] | None = None,
    faults: FaultPlan | None = None,
    quotas: Quotas = UNLIMITED,
    seed: int = 0,
) -> Iterator[Stage]:
    """Azure from 2026-11-21 on; files are processed at once, and jobs have no limits, unless somebody says otherwise."""
    clock = SimulatedClock(START)
    with AzureEmulator(
        seed=seed,
        clock=SteppedClock(clock),
        habits=habits or AzureHabits(processing_s=0.0),
        course=course,
        faults=faults,
        quotas=quotas,
    ) as emulator:
        yield Stage(emulator, clock, home)


def recipe(base: str = "gpt-4.1-mini", *, about: str = "card", **options: Any) -> Recipe:
    """A small recipe that is accepted; `options` are those of the provider."""
    return Recipe(base=base, train=chats(about=about), method=SFT(epochs=2), options={"azure": options} if options else {})
