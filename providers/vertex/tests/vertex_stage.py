"""The emulated Vertex AI and clients of it, on one clock that a test owns."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tuneport_vertex.adapter.trainer import VertexTrainer
from tuneport_vertex.emulator import START, Course, Habits, VertexEmulator
from tuneport_vertex.emulator.jobs import Job

from tuneport.dataset import Dataset
from tuneport.examples import ChatExample, Message, PreferenceExample, PromptExample
from tuneport.provider import ProviderSettings
from tuneport.recipe import SFT, Recipe
from tuneport.testing import SimulatedClock
from tuneport.testing.emulator import FaultPlan, SteppedClock

GEMINI = "gemini-3.5-flash"
GEMMA = "google/gemma3@gemma-3-27b-it"
JOBS = "/projects/{project}/locations/{location}/tuningJobs"
CREATE = f"POST /v1beta1{JOBS}"
LIST = f"GET /v1beta1{JOBS}"
DAY = 86_400


@dataclass(frozen=True)
class Stage:
    """`clock` is the client's and the platform's."""

    emulator: VertexEmulator
    clock: SimulatedClock
    home: Path

    def settings(self, name: str = "vertex", *, environ: Mapping[str, str] | None = None, **profile: Any) -> ProviderSettings:
        """As a client would give them, by the variables that the emulator prints; `profile` is the table of that name."""
        given = {**self.emulator.exports, **(environ or {})}
        return ProviderSettings(name=name, home=self.home, environ=given, profile=profile, clock=self.clock)

    def trainer(self, **settings: Any) -> VertexTrainer:
        return VertexTrainer(self.settings(**settings))

    def job(self, job_id: str) -> Job:
        """The job by the platform's own record."""
        return self.emulator.world.jobs[job_id.rpartition("/")[2]]

    def sent(self, job_id: str) -> Mapping[str, Any]:
        """The body that the job was asked for with."""
        return self.job(job_id).request.body


@contextmanager
def staged(
    home: Path,
    *,
    habits: Habits | None = None,
    course: Course | Callable[[int], Course] | None = None,
    faults: FaultPlan | None = None,
    start: datetime = START,
    seed: int = 0,
) -> Iterator[Stage]:
    """Vertex AI from 2026-11-21 on, with room for many jobs at a time, unless `habits` say otherwise."""
    clock = SimulatedClock(start)
    with VertexEmulator(
        seed=seed, clock=SteppedClock(clock), habits=habits or Habits(concurrent_jobs=50), course=course, faults=faults
    ) as emulator:
        yield Stage(emulator, clock, home)


def chats(count: int = 60, *, about: str = "card") -> Dataset:
    """Rows of a question and an answer."""
    words = ("lost", "stolen", "expired", "blocked")
    rows = [
        ChatExample((Message("user", f"My {about} number {n} is {words[n % 4]}"), Message("assistant", f"It is {words[n % 4]}")))
        for n in range(count)
    ]
    return Dataset.from_examples(rows, name=f"{about}s")


def pairs(count: int = 12) -> Dataset:
    """Rows of a question, a better and a worse answer."""
    rows = [
        PreferenceExample(
            (Message("user", f"My card number {n} is lost"),),
            chosen=(Message("assistant", f"I have blocked card {n}"),),
            rejected=(Message("assistant", "Bad luck"),),
        )
        for n in range(count)
    ]
    return Dataset.from_examples(rows, name="pairs")


def prompts(count: int = 12) -> Dataset:
    """Rows of a question and what a grader compares the answer to."""
    rows = [PromptExample((Message("user", f"What is {n} and {n}?"),), reference=str(2 * n), extra={"level": n % 3}) for n in range(count)]
    return Dataset.from_examples(rows, name="sums")


def recipe(base: str = GEMINI, *, about: str = "card", rows: int = 60, **options: Any) -> Recipe:
    """A small recipe that is accepted; `options` are those of the provider."""
    return Recipe(base=base, train=chats(rows, about=about), method=SFT(epochs=2), options={"vertex": options} if options else {})
