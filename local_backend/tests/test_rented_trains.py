"""Jobs on rented machines, which are processes in environments made from the bundle alone: they train there and come home."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.adapter import LocalTrainer
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.jobs.home import Jobs
from tuneport_local.training.train import TrainingSpec, train

from tuneport.job import JobState
from tuneport.recipe import SFT, Recipe

from . import acme_machines
from .renting import given_back, launches, taken_away, vendor
from .tiny import save_tiny, write_chats
from .workers import kill, kill_workers, open_trainer, seen, until

__all__ = ["vendor"]
pytestmark = pytest.mark.train
WITHIN_S = 240.0


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chats(tmp_path_factory.mktemp("rows") / "chats.jsonl")


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[LocalTrainer]:
    yield open_trainer(tmp_path / "home")
    kill_workers(tmp_path / "home")


@pytest.fixture
def submit(trainer: LocalTrainer, base: Path, rows: Path) -> Callable[..., str]:
    def submit(*, epochs: int, batch_size: int = 8, **options: Any) -> str:
        said = {"precision": "fp32", "checkpoint_every": 20, "device": "cpu", **options}
        plan = trainer.plan(Recipe(base=str(base), train=rows, method=SFT(epochs=epochs, batch_size=batch_size), options={"local": said}))
        return trainer.create(plan, uuid.uuid4().hex, {file.purpose: trainer.upload(file) for file in plan.files}).provider_id

    return submit


def in_state(trainer: LocalTrainer, job_id: str, *states: JobState) -> Callable[[], bool]:
    def reached() -> bool:
        now = seen(trainer, job_id)
        assert now.state in states or not now.state.terminal, now.error
        return now.state in states

    return reached


def at_step(trainer: LocalTrainer, job_id: str, step: int) -> Callable[[], bool]:
    def reached() -> bool:
        now = seen(trainer, job_id)
        assert not now.state.terminal, now.error
        return any(metric.step >= step for metric in trainer.metrics(job_id))

    return reached


def there(vendor: Path, job_id: str, name: str, words: str) -> Callable[[], bool]:
    """Whether a file of the job's folder on the storage says so."""
    path = vendor / "storage" / job_id / name
    return lambda: path.is_file() and words in path.read_text()


def messages(trainer: LocalTrainer, job_id: str) -> list[str]:
    return [event.message for event in trainer.events(job_id)]


def trained_here(trainer: LocalTrainer, job_id: str, tmp_path: Path) -> JobFolder:
    """The same job, trained in this process."""
    recipe = trainer._known(job_id).recipe()
    values = {name: value for name, value in recipe["hyperparameters"].items() if name not in ("engine", "workers", "rented")}
    files = {"train": Path(recipe["files"]["train"])}
    folder, _ = Jobs(tmp_path / "here").make("here", {**recipe, "hyperparameters": values, "home": str(tmp_path / "here")}, files)
    assert train(folder, spec=TrainingSpec.from_dict(folder.recipe()), home=tmp_path / "here") == "succeeded"
    return folder


def came_home_equal(trainer: LocalTrainer, rented: str, tmp_path: Path, *, steps: int) -> None:
    """All steps once, with the losses of a training here, and the same adapter, byte for byte."""
    here = trained_here(trainer, rented, tmp_path)
    there = trainer._known(rented)
    assert [metric.step for metric in there.metrics()] == list(range(1, steps + 1))
    losses = [[metric.values["loss"] for metric in folder.metrics()] for folder in (there, here)]
    assert losses[0] == losses[1]
    weights = [(folder.adapter / "adapter_model.safetensors").read_bytes() for folder in (there, here)]
    assert weights[0] == weights[1]
    configs = [json.loads((folder.adapter / "adapter_config.json").read_text()) for folder in (there, here)]
    assert configs[0]["base_model_name_or_path"] == configs[1]["base_model_name_or_path"]
    runs = [json.loads((folder.path / "run.json").read_text()) for folder in (there, here)]
    assert [runs[0][name] for name in ("base", "versions")] == [runs[1][name] for name in ("base", "versions")]


