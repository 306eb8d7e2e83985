"""Whatever happens to a launch, and wherever the worker is killed: never two machines for one decision of the user's, and never one lost.

Each life is drawn from a seed: the launcher loses answers before and after it has done what it was asked, listings lag, the vendor is
silent, the worker is killed around any of these calls and of what it writes down. A failure names its seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.engines.launcher import Order, Rented, Seen
from tuneport_local.engines.rental import Rental
from tuneport_local.engines.rented import hired
from tuneport_local.engines.reports import Report
from tuneport_local.jobs.failures import Interrupted
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.jobs.home import Jobs
from tuneport_local.storage.ended import leave
from tuneport_local.storage.place import Place
from tuneport_local.training.spec import TrainingSpec

from tuneport.errors import Ambiguous, RateLimited, Unreachable
from tuneport.testing.clock import SimulatedClock

SEEDS = 200
_LIVES = 60
"""More workers than any job needs: a job that is not done by then is lost."""


class Killed(BaseException):
    """kill -9."""


class Cloud:
    """A vendor whose jobs train for some minutes, and all that may go wrong on the way to it."""

    def __init__(self, chance: random.Random, root: Path, clock: SimulatedClock) -> None:
        self._chance = chance
        self._root = root
        self._clock = clock
        self.calm = False
        self.made: list[str] = []
        self.jobs: dict[str, tuple[float, float]] = {}
        """By name: when it was made, and from when on it is listed."""

    def place(self, settings: Any, job_id: str) -> Place:
        return Place(str(self._root / job_id))

    def find(self, order: Order) -> Rented | None:
        self._may_fail((Unreachable,))
        _, listed = self.jobs.get(order.name, (0.0, float("inf")))
        return Rented(order.name) if listed <= self._clock.monotonic() else None

    def launch(self, order: Order) -> Rented:
        self._may_fail((Unreachable, RateLimited))
        if self._drawn(0.15):
            raise Ambiguous("no answer, and nothing was made.")
        self.made.append(order.name)
        now = self._clock.monotonic()
        self.jobs[order.name] = (now, now + self._chance.choice((0.0, 3.0, 40.0, 5000.0, 50000.0)))
        self._may_fail((Ambiguous,))
        return Rented(order.name)

    def look(self, rented: Rented, settings: Any) -> Seen:
        self._may_fail((Unreachable,))
        made, _ = self.jobs[rented.id]
        if self._clock.monotonic() < made + 300:
            return Seen("running", "RUNNING")
        self.trained(rented.id)
        return Seen("succeeded", "DONE")

    def cancel(self, rented: Rented, settings: Any) -> None:
        raise AssertionError("nobody cancels")

    def log(self, rented: Rented, settings: Any) -> str:
        return ""

    def trained(self, name: str) -> None:
        """The machine leaves what it has learned; a second one would have been shut out by the lease."""
        place = self.place(None, "one")
        place.write("run.json", b"{}")
        place.write("adapter/adapter_model.safetensors", b"learned")
        leave(place, Report(0, "succeeded"), launch=name)

    def _drawn(self, share: float) -> bool:
        return not self.calm and self._chance.random() < share

    def _may_fail(self, kinds: tuple[Callable[[str], Exception], ...]) -> None:
        if self._drawn(0.06):
            raise Killed
        if self._drawn(0.25):
            raise self._chance.choice(kinds)("no answer.")


class Brittle(JobFolder):
    """A job's folder whose worker may be killed at each thing that it says of itself."""

    chance: random.Random
    calm = False

    def phase(self, *given: Any, **more: Any) -> Any:
        if not self.calm and self.chance.random() < 0.05:
            raise Killed
        return super().phase(*given, **more)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("homes")


def a_job(homes: Path, seed: int) -> JobFolder:
    base = homes / "base"
    base.mkdir(exist_ok=True)
    (base / "config.json").write_text("{}")
    (base / "model.safetensors").write_bytes(b"weights")
    rows = homes / "rows.jsonl"
    rows.write_text('{"messages": []}\n')
    lora = {"rank": 8, "alpha": 16.0, "dropout": 0.0, "targets": "all-linear"}
    numbers = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-4, "warmup_ratio": 0.0, "weight_decay": 0.0, "max_grad_norm": 1.0}
    values = {**numbers, "schedule": "linear", "max_length": "auto", "too_long": "refuse", "lora": lora, "seed": 0}
    recipe = {"base": str(base), "method": "sft", "hyperparameters": {**values, "device": "cpu", "engine": "acme", "rented": {}}}
    folder, _ = Jobs(homes / str(seed)).make("one", {**recipe, "home": str(homes / str(seed))}, {"train": rows})
    return folder


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_machine_is_rented_twice_for_one_decision_and_none_is_lost(seed: int, homes: Path) -> None:
    chance, clock = random.Random(seed), SimulatedClock()
    cloud = Cloud(chance, homes / str(seed) / "storage", clock)
    job = a_job(homes, seed)
    folder = Brittle(job.path)
    folder.chance = chance
    spec = TrainingSpec.from_dict(folder.recipe())
    decisions = 1
    for life in range(_LIVES):
        cloud.calm = folder.calm = life > _LIVES // 2
        if Rental.of(folder.path).phase == "uncertain":
            decisions += 1  # the user has read the sentence and resumes
        try:
            assert hired(folder, spec, clock, launcher=cloud) == "succeeded"  # type: ignore[arg-type]
            break
        except (Killed, Interrupted):
            assert len(cloud.made) <= decisions, f"seed {seed}: {cloud.made} for {decisions} decisions"
            clock.sleep(chance.choice((1.0, 60.0, 3600.0)))
    else:
        pytest.fail(f"seed {seed}: the job was not done after {_LIVES} workers")
    assert len(cloud.made) <= decisions, f"seed {seed}: {cloud.made} for {decisions} decisions"
    assert (folder.adapter / "adapter_model.safetensors").read_bytes() == b"learned"
    assert set(cloud.jobs) <= {f"tuneport-one-{number + 1}" for number in range(Rental.of(folder.path).launches)}
