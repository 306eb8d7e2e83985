"""The emulated platform and a client of it, on one clock that a test owns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from tuneport_openai.adapter.server import OpenAIServer
from tuneport_openai.adapter.trainer import OpenAITrainer
from tuneport_openai.emulator import Base, Course, Habits, OpenAIEmulator
from tuneport_openai.emulator.bases import KNOWN
from tuneport_openai.emulator.platform import START

from tuneport.dataset import Dataset
from tuneport.examples import ChatExample, Message
from tuneport.provider import ProviderSettings
from tuneport.recipe import SFT, Recipe
from tuneport.testing import SimulatedClock
from tuneport.testing.emulator import FaultPlan, SteppedClock

CREATE = "POST /v1/fine_tuning/jobs"
LIST = "GET /v1/fine_tuning/jobs"
RETRIEVE = "GET /v1/fine_tuning/jobs/{job_id}"
LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
NEBIUS: Mapping[str, Any] = {
    "provider": "openai",
    "api_key_env": "NEBIUS_API_KEY",
    "quirks": ["no_metadata"],
}


@dataclass(frozen=True)
class Stage:
    """`clock` is the client's and the platform's."""

    emulator: OpenAIEmulator
    clock: SimulatedClock
    home: Path

    def settings(self, name: str = "openai", *, profile: Mapping[str, Any] | None = None, key: str | None = None) -> ProviderSettings:
        """As a client would give them: at OpenAI by the SDK's variables, elsewhere by a profile."""
        key = key or self.emulator.open_key
        if profile is None:
            environ = {"OPENAI_API_KEY": key, "OPENAI_BASE_URL": self.emulator.base_url}
            return ProviderSettings(name=name, home=self.home, environ=environ, clock=self.clock)
        environ = {str(profile["api_key_env"]): key}
        profile = {**profile, "base_url": self.emulator.base_url}
        return ProviderSettings(name=name, home=self.home, environ=environ, profile=profile, clock=self.clock)

    def trainer(self, *, key: str | None = None, http_client: httpx2.Client | None = None) -> OpenAITrainer:
        return OpenAITrainer(self.settings(key=key), http_client=http_client)

    def elsewhere(self, *quirks: str) -> OpenAITrainer:
        """A trainer of a compatible endpoint."""
        return OpenAITrainer(self.settings("nebius", profile={**NEBIUS, "quirks": list(quirks)}))

    def server(self) -> OpenAIServer:
        return OpenAIServer(self.settings())


@contextmanager
def staged(
    home: Path,
    *,
    habits: Habits | None = None,
    course: Course | Callable[[int], Course] | None = None,
    faults: FaultPlan | None = None,
    bases: Sequence[Base] = (),
    seed: int = 0,
) -> Iterator[Stage]:
    """The platform from 2026-11-21 on; files are processed at once unless `habits` say otherwise."""
    clock = SimulatedClock(START)
    with OpenAIEmulator(
        seed=seed,
        clock=SteppedClock(clock),
        habits=habits or Habits(processing_s=0.0),
        course=course,
        faults=faults,
        bases=(*KNOWN, Base(LLAMA, ("supervised",)), *bases),
    ) as emulator:
        yield Stage(emulator, clock, home)


def chats(count: int = 12, *, about: str = "card") -> Dataset:
    """Rows of a question and an answer."""
    words = ("lost", "stolen", "expired", "blocked")
    rows = [
        ChatExample((Message("user", f"My {about} number {n} is {words[n % 4]}"), Message("assistant", f"It is {words[n % 4]}")))
        for n in range(count)
    ]
    return Dataset.from_examples(rows, name=f"{about}s")


def rows_file(folder: Path) -> Path:
    """Twelve rows of a question and an answer, as somebody has them."""
    path = folder / "rows.jsonl"
    said = [{"messages": [{"role": "user", "content": f"number {n}"}, {"role": "assistant", "content": f"{n % 3}"}]} for n in range(12)]
    path.write_text("".join(json.dumps(row) + "\n" for row in said), encoding="utf-8")
    return path


def recipe(base: str = "gpt-4.1-mini", *, about: str = "card") -> Recipe:
    """A small recipe that is accepted."""
    return Recipe(base=base, train=chats(about=about), method=SFT(epochs=2))
