"""The emulated workspace and clients of it, on one clock that a test owns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from azure.core.credentials import AccessToken
from tuneport_azureml.adapter.trainer import AzureMLTrainer
from tuneport_azureml.emulator import START, AzureMLEmulator, Course, Habits
from tuneport_azureml.emulator.world import Job

from tuneport.dataset import Dataset
from tuneport.examples import ChatExample, LabelledExample, Message
from tuneport.provider import ProviderSettings
from tuneport.recipe import SFT, Recipe
from tuneport.testing import SimulatedClock
from tuneport.testing.emulator import FaultPlan, SteppedClock

PHI = "Phi-3-mini-4k-instruct"
BERT = "azureml://registries/azureml/models/bert-base-uncased/versions/3"
GPT = "azureml://registries/azure-openai/models/gpt-4o-mini/versions/1"
WORKSPACE = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
PUT_JOB, GET_JOB, LIST = f"PUT {WORKSPACE}/jobs/{{job}}", f"GET {WORKSPACE}/jobs/{{job}}", f"GET {WORKSPACE}/jobs"
PUT_DATA = f"PUT {WORKSPACE}/data/{{name}}/versions/{{version}}"
PUT_BLOB = "PUT /{account}/{container}/{folder}/{name}"
DAY = 86_400


@dataclass(frozen=True)
class Stage:
    """`clock` is the client's and the platform's."""

    emulator: AzureMLEmulator
    clock: SimulatedClock
    home: Path

    def settings(self, name: str = "azureml", *, environ: Mapping[str, str] | None = None, **profile: Any) -> ProviderSettings:
        """As a client would give them, by the variables that the emulator prints; `profile` is the table of that name."""
        given = {**self.emulator.exports, **(environ or {})}
        return ProviderSettings(name=name, home=self.home, environ=given, profile=profile, clock=self.clock)

    def trainer(self, *, session: requests.Session | None = None, credential: Any = None, **settings: Any) -> AzureMLTrainer:
        return AzureMLTrainer(self.settings(**settings), session=session, credential=credential)

    def job(self, name: str) -> Job:
        """The job by the platform's own record."""
        return self.emulator.world.jobs[name]


@dataclass(frozen=True)
class Identity:
    """An identity whose tokens the platform knows for so long; by the machine's clock they never end."""

    stage: Stage
    life_s: float = 900.0

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken(self.stage.emulator.token(life_s=self.life_s, audience=scopes[0].removesuffix("/.default")), 4_000_000_000)


@contextmanager
def staged(
    home: Path,
    *,
    habits: Habits | None = None,
    course: Course | Callable[[int], Course] | None = None,
    faults: FaultPlan | None = None,
    seed: int = 0,
) -> Iterator[Stage]:
    """Azure ML from 2026-11-21 on."""
    clock = SimulatedClock(START)
    with AzureMLEmulator(seed=seed, clock=SteppedClock(clock), habits=habits, course=course, faults=faults) as emulator:
        yield Stage(emulator, clock, home)


def chats(count: int = 40, *, about: str = "card") -> Dataset:
    """Rows of a question and an answer."""
    words = ("lost", "stolen", "expired", "blocked")
    rows = [
        ChatExample((Message("user", f"My {about} number {n} is {words[n % 4]}"), Message("assistant", f"It is {words[n % 4]}")))
        for n in range(count)
    ]
    return Dataset.from_examples(rows, name=f"{about}s")


def labelled(count: int = 20) -> Dataset:
    """Rows of a text and its label."""
    rows = [LabelledExample(f"My card number {n} is {('lost', 'late')[n % 2]}", label=("lost", "late")[n % 2]) for n in range(count)]
    return Dataset.from_examples(rows, name="labels")


def recipe(base: str = PHI, *, about: str = "card", rows: int = 40, **options: Any) -> Recipe:
    """A small recipe that is accepted; `options` are those of the provider."""
    return Recipe(base=base, train=chats(rows, about=about), method=SFT(epochs=2), options={"azureml": options} if options else {})
