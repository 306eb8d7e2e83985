"""The emulated workspace with tuned models, and a server of it, on one clock that a test owns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneport_azureml.adapter.server import AzureMLServer
from tuneport_azureml.emulator import START, AzureMLEmulator, Habits, Serving

from tuneport.deploying import begin, follow
from tuneport.model import Deployment, Model
from tuneport.recipe import Recipe
from tuneport.testing import SimulatedClock
from tuneport.testing.emulator import FaultPlan, SteppedClock

from .azureml_stage import WORKSPACE, Stage, recipe

ONE = f"{WORKSPACE}/serverlessEndpoints/{{endpoint}}"
PUT_ENDPOINT, GET_ENDPOINT, DELETE_ENDPOINT, KEYS = f"PUT {ONE}", f"GET {ONE}", f"DELETE {ONE}", f"POST {ONE}/listKeys"
ONLINE = f"{WORKSPACE}/onlineEndpoints/{{endpoint}}"
PUT_ONLINE, PUT_MACHINES = f"PUT {ONLINE}", f"PUT {ONLINE}/deployments/{{deployment}}"
SCORE = "POST /online/{endpoint}/score"
ASK = "POST /serverless/{endpoint}/v1/chat/completions"


@dataclass(frozen=True)
class Served(Stage):
    """`clock` is the client's and the platform's."""

    def server(self, *, credential: Any = None, **settings: Any) -> AzureMLServer:
        return AzureMLServer(self.settings(**settings), credential=credential)

    def made(self, chosen: Recipe | None = None, *, name: str = "job-1", credential: Any = None, **profile: Any) -> str:
        """The name of a job that has ended by now."""
        trainer = self.trainer(credential=credential, **profile)
        plan = trainer.plan(chosen or recipe())
        job = trainer.create(plan, name, {file.purpose: trainer.upload(file) for file in plan.files})
        self.clock.sleep(10_000)
        return job.provider_id

    def tuned(self, chosen: Recipe | None = None, *, name: str = "job-1", **profile: Any) -> Model:
        """The model of such a job, as the trainer tells of it."""
        return self.trainer(**profile).result(self.made(chosen, name=name, **profile))

    def deployed(self, model: Model) -> Deployment:
        """An endpoint of it that answers by now."""
        server = self.server()
        ready = follow(server, begin(server, model, options={}, clock=self.clock), clock=self.clock)
        self.clock.sleep(60)
        return ready

    def endpoints(self) -> list[str]:
        """What is really there, by the platform's own record."""
        now = self.clock.true_now()
        shelf = self.emulator.world.shelf
        return [each.name for each in (*shelf.endpoints.values(), *shelf.online.values()) if each.state(now) is not None]


@contextmanager
def served(
    home: Path, *, serving: Serving | None = None, habits: Habits | None = None, faults: FaultPlan | None = None, seed: int = 0
) -> Iterator[Served]:
    clock = SimulatedClock(START)
    with AzureMLEmulator(seed=seed, clock=SteppedClock(clock), serving=serving, habits=habits, faults=faults) as emulator:
        yield Served(emulator, clock, home)
