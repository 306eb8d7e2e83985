"""Tuneport's conformance kit over the emulated Azure ML: on the service's own machines and on a compute, with signatures and without."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tuneport_azureml import provider as azureml_provider
from tuneport_azureml.emulator import COMPUTE, Habits

from tuneport.examples import Example
from tuneport.model import Model
from tuneport.provider import Provider, Server, Trainer
from tuneport.recipe import Recipe
from tuneport.testing import ServerConformance, TrainerConformance
from tuneport.testing.emulator.faults import Reset
from tuneport.testing.kit import Settle

from .azureml_served import Served, served
from .azureml_stage import PUT_JOB, Identity, Stage, chats, recipe, staged


class OnTheStage(TrainerConformance):
    """The kit's fixtures over a stage of its own for each test."""

    habits: ClassVar[Habits] = Habits(page=2)
    profile: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[Stage]:
        with staged(tmp_path, habits=self.habits) as stage:
            yield stage

    @pytest.fixture
    def provider(self) -> Provider:
        return azureml_provider

    @pytest.fixture
    def trainer(self, stage: Stage) -> Trainer:
        return stage.trainer(**self.profile)

    @pytest.fixture
    def recipe(self) -> Recipe:
        return recipe()

    @pytest.fixture
    def other_recipe(self) -> Recipe:
        return recipe(about="parcel")

    @pytest.fixture
    def settle(self, stage: Stage) -> Settle:
        return lambda job_id: stage.clock.sleep(36_000)

    @pytest.fixture
    def break_network(self, stage: Stage) -> Callable[[], None]:
        return lambda: stage.emulator.faults.always(Reset())

    @pytest.fixture
    def lose_answer(self, stage: Stage) -> Callable[[], None]:
        return lambda: stage.emulator.faults.once(Reset(after_effect=True), on=PUT_JOB)

    @pytest.fixture
    def request_count(self, stage: Stage) -> Callable[[], int]:
        return stage.emulator.log.count

    @pytest.fixture
    def secrets(self, stage: Stage) -> tuple[str, ...]:
        return tuple(stage.emulator.world.tokens)


class TestServerless(OnTheStage):
    """On machines of the service's own; data go by a signature of the datastore."""


class TestOnACompute(OnTheStage):
    """On a named compute; an identity writes to the blob store by itself, and jobs are listed from the oldest to the newest."""

    @pytest.fixture
    def trainer(self, stage: Stage) -> Trainer:
        return stage.trainer(credential=lambda: Identity(stage), **self.profile)

    habits: ClassVar[Habits] = Habits(page=2, signs=False, oldest_first=True, honours_filters=False, tells_version=True)
    profile: ClassVar[Mapping[str, Any]] = {"compute": COMPUTE}


class TestServer(ServerConformance):
    """A tuned model that is served; the kit's own deployment is the one that stands."""

    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[Served]:
        with served(tmp_path, habits=Habits(page=1)) as stage:
            yield stage

    @pytest.fixture
    def server(self, stage: Served) -> Server:
        return stage.server()

    @pytest.fixture
    def model(self, stage: Served) -> Model:
        model = stage.tuned()
        stage.deployed(model)
        return model

    @pytest.fixture
    def rows(self) -> Sequence[Example]:
        return list(chats(4))


class TestServerOnMachines(TestServer):
    """Likewise on machines by the hour, since it was tuned on a compute."""

    @pytest.fixture
    def model(self, stage: Served) -> Model:
        model = stage.tuned(compute=COMPUTE)
        stage.deployed(model)
        return model