def test_a_job_that_is_preempted_comes_home_as_if_it_had_been_trained_here(
    trainer: LocalTrainer, submit: Callable[..., str], vendor: Path, tmp_path: Path
) -> None:
    job = submit(epochs=40, engine="acme", acme={"vendor": str(vendor)})
    until(there(vendor, job, "metrics.jsonl", '"step":5,'), within_s=WITHIN_S)
    (name,) = launches(vendor)
    assert taken_away(vendor, name) == 143
    until(lambda: "waiting for a machine (PREEMPTED)" in seen(trainer, job).detail)
    given_back(vendor, name)
    until(in_state(trainer, job, JobState.SUCCEEDED), within_s=WITHIN_S)
    assert any("resuming at step" in message for message in messages(trainer, job))
    assert launches(vendor) == [name]
    came_home_equal(trainer, job, tmp_path, steps=120)


@pytest.mark.slow
def test_a_machine_that_is_killed_and_a_follower_that_is_killed_cost_nothing_but_time(
    trainer: LocalTrainer, submit: Callable[..., str], vendor: Path, tmp_path: Path
) -> None:
    job = submit(epochs=60, engine="acme", acme={"vendor": str(vendor)})
    until(there(vendor, job, "events.jsonl", "checkpoint step-"), within_s=WITHIN_S)
    (name,) = launches(vendor)
    assert taken_away(vendor, name, how="kill") == -9
    kill(tmp_path / "home", job)
    given_back(vendor, name)
    until(in_state(trainer, job, JobState.PAUSED))
    trainer.resume(job)
    until(in_state(trainer, job, JobState.SUCCEEDED), within_s=WITHIN_S)
    assert launches(vendor) == [name]
    came_home_equal(trainer, job, tmp_path, steps=180)


@pytest.mark.slow
def test_several_workers_train_there_and_go_on_from_the_last_checkpoint_when_their_machine_is_taken_away(
    trainer: LocalTrainer, submit: Callable[..., str], vendor: Path
) -> None:
    job = submit(epochs=60, engine="acme", workers=2, acme={"vendor": str(vendor)})
    until(there(vendor, job, "events.jsonl", "checkpoint step-"), within_s=WITHIN_S)
    (name,) = launches(vendor)
    assert taken_away(vendor, name) == 143
    given_back(vendor, name)
    until(in_state(trainer, job, JobState.SUCCEEDED), within_s=WITHIN_S)
    assert any("2 workers: each learns from 4 of the 8 rows" in message for message in messages(trainer, job))
    assert any("resuming at step" in message for message in messages(trainer, job))
    assert [metric.step for metric in trainer.metrics(job)] == list(range(1, 181))
    assert launches(vendor) == [name]


@pytest.mark.slow
def test_a_pause_gives_the_machine_back_and_a_resume_launches_another_which_a_cancel_ends(
    trainer: LocalTrainer, submit: Callable[..., str], vendor: Path
) -> None:
    job = submit(epochs=100, batch_size=2, engine="acme", acme={"vendor": str(vendor)})
    until(at_step(trainer, job, 3), within_s=WITHIN_S)
    trainer.pause(job)
    until(in_state(trainer, job, JobState.PAUSED), within_s=WITHIN_S)
    (first,) = launches(vendor)
    until(lambda: acme_machines.get(vendor, first)["seen"]["word"] == "DONE")
    saved = max(int(path.name.removeprefix("step-")) for path in trainer._known(job).checkpoints.glob("step-*"))
    trainer.resume(job)
    until(at_step(trainer, job, saved + 1), within_s=WITHIN_S)
    assert f"resuming at step {saved} of 1200" in messages(trainer, job)
    trainer.cancel(job)
    until(in_state(trainer, job, JobState.CANCELLED), within_s=WITHIN_S)
    _, second = launches(vendor)
    until(lambda: acme_machines.get(vendor, second)["seen"]["word"] in ("CANCELLED", "DONE"))
