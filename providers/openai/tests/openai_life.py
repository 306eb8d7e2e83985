"""Where the lives of clients are played: OpenAI's emulator, or a compatible endpoint that drops what is written on a job."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import httpx2
from tuneport_openai.adapter.trainer import OpenAITrainer
from tuneport_openai.emulator import Course, Habits
from tuneport_openai.emulator.jobs import ENDED, Job

from tuneport.job import JobState
from tuneport.provider import ProviderSettings
from tuneport.recipe import Recipe
from tuneport.testing.emulator import FaultPlan

from .faulty_life import Lived, Staged, Told, play
from .stage import LLAMA, NEBIUS, Stage, recipe, staged

STATES = {"succeeded": JobState.SUCCEEDED, "failed": JobState.FAILED, "cancelled": JobState.CANCELLED}


@dataclass(frozen=True)
class OnOpenAI(Staged):
    """A platform to live on. `marked`: it is OpenAI; else it is somebody who speaks its dialect."""

    stage: Stage
    marked: bool
    kind: type[OpenAITrainer]

    @property
    def name(self) -> str:
        return "openai" if self.marked else "nebius"

    def recipe(self, number: int) -> Recipe:
        base = "gpt-4.1-mini" if self.marked else LLAMA
        return recipe(base, about=("card", "parcel")[number % 2]).model_copy(update={"seed": number})

    def trainer(self, http_client: httpx2.Client | None = None) -> OpenAITrainer:
        return self.kind(self._settings(), http_client=http_client)

    def jobs(self) -> list[Told]:
        self.stage.emulator.settle()
        return [_told(job) for job in self.stage.emulator.world.jobs.values()]

    def _settings(self) -> ProviderSettings:
        return self.stage.settings() if self.marked else self.stage.settings("nebius", profile=NEBIUS)


def _told(job: Job) -> Told:
    marks = job.request.metadata or {}
    ended = STATES[job.ended] if job.ended in ENDED else None
    return Told(job.id, marks["tuneport_client_id"], marks["tuneport_plan"], job.created_at, job.finished_at, ended)


def live(seed: int, home: Path, *, kind: type[OpenAITrainer] = OpenAITrainer) -> Lived:
    """Plays the run of `seed` in an empty folder, with trainers of that kind. Raises Broken."""
    chance = random.Random(f"life {seed}")
    marked = seed % 4 != 3
    habits = Habits(
        absent_error=chance.choice(("object", "null")),
        keeps_metadata=marked,
        filters_by_metadata=chance.random() < 0.5,
        listing_lag_s=chance.choice((0.0, 0.0, 5.0, 60.0, 400.0)),
        processing_s=chance.choice((0.0, 2.0, 40.0)),
    )
    courses = [Course(running_s=chance.uniform(60, 4000), ends=chance.choice(("succeeded", "succeeded", "failed"))) for _ in range(12)]
    faults = FaultPlan(seed=seed, share=chance.choice((0.0, 0.05, 0.1, 0.2, 0.3, 0.4)))
    with staged(home, habits=habits, course=lambda number: courses[number % 12], faults=faults, seed=seed) as stage:
        return play(seed, OnOpenAI(stage, marked, kind), chance)
