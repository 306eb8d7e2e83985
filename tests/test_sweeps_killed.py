"""A sweep that is stopped anywhere goes on from there: one job a trial, the same values as if nothing had happened, nothing lost."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from harbour import in_memory
from laboratory import Laboratory

from tuneport.client import Client
from tuneport.errors import Uncertain
from tuneport.testing.processes import Death, Killed, Process, Turns, cut_off, forget
from tuneport.testing.remote_job import Course
from tuneport.testing.wire import Kind, Reply, Wire

pytest.importorskip("optuna")

ROOMS = ("begun", "best", "following", "journal", "offers", "sampling", "submitting", "sweep", "trial")
SWEEPING = tuple(f"sweeping.{name}" for name in ROOMS)
WITH_CORE = (*SWEEPING, "submit", "registry", "upload")
UNCERTAIN = "uncertain"
TRIALS = 3
SHORT = Course(2.0, 2.0, 12.0, 2.0)


class DeadlyWire:
    """Kills the client before or after the n-th request, or the first one that ends so."""

    def __init__(self, wire: Wire, process: Process, *, at: int | str, after: bool) -> None:
        self._wire, self._process, self._at, self._after = wire, process, at, after
        self._count = 0

    def send(self, call: str, effect: object, *, kind: Kind) -> Reply:
        self._process.give_way()
        self._count += 1
        mine = call.endswith(self._at) if isinstance(self._at, str) else self._count == self._at
        if mine and not self._after:
            self._process.die(f"before {call}")
        try:
            return self._wire.send(call, effect, kind=kind)  # type: ignore[arg-type]
        finally:
            if mine and self._after:
                self._process.die(f"after {call}")


def live(
    lab: Laboratory,
    *,
    request: int | str = 0,
    after: bool = False,
    death: Death | None = None,
    recreate: bool = False,
    **wishes: Any,
) -> str | None:
    """One process that carries out the sweep; where it was killed, None where it came to the end."""
    process = Process("client", clock=lab.clock, turns=Turns(random.Random(0)), death=death)
    wire = DeadlyWire(lab.wire, process, at=request, after=after) if request else None
    client: Client = lab.client(clock=process.clock, wire=wire)
    process.on_death(lambda: cut_off(client.registry))
    try:
        with process.alive():
            lab.sweep(client=client, recreate=recreate, **{"trials": TRIALS, "parallel": 2, **wishes})
    except Killed as killed:
        forget(killed)
        return process.killed_where
    except Uncertain:
        return UNCERTAIN
    finally:
        client.close()
    return None


def laboratory(folder: Path, names: str) -> Laboratory:
    return Laboratory(folder, names=names, course=SHORT)


def check_whole(lab: Laboratory, unbroken: list[float]) -> None:
    """What holds of any sweep that has come to its end, however often it was killed on the way."""
    assert lab.creates == len(lab.cloud.jobs) == TRIALS
    assert [job.body["hyperparameters"]["learning_rate"] for job in lab.cloud.jobs.values()] == unbroken
    done = lab.sweep(trials=TRIALS, parallel=2)
    assert [each.state for each in done.trials] == ["succeeded"] * TRIALS
    assert sorted(str(each.job) for each in done.trials) == sorted(f"lab:{job}" for job in lab.cloud.jobs)
    assert lab.creates == TRIALS


def rates_of_an_unbroken_sweep(names: str) -> list[float]:
    with in_memory() as folder:
        lab = laboratory(folder, names)
        assert live(lab) is None
        return [job.body["hyperparameters"]["learning_rate"] for job in lab.cloud.jobs.values()]


@pytest.mark.parametrize("names", ["provider", "client"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_request_it_goes_on_with_one_job_a_trial(names: str, after: bool) -> None:
    unbroken = rates_of_an_unbroken_sweep(names)
    request, ended, places = 0, False, set[str]()
    while not ended:
        request += 1 if names == "provider" and request > 8 else 2
        with in_memory() as folder:
            lab = laboratory(folder, names)
            where = live(lab, request=request, after=after)
            places.add(where or "")
            ended = where is None
            assert live(lab, recreate=where == "before POST /jobs") is None  # nobody but the user can know that it was never sent
            check_whole(lab, unbroken)
    assert request > 20
    assert any(place.endswith("/metrics") for place in places)
    assert any("/jobs" in place and ("POST" in place or "PUT" in place) for place in places)


def test_killed_at_any_line_it_goes_on_with_one_job_a_trial() -> None:
    unbroken = rates_of_an_unbroken_sweep("provider")
    chance = random.Random("lines of a sweep")
    places: Counter[str] = Counter()
    for _ in range(12):
        with in_memory() as folder:
            lab = laboratory(folder, "provider")
            where: str | None = ""
            for _ in range(6):
                within = chance.choice((SWEEPING, WITH_CORE))
                where = live(lab, death=Death(chance.randint(1, 900), within), recreate=where == UNCERTAIN)
                places[(where or "").partition(":")[0]] += 1
                if where is None:
                    break
            while where is not None:
                where = live(lab, recreate=where == UNCERTAIN)
            check_whole(lab, unbroken)
    assert {"submitting.py", "journal.py", "following.py", "sweep.py"} & set(places)
    assert sum(places.values()) > 25


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_while_a_trial_is_being_stopped_it_is_stopped_by_the_next_run(after: bool) -> None:
    with in_memory() as folder:
        lab = Laboratory(folder)
        wishes = {"trials": 10, "parallel": 1, "prune": "always"}
        where = live(lab, request="/cancel", after=after, **wishes)
        assert where is not None
        assert "/cancel" in where
        begun = lab.creates
        done = lab.sweep(**wishes)
        assert lab.creates == 10
        (stopped,) = [each for each in done.trials if each.number == begun - 1]
        assert stopped.state == "pruned"
        assert lab.cloud.jobs[str(stopped.job).removeprefix("lab:")].word == "stopped"
        words = {f"lab:{job.id}" for job in lab.cloud.jobs.values() if job.word == "stopped"}
        assert words == {each.job for each in done.trials if each.state == "pruned"}
