"""The local backend passes Tuneport's conformance kit: real folders, real workers, a tiny model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tuneport_local import provider as local
from tuneport_local.adapter import LocalTrainer
from tuneport_local.jobs.devices import DeviceQueue

from tuneport.dataset import Dataset
from tuneport.job import JobState
from tuneport.provider import Provider
from tuneport.recipe import SFT, Recipe
from tuneport.testing import TrainerConformance
from tuneport.testing.kit import Settle

from .tiny import CHATML_WITH_TOOLS, save_tiny, write_chats
from .workers import kill_workers, open_trainer, seen, until

pytestmark = pytest.mark.train

_LIVE = (JobState.CREATED, JobState.QUEUED, JobState.VALIDATING, JobState.STARTING, JobState.RUNNING)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def device(home: Path) -> Iterator[DeviceQueue]:
    """The device, busy unless a job is driven to its end: so the jobs that tests only look at wait, and load no torch."""
    queue = DeviceQueue(home / "local" / "devices", "cpu")
    queue.lock.parent.mkdir(parents=True)
    assert queue.take()
    yield queue
    queue.give_back()


class TestLocalTrainer(TrainerConformance):
    @pytest.fixture(scope="class")
    @classmethod
    def trainer(cls, home: Path, device: DeviceQueue) -> Iterator[LocalTrainer]:
        yield open_trainer(home)
        kill_workers(home)

    @pytest.fixture
    def provider(self) -> Provider:
        return local

    @pytest.fixture(scope="class")
    @classmethod
    def recipe(cls, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
        folder = tmp_path_factory.mktemp("inputs")
        base, rows = save_tiny(folder / "tiny", template=CHATML_WITH_TOOLS), write_chats(folder / "chats.jsonl")
        options = {"local": {"device": "cpu", "precision": "fp32"}}
        return Recipe(base=str(base), train=rows, method=SFT(epochs=1), options=options)

    @pytest.fixture(scope="class")
    @classmethod
    def other_recipe(cls, recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> Recipe:
        rows = write_chats(tmp_path_factory.mktemp("other") / "chats.jsonl", rows=9)
        return recipe.model_copy(update={"train": Dataset.read(rows)})

    @pytest.fixture
    def settle(self, trainer: LocalTrainer, device: DeviceQueue) -> Settle:
        def settle(job_id: str) -> None:
            for other in trainer.list():
                if other.provider_id != job_id and other.state in _LIVE:
                    trainer.cancel(other.provider_id)
            device.give_back()
            until(lambda: seen(trainer, job_id).state.terminal, within_s=240)
            until(device.take)

        return settle
