"""A cloud whose trainings go better or worse by their settings, and one home: what sweeps are tried on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from desks import ScriptedWire

from tuneport.client import Client
from tuneport.clock import Clock
from tuneport.job import Metric
from tuneport.provider import Capability, Provider, ProviderSettings, Support, vendor_cannot
from tuneport.quote import Quote, QuoteLine
from tuneport.recipe import SFT, Recipe
from tuneport.settings import Settings
from tuneport.span import Span
from tuneport.sweeping.space import dimension
from tuneport.sweeping.sweep import Swept, sweep
from tuneport.sweeping.wishes import Heard, Wishes
from tuneport.testing.clock import SimulatedClock
from tuneport.testing.cloud import FakeCloud
from tuneport.testing.fake import FakeTrainer, fake_provider
from tuneport.testing.remote_job import Course, RemoteJob
from tuneport.testing.wire import HttpAnswer, Reply, Wire

RATES = {"method.learning_rate": "1e-5..1e-3:log"}
COURSE = Course(validating_s=5.0, queued_s=5.0, running_s=600.0, saving_s=5.0)


def eval_loss(hyperparameters: Mapping[str, Any], step: int) -> float:
    """Least at a learning rate of 1e-4 and a high rank, and less with every step."""
    rate = hyperparameters["learning_rate"]
    off = abs(math.log10(rate if rate != "auto" else 1e-3) + 4)
    return off + 1 / hyperparameters["lora"]["rank"] + 1 / step


class Lab(FakeCloud):
    """Runs at most `places` jobs at once. `fails` says which hyperparameters end a job in an error, `bill_of` what a job costs; `created`
    hears of every create."""

    fails: Callable[[Mapping[str, Any]], bool] = staticmethod(lambda hyperparameters: False)
    places = 100
    bill_of: Callable[[RemoteJob], Decimal] = staticmethod(lambda job: Decimal("0.25") * job.steps_done)
    created: Callable[[], object] = staticmethod(lambda: None)
    most_active = 0

    def post_job(self, body: dict[str, Any]) -> Reply:
        active = sum(job.finished_at is None for job in self._moved())
        if active >= self.places:
            raise HttpAnswer(429, "too_many_jobs")
        self.most_active = max(self.most_active, active + 1)
        reply = super().post_job(body)
        job = self.jobs[reply["id"]]
        if self.fails(body["hyperparameters"]):
            job.course = replace(job.course, ends="error")
        self.created()
        return reply

    def _moved(self) -> Iterable[Any]:
        for job in self.jobs.values():
            job.move_to(self._now())
        return self.jobs.values()

    def get_bill(self, job_id: str) -> Reply:
        reply = super().get_bill(job_id)
        return reply if reply["usd"] is None else {"usd": str(self.bill_of(self.jobs[job_id]))}


class LabTrainer(FakeTrainer):
    """Tells the loss on validation rows too. `price` is what the training by these hyperparameters is quoted at."""

    lab: Lab
    price: Callable[[Recipe], Decimal] = staticmethod(lambda recipe: Decimal("2.50"))
    can_cancel = True
    metric = "eval_loss"

    def support(self, capability: Capability, **more: Any) -> Support:
        if capability is Capability.CANCEL and not self.can_cancel:
            return vendor_cannot("jobs cannot be cancelled here")
        return super().support(capability, **more)

    def metrics(self, job_id: str) -> Iterable[Metric]:
        told = super().metrics(job_id)
        settings = self.lab.jobs[job_id].body["hyperparameters"]
        return [Metric(each.step, {**each.values, self.metric: eval_loss(settings, each.step)}) for each in told]

    def estimate(self, recipe: Recipe, *, usage: Any = None) -> Quote:
        line = QuoteLine("training", Span.exactly(1), "job", self.price(recipe), as_of="2026-03-01", source="made up")
        return Quote(provider=self._name, base=recipe.base_for(self._name), lines=(line,), usage=usage)


@dataclass
class Laboratory:
    """The provider `lab`, the data, and one home. `said` is what was told."""

    folder: Path
    names: Any = "provider"
    course: Course = COURSE
    clock: SimulatedClock = field(default_factory=SimulatedClock)
    said: list[Heard] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    trainer: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.home = self.folder / "home"
        self.cloud = Lab(self.clock, course=lambda number: self.course)
        self.wire = ScriptedWire()
        rows = "".join(
            json.dumps({"messages": [{"role": "user", "content": f"question {n}"}, {"role": "assistant", "content": f"answer {n}"}]}) + "\n"
            for n in range(12)
        )
        self.folder.mkdir(parents=True, exist_ok=True)
        self.train, self.validation = self.folder / "train.jsonl", self.folder / "validation.jsonl"
        self.train.write_text(rows)
        self.validation.write_text(rows)

    def recipe(self, **changes: Any) -> Recipe:
        return Recipe(**{"base": "fake-small", "train": self.train, "validation": self.validation, "method": SFT(epochs=2), **changes})

    def provider(self, wire: Wire | None = None) -> Provider:
        def open_trainer(settings: ProviderSettings) -> LabTrainer:
            made = LabTrainer(self.cloud, names=self.names, name=settings.name, wire=wire or self.wire)
            made.lab = self.cloud
            for name, value in self.trainer.items():
                setattr(made, name, value)
            return made

        return replace(fake_provider(self.cloud, name="lab"), open_trainer=open_trainer)

    def client(self, *, clock: Clock | None = None, wire: Wire | None = None) -> Client:
        return Client(settings=Settings(home=self.home), clock=clock or self.clock, providers=[self.provider(wire)])

    def sweep(self, space: Mapping[str, Any] | None = None, *, client: Client | None = None, **wishes: Any) -> Swept:
        """One run of a sweep over the learning rate, unless other wishes are given."""
        varied = {name: dimension(each, name=name) for name, each in (space or RATES).items()}
        given = {"recipe": self.recipe(), "provider": "lab", "trials": 4, "max_cost_usd": Decimal(100), "prune": "never", **wishes}
        wanted = Wishes(space=varied, **given)
        if client is not None:
            return sweep(wanted, client=client, confirm=self.asked.append, hear=self.said.append)
        with self.client() as opened:
            return sweep(wanted, client=opened, confirm=self.asked.append, hear=self.said.append)

    @property
    def creates(self) -> int:
        """How many jobs were made."""
        return self.cloud.counts["POST /jobs"] + self.cloud.counts["PUT /jobs"]

    def heard(self) -> str:
        """All sentences."""
        return "\n".join(each.sentence for each in self.said)
