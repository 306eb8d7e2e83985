"""Tuneport's conformance kit over the emulated Vertex AI, with the real SDKs: a Gemini, and an open model in another region."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tuneport_vertex import provider as vertex_provider
from tuneport_vertex.emulator import EUROPEAN_BUCKET

from tuneport.provider import Provider, Trainer
from tuneport.recipe import Recipe
from tuneport.testing import TrainerConformance
from tuneport.testing.emulator.faults import Reset
from tuneport.testing.kit import Made, Settle

from .vertex_stage import CREATE, DAY, GEMMA, Stage, recipe, staged

CHARTS = "losses are charts of an experiment; where a job names a file of them it is read, and else the steps of its checkpoints"
KEPT = "Google keeps its record of a job for ever; what delete() deletes is the tuned model"


class OnTheStage(TrainerConformance):
    """The kit's fixtures over a stage of its own for each test."""

    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[Stage]:
        with staged(tmp_path) as stage:
            yield stage

    @pytest.fixture
    def provider(self) -> Provider:
        return vertex_provider

    @pytest.fixture
    def settle(self, stage: Stage) -> Settle:
        return lambda job_id: stage.clock.sleep(DAY)

    @pytest.fixture
    def start(self, stage: Stage) -> Settle:
        return lambda job_id: stage.clock.sleep(300)

    @pytest.fixture
    def break_network(self, stage: Stage) -> Callable[[], None]:
        return lambda: stage.emulator.faults.always(Reset())

    @pytest.fixture
    def lose_answer(self, stage: Stage) -> Callable[[], None]:
        return lambda: stage.emulator.faults.once(Reset(after_effect=True), on=CREATE)

    @pytest.fixture
    def request_count(self, stage: Stage) -> Callable[[], int]:
        return stage.emulator.log.count

    @pytest.fixture
    def secrets(self, stage: Stage) -> tuple[str, ...]:
        return tuple(stage.emulator.world.directory.tokens)

    @pytest.mark.xfail(reason=CHARTS)
    def test_metrics_come_in_order_of_step(self, trainer: Trainer, ended: Made, request_count: Callable[[], int] | None) -> None:
        super().test_metrics_come_in_order_of_step(trainer, ended, request_count)

    @pytest.mark.xfail(reason=KEPT)
    def test_deleting(self, trainer: Trainer, recipe: Recipe, settle: Settle, request_count: Callable[[], int] | None) -> None:
        super().test_deleting(trainer, recipe, settle, request_count)


class TestVertexTrainer(OnTheStage):
    @pytest.fixture
    def trainer(self, stage: Stage) -> Trainer:
        return stage.trainer()

    @pytest.fixture
    def recipe(self) -> Recipe:
        return recipe()

    @pytest.fixture
    def other_recipe(self) -> Recipe:
        return recipe(about="parcel", rows=12)


class TestOpenModelTrainer(OnTheStage):
    """An open model in Europe, whose weights go to a bucket there."""

    @pytest.mark.xfail(reason="an open model has no intermediate checkpoints; the trainer's answer is for Gemini, which has")
    def test_checkpoints(self, trainer: Trainer, ended: Made) -> None:
        super().test_checkpoints(trainer, ended)

    @pytest.mark.xfail(reason="a tuned open model is gone on from by its weights (options.vertex.custom_base_model), not by its id")
    def test_going_on_from_a_tuned_model(self, trainer: Trainer, recipe: Recipe, ended: Made) -> None:
        super().test_going_on_from_a_tuned_model(trainer, recipe, ended)

    @pytest.fixture
    def trainer(self, stage: Stage) -> Trainer:
        return stage.trainer(location="europe-west4", bucket=f"gs://{EUROPEAN_BUCKET}/tuning")

    @pytest.fixture
    def recipe(self) -> Recipe:
        return recipe(GEMMA)

    @pytest.fixture
    def other_recipe(self) -> Recipe:
        return recipe(GEMMA, about="parcel", rows=12)
