"""Where the lives of clients are played: Azure's emulator, in the v1 API or a dated one, with a key or a token of Entra that ends."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from azure.core.credentials import AccessToken
from faulty_life import Lived, Staged, Told, play
from tuneport_azure.adapter.trainer import AzureTrainer
from tuneport_azure.emulator.courses import AzureCourse
from tuneport_azure.emulator.habits import AzureHabits
from tuneport_azure.emulator.resources import Quotas
from tuneport_openai.emulator.jobs import ENDED, Job

from tuneport.job import JobState
from tuneport.recipe import Recipe
from tuneport.testing.emulator import FaultPlan

from .azure_stage import DATED, Stage, recipe, staged

STATES = {"succeeded": JobState.SUCCEEDED, "failed": JobState.FAILED, "cancelled": JobState.CANCELLED}
TIERS = ("global", "developer")


@dataclass(frozen=True)
class Identity:
    """A credential of Entra whose tokens the platform knows. `ends_on`: by the machine's clock, which azure-identity goes by, never."""

    issue: Callable[[], str]

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken(self.issue(), 4_000_000_000)

    def get_token_info(self, *scopes: str, options: Any = None) -> Any:
        from azure.core.credentials import AccessTokenInfo

        return AccessTokenInfo(self.issue(), 4_000_000_000)


@dataclass(frozen=True)
class OnAzure(Staged):
    """A platform to live on. `version` of the API, None for v1; `entra`: whose tokens last a quarter of an hour."""

    stage: Stage
    marked: bool
    kind: type[AzureTrainer]
    version: str | None = None
    entra: bool = False
    name: str = "azure"

    def recipe(self, number: int) -> Recipe:
        chosen = recipe("gpt-4.1-mini", about=("card", "parcel")[number % 2], training_type=TIERS[number % 2])
        return chosen.model_copy(update={"seed": number})

    def trainer(self, http_client: httpx2.Client | None = None) -> AzureTrainer:
        profile = {"api_version": self.version} if self.version else {}
        if self.entra:
            profile["credential"] = "entra"
        return self.kind(self.stage.settings(**profile), http_client=http_client, credential=self._identity if self.entra else None)

    def jobs(self) -> list[Told]:
        self.stage.emulator.settle()
        return [_told(job) for job in self.stage.emulator.world.jobs.values()]

    def _identity(self) -> Any:
        return Identity(lambda: self.stage.emulator.token(role="user", life_s=900.0))


def _told(job: Job) -> Told:
    marks = job.request.metadata or {}
    ended = STATES[job.ended] if job.ended in ENDED else None
    return Told(f"contoso/{job.id}", marks["tuneport_client_id"], marks["tuneport_plan"], job.created_at, job.finished_at, ended)


def live(seed: int, home: Path, *, kind: type[AzureTrainer] = AzureTrainer) -> Lived:
    """Plays the run of `seed` in an empty folder, with trainers of that kind. Raises Broken."""
    chance = random.Random(f"azure life {seed}")
    marked = seed % 4 == 3
    habits = AzureHabits(
        absent_error=chance.choice(("object", "null")),
        keeps_metadata=marked,
        oldest_first=chance.random() < 0.5,
        listing_lag_s=chance.choice((0.0, 0.0, 5.0, 60.0, 400.0)),
        processing_s=chance.choice((0.0, 2.0, 40.0)),
        echoes_training_type=chance.choice(("canonical", "lower", "never")),
    )
    courses = [
        AzureCourse(
            running_s=chance.uniform(60, 4000),
            ends=chance.choice(("succeeded", "succeeded", "failed")),
            early_words=chance.choice((("pending", "pending"), ("validating_files", "queued"))),
        )
        for _ in range(12)
    ]
    faults = FaultPlan(seed=seed, share=chance.choice((0.0, 0.05, 0.1, 0.2, 0.3, 0.4)))
    version, entra = chance.choice((None, None, DATED)), chance.random() < 0.3
    quotas = Quotas(running_jobs=chance.choice((1, 3, None)))
    with staged(home, habits=habits, course=lambda number: courses[number % 12], faults=faults, quotas=quotas, seed=seed) as stage:
        return play(seed, OnAzure(stage, marked, kind, version, entra), chance)
