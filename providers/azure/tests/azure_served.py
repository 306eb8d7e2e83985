"""The emulated Azure with a tuned model in `contoso`, and a server of it, on one clock that a test owns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from tuneport_azure.adapter.server import AzureServer
from tuneport_azure.emulator import AzureEmulator
from tuneport_azure.emulator.courses import DeploymentCourse
from tuneport_azure.emulator.habits import AzureHabits
from tuneport_azure.emulator.platform import GROUP, START, SUBSCRIPTION

from tuneport.model import Deployment, Model
from tuneport.provider import ProviderSettings
from tuneport.testing import SimulatedClock
from tuneport.testing.emulator import SteppedClock

from .azure_emulated import GPT, close_clients, tuned, v1

ACCOUNTS = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.CognitiveServices/accounts"
ONE = f"{ACCOUNTS}/{{account}}/deployments/{{deployment}}"
PUT, GET, DELETE = f"PUT {ONE}", f"GET {ONE}", f"DELETE {ONE}"
METRICS = f"GET {ACCOUNTS}/{{account}}/providers/Microsoft.Insights/metrics"
CHAT = "POST /{resource}/openai/v1/chat/completions"


@dataclass
class Served:
    """`bare` is the vendor's own id of the tuned model. `clock` is the client's and the platform's."""

    emulator: AzureEmulator
    clock: SimulatedClock
    home: Path
    bare: str
    job: str

    def settings(self, name: str = "azure", *, role: str = "owner", **changes: Any) -> ProviderSettings:
        """`changes`: of the profile; None leaves a key out."""
        resource = changes.pop("resource", "contoso")
        token = changes.pop("token", None) or self.emulator.token(role=role, life_s=10_000_000)
        profile: dict[str, Any] = {
            "endpoint": self.emulator.endpoint(resource),
            "subscription": SUBSCRIPTION,
            "resource_group": GROUP,
            "management_url": self.emulator.management_url,
            **changes,
        }
        environ = {"AZURE_OPENAI_API_KEY": self.emulator.key(resource), "AZURE_MANAGEMENT_TOKEN": token}
        profile = {key: value for key, value in profile.items() if value is not None}
        return ProviderSettings(name=name, home=self.home, environ=environ, profile=profile, clock=self.clock)

    def server(self, *, http_client: httpx2.Client | None = None, **changes: Any) -> AzureServer:
        return AzureServer(self.settings(**changes), http_client=http_client)

    @property
    def model(self) -> Model:
        public = f"contoso/{self.bare}"
        return Model(uri=f"azure:{public}", provider="azure", id=public, base=GPT)

    def deployed(self, server: AzureServer, options: Mapping[str, Any] | None = None) -> Deployment:
        """A deployment of the model that is ready and heard of."""
        begun = server.deploy(self.model, options=options or {})
        self.clock.sleep(600)
        return server.deployment(begun.id)

    def puts(self) -> int:
        return self.emulator.log.count(PUT)


@contextmanager
def served(
    home: Path,
    *,
    deployment: DeploymentCourse | Callable[[int], DeploymentCourse] | None = None,
    habits: AzureHabits | None = None,
    seed: int = 0,
) -> Iterator[Served]:
    clock = SimulatedClock(START)
    stepped = SteppedClock(clock)
    with AzureEmulator(seed=seed, clock=stepped, deployment=deployment, habits=habits) as emulator:
        job = tuned(v1(emulator), stepped, suffix="tickets")
        close_clients()
        assert job.fine_tuned_model
        yield Served(emulator, clock, home, job.fine_tuned_model, job.id)
