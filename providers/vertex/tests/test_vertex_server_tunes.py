"""Tuned models as jobs and the model registry tell of them: pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tuneport_vertex.wire.bases import generation_of, is_gemini, short_base
from tuneport_vertex.wire.labels import packed
from tuneport_vertex.wire.registered import Registered
from tuneport_vertex.wire.registered import model_of as registered_model
from tuneport_vertex.wire.tunes import model_of

AT = "projects/4711/locations/us"
DIGEST = "ab" * 32


@dataclass(frozen=True)
class Here:
    name: str = "vertex"
    project: str = "my-proj"
    location: str = "us-central1"
    serving_location: str = "us"


def gemini(**more: Any) -> dict[str, Any]:
    """A finished job of the third generation, as REST tells it."""
    return {
        "name": "projects/4711/locations/us-central1/tuningJobs/77",
        "baseModel": "gemini-3.5-flash",
        "state": "JOB_STATE_SUCCEEDED",
        "endTime": "2026-11-20T10:00:00.123456789Z",
        "tunedModelDisplayName": "tickets",
        "labels": {"team": "care", "tuneport-recipe": packed(DIGEST), "tuneport-data": packed("cd" * 32), "tuneport-client": "c-1"},
        "supervisedTuningSpec": {"hyperParameters": {"epochCount": "3", "learningRateMultiplier": 1.5, "adapterSize": "ADAPTER_SIZE_FOUR"}},
        "tunedModel": {
            "model": f"{AT}/models/123@1",
            "endpoint": f"{AT}/endpoints/9",
            "checkpoints": [
                {"checkpointId": "2", "epoch": 2, "step": 20, "endpoint": f"{AT}/endpoints/8"},
                {"checkpointId": "1", "epoch": 1, "step": 10, "endpoint": f"{AT}/endpoints/7"},
            ],
        },
        **more,
    }


def open_model(**more: Any) -> dict[str, Any]:
    base = {"baseModel": "publishers/meta/models/llama3_1@llama-3.1-8b", "outputUri": "gs://b/outputs/c-1/", "tunedModel": {}}
    return {**gemini(), **base, **more}


def test_a_tuned_gemini_is_named_where_it_lies_and_asked_at_its_endpoint() -> None:
    model = model_of(Here(), gemini())
    assert model is not None
    assert (model.uri, model.base, model.job_uri) == (
        "vertex:my-proj/us/models/123@1",
        "gemini-3.5-flash",
        "vertex:my-proj/us-central1/tuningJobs/77",
    )
    assert model.details["endpoint"] == "my-proj/us/endpoints/9"
    assert model.created_at == datetime(2026, 11, 20, 10, 0, 0, 123456, UTC)
    assert (model.recipe_fingerprint, model.dataset_fingerprint) == (DIGEST, "cd" * 32)


def test_checkpoints_come_oldest_first_and_each_has_its_own_endpoint() -> None:
    model = model_of(Here(), gemini())
    assert model is not None
    assert model.checkpoints == ("my-proj/us/models/123@1#1", "my-proj/us/models/123@1#2")
    first = model_of(Here(), gemini(), checkpoint="1")
    assert first is not None
    assert (first.id, first.details["endpoint"], first.checkpoints) == ("my-proj/us/models/123@1#1", "my-proj/us/endpoints/7", ())


def test_what_it_was_trained_with_is_told_in_the_words_of_recipes() -> None:
    model = model_of(Here(), gemini())
    assert model is not None
    assert model.details["hyperparameters"] == {"epochs": 3, "learning_rate_multiplier": 1.5, "adapter_size": "ADAPTER_SIZE_FOUR"}
    assert model.details["labels"] == {"team": "care"}


def test_a_tuned_open_model_has_weights_and_no_endpoint_and_goes_by_its_job_where_it_is_not_registered() -> None:
    model = model_of(Here(), open_model())
    assert model is not None
    assert (model.id, model.base) == ("my-proj/us-central1/tuningJobs/77", "meta/llama3_1@llama-3.1-8b")
    assert model.details["weights"] == "gs://b/outputs/c-1/postprocess/node-0/checkpoints/final"
    assert "endpoint" not in model.details
    named = model_of(Here(), open_model(tunedModel={"model": "projects/4711/locations/us-west1/models/5@1"}))
    assert named is not None
    assert named.id == "my-proj/us-west1/models/5@1"


@pytest.mark.parametrize("job", [open_model(state="JOB_STATE_RUNNING"), {**gemini(), "tunedModel": None}, open_model(outputUri=None)])
def test_a_job_that_has_made_nothing_has_no_model(job: dict[str, Any]) -> None:
    assert model_of(Here(), job) is None


def test_a_job_that_went_on_from_a_tune_names_the_base_below_it() -> None:
    before = {"tunedModelName": f"{AT}/models/1@1", "baseModel": "publishers/google/models/gemini-3.1-flash-lite"}
    model = model_of(Here(), gemini(baseModel=None, preTunedModel=before))
    assert model is not None
    assert model.base == "gemini-3.1-flash-lite"


def test_a_model_of_which_only_the_registry_knows_is_told_as_far_as_that_goes() -> None:
    shelf = Registered(
        f"{AT}/models/123",
        version="2",
        display_name="tickets",
        base="publishers/google/models/gemini-3.5-flash",
        source="GENIE",
        endpoints=(f"{AT}/endpoints/9",),
        labels={"tuneport-recipe": packed(DIGEST)},
        checkpoints=("1", "2"),
    )
    model = registered_model(Here(), shelf)
    assert (model.id, model.kind, model.base) == ("my-proj/us/models/123@2", "tuned", "gemini-3.5-flash")
    assert (model.details["endpoint"], model.recipe_fingerprint) == ("my-proj/us/endpoints/9", DIGEST)
    assert registered_model(Here(), replace(shelf, source="CUSTOM", base="", labels={})).kind == "registered"


@pytest.mark.parametrize(
    ("named", "short"),
    [
        ("publishers/google/models/gemini-3.5-flash", "gemini-3.5-flash"),
        ("projects/p/locations/us/publishers/google/models/gemini-3.5-flash", "gemini-3.5-flash"),
        ("google/gemini-3.5-flash", "gemini-3.5-flash"),
        ("publishers/google/models/gemma3@gemma-3-4b-it", "google/gemma3@gemma-3-4b-it"),
        ("google/gemma3@gemma-3-4b-it", "google/gemma3@gemma-3-4b-it"),
        ("publishers/meta/models/llama3_1@llama-3.1-8b", "meta/llama3_1@llama-3.1-8b"),
        ("anything", "anything"),
    ],
)
def test_bases_are_named_as_people_name_them(named: str, short: str) -> None:
    assert short_base(named) == short


def test_the_generation_of_a_gemini_is_in_its_name() -> None:
    assert (generation_of("gemini-3.1-flash-lite"), generation_of("gemini-2.5-pro"), generation_of("qwen/qwen3@qwen3-8b")) == (3.1, 2.5, 0)
    assert is_gemini("publishers/google/models/gemini-3.5-flash")
    assert not is_gemini("google/gemma3@gemma-3-4b-it")
