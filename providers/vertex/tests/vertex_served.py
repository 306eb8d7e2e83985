"""The emulated Vertex AI with tuned models, and a server of it, on one clock that a test owns."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneport_vertex.adapter.server import VertexServer
from tuneport_vertex.emulator import START, Habits, Serving, VertexEmulator

from tuneport.dataset import Dataset
from tuneport.model import Model
from tuneport.recipe import SFT, Recipe
from tuneport.testing import SimulatedClock
from tuneport.testing.emulator import SteppedClock

from .vertex_stage import GEMINI, Stage, chats

LLAMA = "meta/llama3_1@llama-3.1-8b"
PLACE = "/projects/{project}/locations/{location}"
DEPLOY = f"POST /v1beta1{PLACE}:deploy"
UNDEPLOY = f"POST /v1{PLACE}/endpoints/{{endpoint}}:undeployModel"
DELETE = f"DELETE /v1{PLACE}/endpoints/{{endpoint}}"
ASK = f"POST /v1beta1{PLACE}/endpoints/{{endpoint}}:generateContent"


@dataclass(frozen=True)
class Served(Stage):
    """`clock` is the client's and the platform's."""

    def server(self, **settings: Any) -> VertexServer:
        return VertexServer(self.settings(**settings))

    def tuned(
        self, base: str = GEMINI, *, about: str = "card", suffix: str | None = None, rows: Dataset | None = None, **settings: Any
    ) -> Model:
        """A finished job's model, as the trainer tells of it."""
        trainer = self.trainer(**settings)
        recipe = Recipe(base=base, train=rows or chats(about=about), method=SFT(epochs=2), suffix=suffix)
        plan = trainer.plan(recipe)
        files = {file.purpose: trainer.upload(file) for file in plan.files}
        job = trainer.create(plan, f"client-{about}-{len(self.emulator.world.jobs)}", files)
        self.clock.sleep(10_000)
        return trainer.result(job.provider_id)

    def asked(self, route: str = ASK) -> list[str]:
        """The paths that requests of that route went to."""
        return [entry.path for entry in self.emulator.log.of(route)]


@contextmanager
def served(home: Path, *, serving: Serving | None = None, habits: Habits | None = None, seed: int = 0) -> Iterator[Served]:
    clock = SimulatedClock(START)
    with VertexEmulator(seed=seed, clock=SteppedClock(clock), serving=serving, habits=habits or Habits(concurrent_jobs=50)) as emulator:
        yield Served(emulator, clock, home)
