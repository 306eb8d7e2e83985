"""Jobs on rented machines, which are processes in environments made from the bundle alone: they train there and come home."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.adapter import LocalTrainer

from tuneport.job import JobState
from tuneport.recipe import SFT, Recipe

from . import acme_machines
from .renting import given_back, launches, taken_away, vendor
from .tiny import save_tiny, write_chats
from .workers import folder_of, kill, kill_workers, open_trainer, seen, until

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


def test_a_job_that_is_preempted_twice_comes_home_as_if_it_had_been_trained_here(
    trainer: LocalTrainer, submit: Callable[..., str], vendor: Path, tmp_path: Path
) -> None:
    rented = submit(epochs=60, engine="acme", acme={"vendor": str(vendor)})
    here = submit(epochs=60)
    until(there(vendor, rented, "metrics.jsonl", '"step":5,'), within_s=WITHIN_S)
    (name,) = launches(vendor)
    assert taken_away(vendor, name) == 143
    until(lambda: "waiting for a machine (PREEMPTED)" in seen(trainer, rented).detail)
    given_back(vendor, name)
    until(there(vendor, rented, "events.jsonl", "resuming at step"), within_s=WITHIN_S)
    assert taken_away(vendor, name, how="kill") == -9
    kill(tmp_path / "home", rented)  # whoever follows here is gone as well
    given_back(vendor, name)
    until(in_state(trainer, rented, JobState.PAUSED))
    trainer.resume(rented)
    until(in_state(trainer, rented, JobState.SUCCEEDED), within_s=WITHIN_S)
    until(in_state(trainer, here, JobState.SUCCEEDED), within_s=WITHIN_S)

    files = [trainer.download(job, tmp_path / job) / "adapter_model.safetensors" for job in (rented, here)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert launches(vendor) == [name]
    assert [metric.step for metric in trainer.metrics(rented)] == list(range(1, 181))
    losses = [[metric.values["loss"] for metric in trainer.metrics(job)] for job in (rented, here)]
    assert losses[0] == losses[1]
    runs = [json.loads((folder_of(tmp_path / "home", job).path / "run.json").read_text()) for job in (rented, here)]
    assert runs[0]["base"] == runs[1]["base"]
    assert trainer.result(rented).base == trainer.result(here).base


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
