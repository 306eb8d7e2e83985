"""Lives of workers that launch, follow and end command jobs while requests go wrong. The jobs stand by their courses: nothing really runs.

A worker does as the engine of the local backend does: it looks for its job before it launches one, looks again where the answer was lost,
and asks again where none came. It may be killed at any request, and another one goes on with the same order.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import requests
from requests.adapters import HTTPAdapter
from tuneport_azureml.emulator import Course, Habits
from tuneport_azureml.renting.launcher import AzureMLLauncher
from tuneport_local.engines.launcher import Order, Rented, Seen

from tuneport.errors import CredentialsRefused, Uncertain, Unreachable
from tuneport.testing.emulator import FaultPlan

from .azureml_renting import configuration, order, signed_in
from .azureml_stage import Stage, staged

T = TypeVar("T")
OVER = {"Completed": "succeeded", "Failed": "failed", "Canceled": "cancelled"}
MOST_TURNS = 400


class Broken(AssertionError):
    """The promise was broken: two jobs, a lost one, or a wrong word."""


class Killed(BaseException):
    """The worker is gone. Not an Exception: nobody may swallow it."""


class Mortal(HTTPAdapter):
    """The wire of a worker that is killed at its n-th request, before it is sent or after it was answered."""

    def __init__(self, dies_at: int, *, after: bool) -> None:
        super().__init__()
        self._left, self._after = dies_at, after

    def send(self, *args: Any, **options: Any) -> requests.Response:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Killed
        answer = super().send(*args, **options)
        if self._left == 0:
            answer.close()
            raise Killed
        return answer


@dataclass(slots=True)
class Worker:
    """One order's. `told` is how its job ended, as far as it was told."""

    launcher: AzureMLLauncher
    order: Order
    stage: Stage
    cancels: bool
    rented: Rented | None = None
    told: Seen | None = None

    def live(self) -> None:
        self.rented = self._found_or_launched()
        for turn in range(MOST_TURNS):
            if self.cancels and turn == 1:
                self._patiently(lambda: self.launcher.cancel(self._mine(), self.order.settings))
            seen = self._patiently(lambda: self.launcher.look(self._mine(), self.order.settings))
            if seen.state in ("succeeded", "failed", "cancelled"):
                self.told = seen
                self._patiently(lambda: self.launcher.log(self._mine(), self.order.settings))
                return
            self.stage.clock.sleep(120)
        raise Broken(f"{self.order.name} never ended")

    def _found_or_launched(self) -> Rented:
        for _ in range(MOST_TURNS):
            found = self._patiently(lambda: self.launcher.find(self.order))
            if found is not None:
                return found
            try:
                return self.launcher.launch(self.order)
            except (Unreachable, Uncertain, CredentialsRefused):
                self.stage.clock.sleep(30)
        raise Broken(f"{self.order.name} was never launched")

    def _mine(self) -> Rented:
        assert self.rented is not None
        return self.rented

    def _patiently(self, ask: Callable[[], T]) -> T:
        for _ in range(MOST_TURNS):
            try:
                return ask()
            except (Unreachable, CredentialsRefused):
                self.stage.clock.sleep(30)
        raise Broken("no answer ever came")


def live(seed: int, home: Path, *, kind: type[AzureMLLauncher] = AzureMLLauncher) -> int:
    """Plays the run of `seed` in an empty folder. How many workers were killed. Raises Broken."""
    chance = random.Random(f"azureml renting {seed}")
    habits = Habits(signs=chance.random() < 0.7, history_lag_s=chance.choice((0.0, 0.0, 30.0)), page=chance.choice((1, 50)))
    courses = [
        Course(
            running_s=chance.uniform(60, 4000),
            away_s=chance.choice((0.0, 0.0, 500.0)),
            silent_s=chance.choice((0.0, 300.0)),
            ends=chance.choice(("Completed", "Completed", "Failed", "Canceled")),
        )
        for _ in range(4)
    ]
    faults = FaultPlan(seed=seed, share=chance.choice((0.0, 0.05, 0.1, 0.2, 0.3)))
    ends = not habits.signs or chance.random() < 0.3
    killed = 0
    with staged(home, habits=habits, course=lambda number: courses[number % 4], faults=faults, seed=seed) as stage:
        for number in range(3):
            orders = order(kind(configuration(stage)), home / "bundle", name=f"job-{number}-1", job_id=f"job-{number}", identity="managed")
            cancels = chance.random() < 0.3
            while True:
                session = requests.Session()
                if chance.random() < 0.4:
                    session.mount("http://", Mortal(chance.randint(1, 20), after=chance.random() < 0.5))
                credential = signed_in(stage) if ends else None
                launcher = kind(configuration(stage), clock=stage.clock, session=session, credential=credential)
                worker = Worker(launcher, orders, stage, cancels)
                try:
                    worker.live()
                    break
                except Killed:
                    killed += 1
                finally:
                    session.close()
            _kept(stage, worker)
        if len(stage.emulator.world.commands) != 3:
            raise Broken(f"three orders, and {len(stage.emulator.world.commands)} jobs")
    return killed


def _kept(stage: Stage, worker: Worker) -> None:
    """One job of that order, put once, which ended as the worker was told."""
    job = stage.emulator.world.commands.get(worker.order.name)
    if job is None:
        raise Broken(f"{worker.order.name} is lost")
    if job.puts != 1:
        raise Broken(f"{worker.order.name} was put {job.puts} times")
    word = job.status(stage.clock.true_now())
    if worker.told is None or worker.told.state != OVER.get(word):
        raise Broken(f"{worker.order.name} is {word}, and the worker was told {worker.told}")
    mine = [each for each in stage.emulator.world.commands.values() if each.first["tags"]["tuneport_job"] == worker.order.job_id]
    if len(mine) != 1:
        raise Broken(f"{len(mine)} jobs of {worker.order.job_id}")
