"""The kit first, then what is special about the Kiln."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tuneport_kiln import provider as kiln
from tuneport_kiln import wire

from tuneport import Dataset, Recipe
from tuneport.errors import Ambiguous, Refused, Unreachable
from tuneport.job import JobState
from tuneport.provider import Provider, ProviderSettings, Trainer
from tuneport.testing import SimulatedClock, TrainerConformance


def rows(folder: Path, *asked: str) -> Dataset:
    """A dataset of one conversation per question."""
    path = folder / f"{len(list(folder.iterdir()))}.jsonl"
    turns = [[{"role": "user", "content": ask}, {"role": "assistant", "content": "yes"}] for ask in asked]
    path.write_text("".join(json.dumps({"messages": one}) + "\n" for one in turns), encoding="utf-8")
    return Dataset.read(path)


class TestKilnTrainer(TrainerConformance):
    @pytest.fixture
    def clock(self) -> SimulatedClock:
        return SimulatedClock()

    @pytest.fixture
    def provider(self) -> Provider:
        return kiln

    @pytest.fixture
    def trainer(self, clock: SimulatedClock, tmp_path: Path) -> Trainer:
        return kiln.open_trainer(ProviderSettings(name="kiln", home=tmp_path / "home", clock=clock))

    @pytest.fixture
    def recipe(self, tmp_path: Path) -> Recipe:
        return Recipe(base="clay-small", train=rows(tmp_path, "is it dry?", "is it hot?"))

    @pytest.fixture
    def other_recipe(self, tmp_path: Path) -> Recipe:
        return Recipe(base="clay-small", train=rows(tmp_path, "is it glazed?"))

    @pytest.fixture
    def settle(self, clock: SimulatedClock) -> Callable[[str], None]:
        return lambda job_id: clock.sleep(60)

    @pytest.fixture
    def received(self, tmp_path: Path) -> Callable[[str], dict[str, object]]:
        """The Kiln's own record of a job."""
        return lambda job_id: dict(json.loads((tmp_path / "home" / "kiln" / "default" / "jobs" / f"{job_id}.json").read_text()))


def test_a_word_the_kiln_has_not_used_before_is_unknown_and_kept() -> None:
    job = {"id": "firing-1", "status": "cooling", "created": "2026-11-21T09:00:00+00:00", "finished": None, "base": "clay-small"}
    snapshot = wire.to_snapshot({**job, "files": {}, "labels": {}, "settings": {}})
    assert (snapshot.state, snapshot.provider_state) == (JobState.UNKNOWN, "cooling")


@pytest.mark.parametrize(
    ("status", "written", "read"), [(400, Refused, Refused), (409, Ambiguous, Unreachable), (503, Ambiguous, Unreachable)]
)
def test_what_a_status_means_depends_on_whether_something_was_written(status: int, written: type, read: type) -> None:
    assert type(wire.to_error(status, "because", writing=True)) is written
    assert type(wire.to_error(status, "because", writing=False)) is read
