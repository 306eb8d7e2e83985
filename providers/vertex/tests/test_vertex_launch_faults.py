"""Lives of an engine that launches, follows and ends one job through faults: never two jobs, never a lost one, never a false end."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from tuneport_local.engines.launcher import Order, Rented, Seen
from tuneport_vertex.emulator import CustomCourse, Habits
from tuneport_vertex.emulator.custom_jobs import CustomJob, settle_all

from tuneport.errors import Ambiguous, QuotaExceeded, TuneportError, Unreachable
from tuneport.testing.emulator.faultplan import FaultPlan

from .vertex_machines import Rental, renting

OVER = ("succeeded", "failed", "cancelled")
ENDS = {
    "JOB_STATE_SUCCEEDED": ("succeeded",),
    "JOB_STATE_FAILED": ("failed",),
    "JOB_STATE_EXPIRED": ("failed",),
    "JOB_STATE_CANCELLED": ("cancelled", "failed"),
}
DAY_S = 86_400.0


class Broken(AssertionError):
    """What must never be."""


@dataclass
class Engine:
    """What the engine of a job does with a launcher, and keeps: it writes down that it begins to launch before it does."""

    rental: Rental
    order: Order
    chance: random.Random
    began: bool = False
    rented: Rented | None = None
    ended: Seen | None = None
    cancelled: bool = False
    told: list[str] = field(default_factory=list)

    def step(self) -> None:
        """One turn of its loop, in a new process now and then. What may pass is asked again at the next."""
        launcher = self.rental.launcher()
        try:
            if self.rented is None:
                self._have_one(launcher)
            else:
                seen = launcher.look(self.rented, self.order.settings)
                self.ended = seen if seen.state in OVER else None
        except Unreachable as error:
            self.told.append(str(error))

    def _have_one(self, launcher: object) -> None:
        from tuneport_vertex.launching.launcher import VertexLauncher

        assert isinstance(launcher, VertexLauncher)
        self.rented = launcher.find(self.order)
        if self.rented is not None or self.began:
            return  # begun, and not seen yet: it is waited for
        self.began = True
        before = len(made(self.rental, self.order))
        try:
            found = launcher.launch(self.order)
        except Ambiguous:
            raise
        except TuneportError:
            self.began = False
            if len(made(self.rental, self.order)) != before:
                raise Broken("a launch that is said not to have been made was made") from None
            raise
        if self.chance.random() < 0.8:  # else the process dies before it has written it down
            self.rented = found

    def cancel(self) -> None:
        """Asks for it until it is heard."""
        assert self.rented is not None
        try:
            self.rental.launcher().cancel(self.rented, self.order.settings)
            self.cancelled = True
        except Unreachable as error:
            self.told.append(str(error))


def made(rental: Rental, order: Order) -> list[CustomJob]:
    """The jobs of that launch by the platform's own record."""
    with rental.emulator.server.turn:
        settle_all(rental.emulator.world)
        return [job for job in rental.emulator.world.custom_jobs.values() if job.body["displayName"] == order.name]


def live(seed: int, home: Path) -> str:
    """Plays the life of `seed`. Returns how it ended; raises Broken."""
    chance = random.Random(f"launch {seed}")
    ending: Literal["succeeds", "fails", "expires"] = chance.choice(("succeeds", "succeeds", "fails", "expires"))
    habits = Habits(
        honours_filters=chance.random() < 0.5,
        default_page=chance.choice((1, 3, 100)),
        largest_page=chance.choice((2, 1000)),
        listing_lag_s=chance.choice((0.0, 0.0, 5.0, 60.0, 400.0)),
    )
    course = CustomCourse(pending_s=chance.uniform(0, 300), running_s=chance.uniform(30, 3000), ending=ending)
    faults = FaultPlan(seed=seed, share=chance.choice((0.0, 0.05, 0.1, 0.2, 0.3, 0.4)))
    with renting(home, faults=faults, habits=habits, custom=course, seed=seed) as rental:
        faults.share, share = 0.0, faults.share
        others = [rental.order(f"other-{number}") for number in range(chance.choice((0, 0, 4)))]
        for other in others:
            rental.launcher().launch(other)
        order = rental.order(spot=chance.random() < 0.5)
        if chance.random() < 0.1:
            rental.emulator.project_called().training_gpus.clear()
        faults.share = share
        return _lived(Engine(rental, order, chance), faults, cancels_after=chance.choice((None, None, 1, 4)))


def _lived(engine: Engine, faults: FaultPlan, *, cancels_after: int | None) -> str:
    rental, order = engine.rental, engine.order
    for turn in range(60):
        if turn == 40:
            faults.calm()
        try:
            engine.step()
        except QuotaExceeded:
            if made(rental, order):
                raise Broken("refused, and made all the same") from None
            return "refused"
        if engine.ended is not None:
            break
        if engine.rented is not None and cancels_after is not None and turn >= cancels_after and not engine.cancelled:
            engine.cancel()
        rental.clock.sleep(engine.chance.choice((5.0, 60.0, 600.0)))
    jobs = made(rental, order)
    if len(jobs) > 1:
        raise Broken(f"{len(jobs)} jobs of one launch")
    if not jobs:
        return "uncertain" if engine.began else "never begun"
    (job,) = jobs
    if engine.rented is None or engine.rented.id.rpartition("/")[2] != job.id:
        raise Broken(f"the job is there and was never found: {engine.told[-3:]}")
    if engine.ended is None:
        raise Broken(f"it is {job.standing()}, and its end was never seen: {engine.told[-3:]}")
    if job.state is None or engine.ended.state not in ENDS[job.state]:
        raise Broken(f"said to be {engine.ended.state}, and is {job.standing()}")
    return engine.ended.state


def all_of(seeds: range, home: Path) -> dict[str, int]:
    """How the lives of these seeds ended. A failure says which seed to play again."""
    found: dict[str, int] = {}
    for seed in seeds:
        folder = home / str(seed)
        folder.mkdir()
        try:
            ended = live(seed, folder)
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
        found[ended] = found.get(ended, 0) + 1
    return found


def test_no_fault_makes_two_jobs_or_loses_one(tmp_path: Path) -> None:
    found = all_of(range(40), tmp_path)
    assert {"succeeded", "failed", "cancelled"} <= set(found), found


@pytest.mark.slow
def test_no_fault_of_three_hundred_lives_makes_two_jobs_or_loses_one(tmp_path: Path) -> None:
    found = all_of(range(40, 360), tmp_path)
    assert {"succeeded", "failed", "cancelled", "refused"} <= set(found), found


def test_a_launcher_that_sends_a_create_again_is_caught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tuneport_vertex.adapter.custom_jobs import CustomJobs

    once = CustomJobs.create

    def again(self: CustomJobs, body: object, *, name: str, label: str) -> object:
        try:
            return once(self, body, name=name, label=label)  # type: ignore[arg-type]
        except Ambiguous:
            return once(self, body, name=name, label=label)  # type: ignore[arg-type]

    monkeypatch.setattr(CustomJobs, "create", again)
    monkeypatch.setattr(CustomJobs, "_found_again", lambda self, name, *, label: None)
    with pytest.raises(AssertionError, match="jobs of one launch"):
        all_of(range(40), tmp_path)
