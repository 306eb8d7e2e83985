"""Tuneport's conformance kit over the emulated Azure, with the real SDK: in the v1 API and a dated one, whatever is kept of a job."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from tuneport_azure import provider as azure_provider
from tuneport_azure.emulator.habits import AzureHabits

from tuneport.provider import Provider, Trainer
from tuneport.recipe import Recipe
from tuneport.testing import TrainerConformance
from tuneport.testing.emulator.faults import Reset
from tuneport.testing.kit import Settle

from .azure_stage import DATED, Stage, recipe, staged


class OnTheStage(TrainerConformance):
    """The kit's fixtures over a stage of its own for each test."""

    path: ClassVar[str] = "/openai/v1"
    habits: ClassVar[AzureHabits] = AzureHabits(processing_s=0.0, pauses_at_once=True)
    """As in the specification's example. That a job which is still pausing is not resumed is told by its own test."""

    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[Stage]:
        with staged(tmp_path, habits=self.habits) as stage:
            yield stage

    @pytest.fixture
    def provider(self) -> Provider:
        return azure_provider

    @pytest.fixture
    def recipe(self) -> Recipe:
        return recipe("gpt-4o")

    @pytest.fixture
    def other_recipe(self) -> Recipe:
        return recipe("gpt-4o", about="parcel")

    @pytest.fixture
    def settle(self, stage: Stage) -> Settle:
        return lambda job_id: stage.clock.sleep(36_000)

    @pytest.fixture
    def start(self, stage: Stage) -> Settle:
        return lambda job_id: stage.clock.sleep(150)

    @pytest.fixture
    def break_network(self, stage: Stage) -> Callable[[], None]:
        return lambda: stage.emulator.faults.always(Reset())

    @pytest.fixture
    def lose_answer(self, stage: Stage) -> Callable[[], None]:
        return lambda: stage.emulator.faults.once(Reset(after_effect=True), on=f"POST /{{resource}}{self.path}/fine_tuning/jobs")

    @pytest.fixture
    def request_count(self, stage: Stage) -> Callable[[], int]:
        return stage.emulator.log.count

    @pytest.fixture
    def secrets(self, stage: Stage) -> tuple[str, ...]:
        return (stage.emulator.key(),)


class TestAzureTrainer(OnTheStage):
    """The v1 API, which keeps nothing of what is written on a job."""

    marks_jobs: ClassVar[bool] = False

    @pytest.fixture
    def trainer(self, stage: Stage) -> Trainer:
        return stage.trainer()


class TestDatedAzureTrainer(OnTheStage):
    """A dated version, in which jobs can be deleted, at a service that keeps what is written on them and lists the oldest first."""

    path: ClassVar[str] = "/openai"

    habits: ClassVar[AzureHabits] = AzureHabits(processing_s=0.0, pauses_at_once=True, keeps_metadata=True, oldest_first=True)

    @pytest.fixture
    def trainer(self, stage: Stage) -> Trainer:
        return stage.trainer(api_version=DATED)
