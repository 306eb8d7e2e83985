"""Jobs on several rented machines at once, which are processes in environments made from the bundle alone, connected by gloo."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.adapter import LocalTrainer

from tuneport.job import JobState
from tuneport.recipe import SFT, Recipe

from . import acme_machines
from .renting import launches, vendor
from .test_rented_trains import at_step, in_state, messages
from .tiny import save_tiny, write_chats
from .workers import kill_workers, open_trainer, seen, until

__all__ = ["vendor"]
pytestmark = [pytest.mark.train, pytest.mark.slow]
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
    def submit(*, epochs: int, **options: Any) -> str:
        said = {"precision": "fp32", "checkpoint_every": 10, "device": "cpu", **options}
        plan = trainer.plan(Recipe(base=str(base), train=rows, method=SFT(epochs=epochs, batch_size=8), options={"local": said}))
        return trainer.create(plan, uuid.uuid4().hex, {file.purpose: trainer.upload(file) for file in plan.files}).provider_id

    return submit


def losses(trainer: LocalTrainer, job: str) -> list[tuple[int, float]]:
    return [(metric.step, metric.values["loss"]) for metric in trainer.metrics(job)]


def test_two_machines_train_as_one_does_also_when_one_of_them_is_lost_and_given_back(
    trainer: LocalTrainer, submit: Callable[..., str], vendor: Path, tmp_path: Path
) -> None:
    rented = submit(epochs=40, engine="acme", workers=2, acme={"vendor": str(vendor), "machines": 2})
    until(at_step(trainer, rented, 12), within_s=WITHIN_S)
    (name,) = launches(vendor)
    (vendor / f"{name}.preempt").write_text("lose 1")
    until(in_state(trainer, rented, JobState.SUCCEEDED), within_s=WITHIN_S)

    here = submit(epochs=40)
    until(in_state(trainer, here, JobState.SUCCEEDED), within_s=WITHIN_S)
    ours, theirs = losses(trainer, here), losses(trainer, rented)
    assert [step for step, _ in theirs] == [step for step, _ in ours] == list(range(1, 121))
    assert [loss for _, loss in theirs] == pytest.approx([loss for _, loss in ours], rel=0.01)
    assert (trainer.download(rented, tmp_path / "home-again") / "adapter_model.safetensors").is_file()
    assert launches(vendor) == [name]
    (again,) = (message for message in messages(trainer, rented) if "the group begins again from step-" in message)
    assert again.startswith("worker 1 was lost")
    assert "2 workers: each learns from 4 of the 8 rows of a step" in messages(trainer, rented)


def test_a_job_whose_vendor_ends_all_machines_after_one_is_paused_and_goes_on_with_others(
    trainer: LocalTrainer, submit: Callable[..., str], vendor: Path
) -> None:
    job = submit(epochs=100, engine="acme", workers=2, acme={"vendor": str(vendor), "machines": 2})
    until(at_step(trainer, job, 12), within_s=WITHIN_S)
    (first,) = launches(vendor)
    (vendor / f"{first}.preempt").write_text("break 1")
    until(in_state(trainer, job, JobState.PAUSED), within_s=WITHIN_S)
    assert f"{first} ended without a word" in seen(trainer, job).detail
    trainer.resume(job)
    until(in_state(trainer, job, JobState.RUNNING), within_s=WITHIN_S)
    until(at_step(trainer, job, 30), within_s=WITHIN_S)
    assert any(message.startswith("resuming at step") for message in messages(trainer, job))
    trainer.pause(job)
    until(in_state(trainer, job, JobState.PAUSED), within_s=WITHIN_S)
    assert "on request" in seen(trainer, job).detail
    _, second = launches(vendor)
    until(lambda: acme_machines.get(vendor, second)["seen"]["word"] == "DONE", within_s=WITHIN_S)
