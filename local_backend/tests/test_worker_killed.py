"""A worker killed in each phase of its life: the job is in the right state, goes on from where it was, and ends as if nothing had been."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tuneport_local import provider
from tuneport_local.adapter import LocalTrainer

from tuneport.job import JobState
from tuneport.provider import ProviderSettings
from tuneport.recipe import Recipe

from .tiny import save_tiny, write_chats
from .workers import folder_of, kill_workers, seen, until

pytestmark = pytest.mark.train
KILLER = Path(__file__).parent / "killed_workers"
STARTUP_S = 240.0


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("scene")
    return {
        "base": save_tiny(folder / "base"),
        "train": write_chats(folder / "train.jsonl", 8),
        "validation": write_chats(folder / "validation.jsonl", 3),
    }


def trainer_of(home: Path, *, killed_at: str = "") -> LocalTrainer:
    """A trainer whose workers end at that moment."""
    paths = os.pathsep.join([str(KILLER), os.environ.get("PYTHONPATH", "")])
    environ = {"OMP_NUM_THREADS": "1", "PYTHONPATH": paths, "KILLED_AT": killed_at}
    trainer = provider.open_trainer(ProviderSettings("local", home, environ=environ, profile={"calibrate": False}))
    assert isinstance(trainer, LocalTrainer)
    return trainer


def submitted(trainer: LocalTrainer, scene: dict[str, Path]) -> str:
    """Six steps, a validation and a checkpoint after every second, and the best of them kept."""
    options = {"device": "cpu", "precision": "fp32", "checkpoint_every": 2, "eval_every": 2, "checkpoints_kept": 1}
    method = {"kind": "sft", "epochs": 3, "batch_size": 4, "keep": "best", "learning_rate": 0.01, "lora": {"rank": 4}}
    files = {name: str(scene[name]) for name in ("train", "validation")}
    recipe = Recipe.parse({"base": str(scene["base"]), "method": method, **files, "options": {"local": options}})
    plan = trainer.plan(recipe)
    return trainer.create(plan, uuid.uuid4().hex, {file.purpose: trainer.upload(file) for file in plan.files}).provider_id


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    kill_workers(tmp_path)


def left(home: Path, job_id: str) -> tuple[Any, ...]:
    """What a finished job left, without what depends on the clock."""
    folder = folder_of(home, job_id)
    run = json.loads((folder.path / "run.json").read_text())
    metrics = {name: value for name, value in run["metrics"].items() if name != "tokens_per_second"}
    losses = [(each.step, each.values.get("loss"), each.values.get("eval_loss")) for each in folder.metrics()]
    return metrics, run["ending"], losses, (folder.adapter / "adapter_model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def unbroken(scene: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    home = tmp_path_factory.mktemp("unbroken")
    trainer = trainer_of(home)
    job_id = submitted(trainer, scene)
    until(lambda: seen(trainer, job_id).state is JobState.SUCCEEDED, within_s=STARTUP_S)
    return left(home, job_id)


PHASES = {
    # moment: (where the worker is killed, what the job is found to be)
    "queued": ("open devices/cpu.lock 0", JobState.PAUSED),
    "validating": ("open data/train.jsonl 0", JobState.FAILED),
    "starting": ("open base/config.json 1", JobState.FAILED),
    "running, before a checkpoint": ("open metrics.jsonl 0", JobState.FAILED),
    "running, after a checkpoint": ("open metrics.jsonl 4", JobState.PAUSED),
    "validation": ("open metrics.jsonl 5", JobState.PAUSED),
    "checkpoint, its weights": ("open .step-00000004.part/complete.json 0", JobState.PAUSED),
    "checkpoint, its name": ("os.rename checkpoints/step-00000004 0", JobState.PAUSED),
    "finalizing": ("open .adapter.part/README.md 0", JobState.PAUSED),
    "writing run.json": ("os.rename /run.json 0", JobState.PAUSED),
    "naming the adapter": ("os.rename /adapter 0", JobState.PAUSED),
}


FAST = ("checkpoint, its name", "writing run.json")
"""Where the most could be lost. The others are slow tests; `test_stopping` and `test_training` break runs off without a process."""


@pytest.mark.parametrize("phase", [phase if phase in FAST else pytest.param(phase, marks=pytest.mark.slow) for phase in PHASES])
def test_a_worker_killed_in_each_phase_loses_nothing(phase: str, scene: dict[str, Path], unbroken: tuple[Any, ...], home: Path) -> None:
    moment, state = PHASES[phase]
    killed = trainer_of(home, killed_at=moment)
    job_id = submitted(killed, scene)
    until(lambda: folder_of(home, job_id).status().pid is not None, within_s=STARTUP_S)
    until(lambda: seen(killed, job_id).state in (JobState.PAUSED, JobState.FAILED, JobState.SUCCEEDED), within_s=STARTUP_S)

    found = seen(killed, job_id)
    assert found.state is state, found
    if state is JobState.FAILED:
        assert "before its first checkpoint" in (found.error or "")
        return
    assert "worker_lost" in found.detail
    trainer = trainer_of(home)
    trainer.resume(job_id)
    until(lambda: seen(trainer, job_id).state is JobState.SUCCEEDED, within_s=STARTUP_S)
    assert left(home, job_id) == unbroken
