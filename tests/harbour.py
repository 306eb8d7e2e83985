"""Two clouds that do not exist and a client between them: what a port is tried on. Their tuned models answer what they have learned."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from desks import ScriptedWire

from tuneport.client import Client
from tuneport.clock import Clock
from tuneport.dataset import Dataset
from tuneport.porting.port import Ported, port
from tuneport.porting.wishes import Confirm, Told, What, Wishes, agreeing
from tuneport.provider import Provider, ProviderSettings
from tuneport.quote import Quote, QuoteLine
from tuneport.recipe import SFT, Recipe
from tuneport.settings import Settings
from tuneport.span import Span
from tuneport.testing.clock import SimulatedClock
from tuneport.testing.cloud import FakeCloud
from tuneport.testing.fake import FakeTrainer, fake_provider
from tuneport.testing.remote_job import Course
from tuneport.testing.wire import HttpAnswer, Reply, Wire


@contextmanager
def in_memory() -> Iterator[Path]:
    """A folder in memory where there is one: a port syncs all that it writes to its disk."""
    memory = "/dev/shm"
    with tempfile.TemporaryDirectory(prefix="tuneport-", dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield Path(folder)


TOPICS = ("refund", "delivery", "login", "invoice", "password", "damage")


def rows(count: int, *, start: int = 0) -> str:
    """Questions that name their topic, which is the answer."""
    return "".join(
        json.dumps(
            {
                "messages": [
                    {"role": "user", "content": f"customer {n} asks about {TOPICS[n % 6]}"},
                    {"role": "assistant", "content": TOPICS[n % 6]},
                ]
            }
        )
        + "\n"
        for n in range(start, start + count)
    )


class School(FakeCloud):
    """A cloud whose tuned models name the topic of a question, but for those that `errs` says. A retired model answers nobody; one with
    `last_words` retires after so many."""

    errs: Callable[[str], bool] = staticmethod(lambda text: False)
    retired = False
    last_words: int | None = None
    asked: list[str]

    def __init__(self, clock: SimulatedClock, **more: Any) -> None:
        super().__init__(clock, **more)
        self.asked = []

    def answer(self, model: str, texts: list[str]) -> Reply:
        super().answer(model, texts)
        if self.last_words is not None and ":tuned:" in model:
            self.retired = self.retired or self.last_words == 0
            self.last_words -= 1
        if self.retired and ":tuned:" in model:
            raise HttpAnswer(404, "model_retired")
        self.asked.append(f"{model} {texts[-1]}")
        topic = next(word for word in TOPICS if word in texts[-1])
        if ":tuned:" not in model:
            return {"text": f"It seems to be about {topic}."}
        return {"text": "something else" if self.errs(texts[-1]) else topic}


class PricedTrainer(FakeTrainer):
    """Answers cost a cent each here."""

    def estimate(self, recipe: Recipe, *, usage: Any = None) -> Quote:
        found = super().estimate(recipe, usage=usage)
        line = QuoteLine("answers", Span.exactly(1), "request", Decimal("0.01"), as_of="2026-03-01", source="made up")
        return replace(found, per_request=(line,))


@dataclass
class Harbour:
    """The provider `old` with a finished tune, the provider `new`, and one home. `said` is what every step told."""

    folder: Path
    names: Any = "provider"
    count: int = 60
    priced: bool = True
    course: Course = field(default_factory=Course)
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    said: list[Told] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home = self.folder / "home"
        self.old, self.new = (School(self.clock, course=lambda number: self.course) for _ in range(2))
        self.wires = {"old": ScriptedWire(), "new": ScriptedWire()}
        self.train = self.file("train.jsonl", rows(self.count))
        self.uri = self.tuned()

    def file(self, name: str, text: str) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def tuned(self, **recipe: Any) -> str:
        """The URI of a finished job at `old`."""
        with self.client() as client:
            given = {"base": "fake-small", "train": self.train, "method": SFT(epochs=2), **recipe}
            return client.wait(client.submit(Recipe(**given), provider="old")).uri

    def provider(self, name: str, wire: Wire | None = None) -> Provider:
        cloud = {"old": self.old, "new": self.new}[name]
        wire = wire or self.wires[name]
        provider = fake_provider(cloud, name=name, wire=wire)

        def open_trainer(settings: ProviderSettings) -> FakeTrainer:
            trainer = PricedTrainer if self.priced else FakeTrainer
            return trainer(cloud, names=self.names, name=settings.name, wire=wire)

        return replace(provider, open_trainer=open_trainer)

    def client(self, *, clock: Clock | None = None, wire: Callable[[Wire], Wire] = lambda wire: wire, home: Path | None = None) -> Client:
        providers = [self.provider(name, wire(self.wires[name])) for name in ("old", "new")]
        return Client(settings=Settings(home=home or self.home), clock=clock or self.clock, providers=providers)

    def port(
        self, named: str | Path | None = None, *, agree: Iterable[What] = ("train", "ask"), client: Client | None = None, **wishes: Any
    ) -> Ported:
        """One run of the port, with the wishes given."""
        confirm: Confirm = agreeing(*agree)
        carry = partial(port, str(named or self.uri), Wishes(**{"to": "new", **wishes}), confirm=confirm, hear=self.said.append)
        if client is not None:
            return carry(client=client)
        with self.client() as opened:
            return carry(client=opened)

    def heard(self, step: str) -> str:
        """All lines of a step, of all runs."""
        return "\n".join(line for said in self.said if said.step == step for line in said.lines)

    @property
    def creates(self) -> int:
        """How many jobs were made at `new`."""
        return self.new.counts["POST /jobs"] + self.new.counts["PUT /jobs"]


def held_out(harbour: Harbour, count: int = 200) -> Dataset:
    return Dataset.read(harbour.file("held-out.jsonl", rows(count, start=5000)))


def page_of(done: Ported) -> str:
    assert done.proof.path is not None
    return done.proof.path.read_text(encoding="utf-8")
