"""Where the time of a training goes: measured without changing what is trained."""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.plans.planning import LocalOptions, resolved
from tuneport_local.training.train import train
from tuneport_local.training.where_time_goes import OTHER, Operator, PhaseClock, WhereTimeGoes

from tuneport.errors import JobFailed
from tuneport.recipe import SFT

from .joblog import MemoryJob, same_weights, spec_of
from .tiny import save_tiny, write_chats

STEPS = 12


class Scene:
    """A tiny base with data, trained with a profile and without."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = save_tiny(folder / "base")
        self.rows = write_chats(folder / "train.jsonl", 22)
        self.validation = write_chats(folder / "validation.jsonl", 5)
        self.profiled, self.plain = MemoryJob(folder / "profiled"), MemoryJob(folder / "plain")
        self.train(self.profiled, profile=True)
        self.train(self.plain)

    def train(self, job: MemoryJob, **changes: Any) -> str:
        spec = spec_of(self.base, self.rows, validation=self.validation, checkpoint_every=4, **changes)
        return train(job, spec=spec, home=self.folder)

    def profile(self, job: MemoryJob) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((job.path / "profile.json").read_text())
        return found


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("profiled"))


@pytest.mark.train
def test_a_profile_names_every_phase_of_a_training(scene: Scene) -> None:
    found = scene.profile(scene.profiled)
    spent = {phase["phase"]: phase["seconds"] for phase in found["phases"]}

    assert {"libraries", "base and rows", "model and adapters", "first step", "waiting for data", "forward", "backward"} <= spent.keys()
    assert {"optimizer", "validation", "checkpoint", "log", "writing what was trained", OTHER} <= spent.keys()
    assert all(seconds > 0 for name, seconds in spent.items() if name != "libraries")
    assert sum(spent.values()) == pytest.approx(found["total_s"], abs=0.01)
    assert sum(phase["share"] for phase in found["phases"]) == pytest.approx(1, abs=0.01)
    assert (found["steps"], found["watched_steps"]) == (STEPS, 3)


@pytest.mark.train
def test_a_profile_names_the_dearest_operations_of_some_steps(scene: Scene) -> None:
    operators = scene.profile(scene.profiled)["operators"]
    seconds = [operator["seconds"] for operator in operators]

    assert "aten::mm" in {operator["name"] for operator in operators}
    assert seconds == sorted(seconds, reverse=True)
    assert all(operator["calls"] > 0 for operator in operators)
    assert sum(operator["share"] for operator in operators) <= 1.001


@pytest.mark.train
def test_a_profiled_training_learns_the_same_to_the_bit(scene: Scene) -> None:
    assert same_weights(scene.profiled, scene.plain)
    assert scene.profiled.losses() == scene.plain.losses()


@pytest.mark.train
def test_who_asks_for_no_profile_gets_none(scene: Scene) -> None:
    assert scene.profiled.said("; all of it is in profile.json")
    assert not scene.plain.said("profile.json")
    assert not (scene.plain.path / "profile.json").exists()


@pytest.mark.train
def test_a_training_that_is_paused_says_where_its_time_went_so_far(scene: Scene) -> None:
    job = MemoryJob(scene.folder / "paused")
    job.wished = lambda: "pause" if any("loss" in values for _, values in job.metrics) else "run"

    assert scene.train(job, profile=True) == "paused"
    assert scene.profile(job)["steps"] == 2
    assert scene.profile(job)["operators"] != []


@pytest.mark.train
def test_a_training_that_fails_keeps_its_own_reason(scene: Scene) -> None:
    job = MemoryJob(scene.folder / "failed")

    with pytest.raises(JobFailed, match=r"the (loss|gradient) became|diverged"):
        scene.train(job, profile=True, learning_rate=1e30, max_grad_norm=1e30)
    assert scene.profile(job)["steps"] >= 1


def test_the_time_of_a_phase_within_another_is_not_the_outer_ones() -> None:
    ticks = count()
    clock = PhaseClock(lambda: float(next(ticks)))
    with clock.phase("outer"), clock.phase("inner"):
        pass
    with clock.phase("outer"):
        pass

    assert clock.seconds() == {OTHER: 3.0, "outer": 3.0, "inner": 1.0}


def test_a_phase_that_ends_with_an_error_is_over() -> None:
    ticks = count()
    clock = PhaseClock(lambda: float(next(ticks)))
    with pytest.raises(ValueError, match="broken"), clock.phase("tried"):
        raise ValueError("broken")

    assert clock.seconds() == {OTHER: 2.0, "tried": 1.0}


def test_the_log_shows_phases_and_operations_as_a_table() -> None:
    found = WhereTimeGoes({"forward": 3.0, "backward": 1.0}, steps=9, watched_steps=3, operators=[Operator("aten::mm", 12, 0.5, 0.25)])

    assert found.sentence == "where 4.0 s went: forward 75%, backward 25%; all of it is in profile.json"
    assert "forward                               3.00 s  75.0%" in found.table
    assert "aten::mm                              0.50 s  25.0%       12 calls" in found.table


def test_a_plan_without_a_profile_says_nothing_of_it() -> None:
    assert "profile" not in resolved(SFT(), LocalOptions(), seed=0)
    assert resolved(SFT(), LocalOptions(profile=True), seed=0)["profile"] is True
