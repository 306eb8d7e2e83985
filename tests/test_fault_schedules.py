"""300 simulated lives of a client under faults: in none of them is a job made twice, lost, or told wrongly."""

from __future__ import annotations

from collections import Counter

import pytest

from tuneport.testing.faults import FaultSchedule
from tuneport.testing.simulation import FLAVOURS, replay, simulate

SEEDS = 300
CHUNK = 25


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_no_schedule_of_faults_makes_a_second_job_or_loses_one(first: int) -> None:
    for seed in range(first, first + CHUNK):
        simulate(seed)


def test_the_seeds_reach_every_flavour_kills_uncertain_submits_and_many_kinds_of_faults() -> None:
    runs = [simulate(seed) for seed in range(60)]
    assert {run.flavour for run in runs} == set(FLAVOURS)
    assert sum(run.kills for run in runs) > 50
    assert sum(run.uncertain for run in runs) >= 5
    assert len({fault for run in runs for fault in run.faults}) >= 15
    assert any(run.remote_jobs > 2 for run in runs)


def test_the_kills_land_all_over_the_steps_whose_order_is_the_promise() -> None:
    killed_at = sum((simulate(seed).killed_at for seed in range(150)), Counter[str]())
    places = Counter(place.partition(":")[0] for place in killed_at)
    kills = sum((Counter({place.partition(":")[0]: times}) for place, times in killed_at.items()), Counter[str]())
    several = sum(places[f"{name}.py"] for name in ("submit", "syncing", "looking"))
    assert several >= 45, "so many lines of submit.py, syncing.py and looking.py"
    assert places["upload.py"] >= 10, "so many lines of upload.py"
    assert (kills["submit.py"] + kills["looking.py"] + kills["upload.py"]) / kills.total() > 0.3


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_the_same_seed_runs_the_same_way_again(flavour: str) -> None:
    for seed in (3, 4):
        first, second = (simulate(seed, flavour=flavour) for _ in range(2))  # type: ignore[arg-type]
        assert first.trace == second.trace


def test_different_seeds_run_in_different_ways() -> None:
    assert len({simulate(seed, flavour="provider").trace for seed in range(10)}) == 10


def test_a_replay_prints_every_request_and_every_decision(capsys: pytest.CaptureFixture[str]) -> None:
    replay(4, "client")
    lines = capsys.readouterr().out.splitlines()
    assert tuple(lines) == simulate(4, flavour="client").trace
    assert any("PUT /jobs/client-1 ->" in line for line in lines)


def test_a_calm_schedule_lets_everything_through() -> None:
    schedule = FaultSchedule(1, share=0.5)
    assert any(schedule.draw("create") for _ in range(50))
    schedule.calm()
    assert not any(schedule.draw("create") for _ in range(50))
