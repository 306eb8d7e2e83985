"""Tuneport's conformance kit over the emulated platform, with the real SDK: OpenAI, and a compatible endpoint that drops metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from tuneport_openai import provider as openai_provider
from tuneport_openai.emulator import Habits

from tuneport.examples import Example
from tuneport.model import Model
from tuneport.provider import Provider, Server, Trainer
from tuneport.recipe import Recipe
from tuneport.testing import ServerConformance, TrainerConformance
from tuneport.testing.emulator.faults import Reset
from tuneport.testing.kit import Settle, make

from .stage import LLAMA, Stage, chats, recipe, staged

KEPT = "OpenAI keeps its record of a job for ever; what delete() deletes is the tuned model"


class OnTheStage(TrainerConformance):
    """The kit's fixtures over a stage of its own for each test."""

    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[Stage]:
        with staged(tmp_path) as stage:
            yield stage

    @pytest.fixture
    def provider(self) -> Provider:
        return openai_provider

    @pytest.fixture
    def settle(self, stage: Stage) -> Settle:
        return lambda job_id: stage.clock.sleep(3600)

    @pytest.fixture
    def start(self, stage: Stage) -> Settle:
        return lambda job_id: stage.clock.sleep(150)

    @pytest.fixture
    def break_network(self, stage: Stage) -> Callable[[], None]:
        return lambda: stage.emulator.faults.always(Reset())

    @pytest.fixture
    def lose_answer(self, stage: Stage) -> Callable[[], None]:
        return lambda: stage.emulator.faults.once(Reset(after_effect=True), on="POST /v1/fine_tuning/jobs")

    @pytest.fixture
    def request_count(self, stage: Stage) -> Callable[[], int]:
        return stage.emulator.log.count

    @pytest.fixture
    def secrets(self, stage: Stage) -> tuple[str, ...]:
        return (stage.emulator.open_key,)

    @pytest.mark.xfail(reason=KEPT)
    def test_deleting(self, trainer: Trainer, recipe: Recipe, settle: Settle, request_count: Callable[[], int] | None) -> None:
        super().test_deleting(trainer, recipe, settle, request_count)


class TestOpenAITrainer(OnTheStage):
    @pytest.fixture
    def trainer(self, stage: Stage) -> Trainer:
        return stage.trainer()

    @pytest.fixture
    def recipe(self) -> Recipe:
        return recipe("gpt-4o")

    @pytest.fixture
    def other_recipe(self) -> Recipe:
        return recipe("gpt-4o", about="parcel")


class TestCompatibleTrainer(OnTheStage):
    """An endpoint under a profile of its own, which drops what is written on a job."""

    marks_jobs: ClassVar[bool] = False

    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[Stage]:
        with staged(tmp_path, habits=Habits(processing_s=0.0, keeps_metadata=False)) as stage:
            yield stage

    @pytest.fixture
    def provider(self) -> Provider:
        return replace(openai_provider, name="nebius")

    @pytest.fixture
    def trainer(self, stage: Stage) -> Trainer:
        return stage.elsewhere("no_metadata", "no_pause")

    @pytest.fixture
    def recipe(self) -> Recipe:
        return recipe(LLAMA)

    @pytest.fixture
    def other_recipe(self) -> Recipe:
        return recipe(LLAMA, about="parcel")


class TestOpenAIServer(ServerConformance):
    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[Stage]:
        with staged(tmp_path) as stage:
            yield stage

    @pytest.fixture
    def server(self, stage: Stage) -> Server:
        return stage.server()

    @pytest.fixture
    def model(self, stage: Stage) -> Model:
        trainer = stage.trainer()
        job = make(trainer, recipe())
        stage.clock.sleep(3600)
        return trainer.result(job.id)

    @pytest.fixture
    def rows(self) -> Sequence[Example]:
        return list(chats())
