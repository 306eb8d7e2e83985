"""Jobs as the API has them: what is written on one, what is said of it, whether it is ours, and what came of it."""

from __future__ import annotations

import copy
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuneport_openai.wire.jobs import carries, create_body, hyperparameters_of, matches, model_of, snapshot_of, trained_tokens

from tuneport.errors import FileGone, NotFound
from tuneport.job import JobState
from tuneport.plan import Plan, PlannedFile, PlannedRequest

CREATED = 1_795_000_000
TUNED = "ft:gpt-4.1-mini-2025-04-14:acme::AbC"


def planned(*, validation: bool = False, **changes: Any) -> Plan:
    purposes = ["train", "validation"] if validation else ["train"]
    files = tuple(PlannedFile.from_chunks(lambda: iter([b"{}\n"]), purpose=purpose, rows=1) for purpose in purposes)
    body = {"model": "gpt-4.1-mini-2025-04-14", "training_file": "{file:train}", "seed": 7, "metadata": {"team": "support"}}
    if validation:
        body["validation_file"] = "{file:validation}"
    plain: dict[str, Any] = {
        "provider": "openai",
        "scope": "org",
        "base": "gpt-4.1-mini-2025-04-14",
        "method": "sft",
        "requests": (PlannedRequest("POST /fine_tuning/jobs", body),),
        "files": files,
        "hyperparameters": {"epochs": 3, "batch_size": "auto"},
        "recipe_fingerprint": "r" * 64,
        "dataset_fingerprint": "d" * 64,
        "seed": 7,
        "suffix": None,
    }
    return Plan(**{**plain, **changes})


def job(**changes: Any) -> dict[str, Any]:
    """A running job as the SDK's types have it."""
    plain = {
        "id": "ftjob-1",
        "object": "fine_tuning.job",
        "created_at": CREATED,
        "error": None,
        "fine_tuned_model": None,
        "finished_at": None,
        "hyperparameters": {"n_epochs": 3, "batch_size": 2, "learning_rate_multiplier": 1.8},
        "model": "gpt-4.1-mini-2025-04-14",
        "organization_id": "org-1",
        "result_files": [],
        "seed": 7,
        "status": "running",
        "trained_tokens": None,
        "training_file": "file-1",
        "validation_file": None,
        "estimated_finish": None,
        "integrations": [],
        "metadata": None,
        "method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3, "batch_size": "auto"}}},
    }
    return {**plain, **changes}


# --- asking for one --------------------------------------------------------------------------------------------------------------------


def test_a_create_names_the_uploaded_files_and_carries_what_the_job_is_found_by() -> None:
    plan = planned(validation=True)
    body = create_body(plan, client_id="c" * 32, files={"train": "file-1", "validation": "file-2"})
    assert (body["training_file"], body["validation_file"]) == ("file-1", "file-2")
    assert body["metadata"] == {
        "team": "support",
        "tuneport_client_id": "c" * 32,
        "tuneport_plan": plan.fingerprint,
        "tuneport_recipe": "r" * 64,
        "tuneport_data": "d" * 64,
    }
    assert snapshot_of(job(metadata=body["metadata"])).client_id == "c" * 32


def test_a_create_changes_nothing_of_its_plan() -> None:
    plan = planned()
    before = copy.deepcopy(plan.requests[0].body)
    body = create_body(plan, client_id="c", files={"train": "file-1"})
    body["metadata"]["more"] = "x"
    assert plan.requests[0].body == before


def test_a_create_without_one_of_its_files_is_refused() -> None:
    with pytest.raises(FileGone, match="validation"):
        create_body(planned(validation=True), client_id="c", files={"train": "file-1"})


# --- what is said of one ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("validating_files", JobState.VALIDATING),
        ("queued", JobState.QUEUED),
        ("running", JobState.RUNNING),
        ("paused", JobState.PAUSED),
        ("succeeded", JobState.SUCCEEDED),
        ("failed", JobState.FAILED),
        ("cancelled", JobState.CANCELLED),
        ("canceled", JobState.UNKNOWN),
        ("defragmenting", JobState.UNKNOWN),
    ],
)
def test_every_word_for_a_state_has_ours_and_an_unknown_one_is_kept(word: str, state: JobState) -> None:
    said = snapshot_of(job(status=word))
    assert (said.state, said.provider_state) == (state, word)


def test_a_job_is_read_field_by_field() -> None:
    marks = {"tuneport_client_id": "c", "tuneport_plan": "p", "tuneport_recipe": "r", "tuneport_data": "d", "team": "x"}
    said = snapshot_of(job(validation_file="file-2", metadata=marks, estimated_finish=CREATED + 60))
    assert said.created_at == datetime.fromtimestamp(CREATED, UTC)
    assert said.created_at.tzinfo is not None
    assert (said.base, said.method, said.seed) == ("gpt-4.1-mini-2025-04-14", "sft", 7)
    assert said.files == {"train": "file-1", "validation": "file-2"}
    assert (said.client_id, said.plan_fingerprint, said.recipe_fingerprint, said.dataset_fingerprint) == ("c", "p", "r", "d")
    assert said.detail == f"estimated to finish at {datetime.fromtimestamp(CREATED + 60, UTC):%Y-%m-%d %H:%M} UTC"


def test_an_ended_job_has_its_model_its_end_and_its_tokens() -> None:
    said = snapshot_of(job(status="succeeded", fine_tuned_model=TUNED, finished_at=CREATED + 600, trained_tokens=12_345))
    assert (said.model, said.detail) == (TUNED, "12,345 tokens trained")
    assert said.finished_at == datetime.fromtimestamp(CREATED + 600, UTC)
    assert trained_tokens(job(trained_tokens=12_345)) == 12_345


def test_a_model_that_is_named_before_the_job_has_succeeded_is_none_yet() -> None:
    assert snapshot_of(job(status="running", fine_tuned_model=TUNED)).model is None


@pytest.mark.parametrize("error", [None, {}, {"code": None, "message": None, "param": None}, "", []])
def test_an_error_that_says_nothing_is_none(error: Any) -> None:
    assert snapshot_of(job(error=error)).error is None


def test_an_error_is_kept_in_the_vendors_words_without_keys() -> None:
    error = {"code": "invalid_training_file", "message": "too few rows", "param": "training_file"}
    assert snapshot_of(job(status="failed", error=error)).error == "invalid_training_file: too few rows (training_file)"
    assert snapshot_of(job(error={"code": None, "message": "broken", "param": None})).error == "broken"
    assert snapshot_of(job(error="broken")).error == "broken"
    assert "sk-abcdefghijk" not in str(snapshot_of(job(error={"message": "key sk-abcdefghijk is wrong"})).error)


@pytest.mark.parametrize(
    ("method", "ours"),
    [
        ({"type": "dpo", "dpo": {}}, "dpo"),
        ({"type": "reinforcement"}, "grpo"),
        ({"type": "distillation"}, "distillation"),
        (None, "sft"),
        ({}, None),
    ],
)
def test_the_method_is_read_by_our_name_or_kept_as_it_is(method: Any, ours: str | None) -> None:
    assert snapshot_of(job(method=method)).method == ours


def test_hyperparameters_are_found_under_the_method_and_beside_the_files() -> None:
    assert hyperparameters_of(job()) == {"n_epochs": 3, "batch_size": "auto"}
    assert hyperparameters_of(job(method=None)) == {"n_epochs": 3, "batch_size": 2, "learning_rate_multiplier": 1.8}
    assert hyperparameters_of({"id": "x"}) == {}


def test_a_job_of_which_next_to_nothing_is_said_is_still_a_job() -> None:
    said = snapshot_of({"id": "ftjob-1"})
    assert (said.provider_id, said.state, said.provider_state) == ("ftjob-1", JobState.UNKNOWN, "")
    assert (said.created_at, said.method, said.files, said.seed, said.error) == (None, None, {}, None, None)


@pytest.mark.parametrize("broken", [{}, {"id": None}, {"id": ""}, {"id": 7}])
def test_what_has_no_id_is_no_job(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="without an id"):
        snapshot_of(broken)


def test_times_come_in_several_spellings() -> None:
    for value in (CREATED, float(CREATED), str(CREATED), datetime.fromtimestamp(CREATED, UTC).isoformat()):
        assert snapshot_of(job(created_at=value)).created_at == datetime.fromtimestamp(CREATED, UTC)
    assert snapshot_of(job(created_at="2026-11-21T10:00:00")).created_at == datetime(2026, 11, 21, 10, tzinfo=UTC)
    for value in (None, 0, "", "soon", True, 1e30, [], {}):
        assert snapshot_of(job(finished_at=value)).finished_at is None


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["type", "code", "hyperparameters", "x"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(changes=st.dictionaries(st.sampled_from([key for key in job() if key != "id"] + ["new_field"]), _VALUES))
def test_whatever_stands_in_its_fields_a_job_is_read_and_left_as_it_was(changes: dict[str, Any]) -> None:
    given_job = {**job(), **changes}
    before = repr(given_job)
    said = snapshot_of(given_job)
    assert said.provider_id == "ftjob-1"
    assert said.created_at is None or said.created_at.tzinfo is not None
    matches(given_job, planned(), files=["file-1"], since=None)
    assert repr(given_job) == before


# --- whether it is ours ----------------------------------------------------------------------------------------------------------------


def test_a_job_is_known_by_the_client_id_that_it_carries() -> None:
    ours = job(metadata={"tuneport_client_id": "mine"})
    assert carries(ours, "mine")
    assert not carries(ours, "another")
    assert not carries(job(metadata=None), "mine")
    assert not carries({"id": "x"}, "mine")


def _match(found: dict[str, Any], plan: Plan | None = None, *, files: tuple[str, ...] = ("file-1",), age_s: int = 60) -> bool:
    return matches(found, plan or planned(), files=files, since=datetime.fromtimestamp(CREATED, UTC) - timedelta(seconds=age_s))


def test_an_unmarked_job_of_the_same_files_base_seed_and_time_matches() -> None:
    assert _match(job())
    assert _match(job(method=None, hyperparameters=None, seed=None, metadata={}))
    assert _match(job(validation_file="file-2"), planned(validation=True), files=("file-2", "file-9", "file-1"))


@pytest.mark.parametrize(
    "changes",
    [
        {"training_file": "file-7"},
        {"training_file": None},
        {"validation_file": "file-1"},
        {"model": "gpt-4o-2024-08-06"},
        {"seed": 8},
        {"created_at": CREATED - 61},
        {"created_at": None},
        {"method": {"type": "dpo"}},
        {"method": {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 4}}}},
        {"suffix": "another"},
        {"metadata": {"tuneport_client_id": "anothers"}},
    ],
)
def test_a_job_that_differs_in_one_thing_does_not_match(changes: dict[str, Any]) -> None:
    assert _match(job())
    assert not _match(job(**changes))


def test_a_value_that_was_left_to_the_vendor_counts_neither_way() -> None:
    said = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 3, "batch_size": 16}}}
    assert _match(job(method=said))


def test_an_alias_matches_the_dated_id_that_the_vendor_answers_with() -> None:
    assert _match(job(), planned(base="gpt-4.1-mini"))
    assert not _match(job(), planned(base="gpt-4.1-min"))


# --- what came of it -------------------------------------------------------------------------------------------------------------------


def checkpoint(step: int, **changes: Any) -> dict[str, Any]:
    plain = {
        "id": f"ftckpt-{step}",
        "created_at": CREATED + step,
        "fine_tuned_model_checkpoint": f"{TUNED}:ckpt-step-{step}",
        "fine_tuning_job_id": "ftjob-1",
        "metrics": {"step": step, "train_loss": 0.5, "valid_loss": None, "full_valid_mean_token_accuracy": 0.9},
        "object": "fine_tuning.job.checkpoint",
        "step_number": step,
    }
    return {**plain, **changes}


def test_a_model_knows_its_lineage_and_its_checkpoints_oldest_first() -> None:
    marks = {"tuneport_recipe": "r", "tuneport_data": "d"}
    ended = job(
        status="succeeded", fine_tuned_model=TUNED, finished_at=CREATED + 600, trained_tokens=99, metadata=marks, result_files=["f"]
    )
    model = model_of(ended, [checkpoint(20), checkpoint(10)], provider="work")
    assert (model.uri, model.provider, model.id) == (f"work:{TUNED}", "work", TUNED)
    assert (model.job_uri, model.recipe_fingerprint, model.dataset_fingerprint) == ("work:ftjob-1", "r", "d")
    assert model.checkpoints == (f"{TUNED}:ckpt-step-10", f"{TUNED}:ckpt-step-20")
    assert model.created_at == datetime.fromtimestamp(CREATED + 600, UTC)
    assert (model.details["trained_tokens"], model.details["result_files"]) == (99, ["f"])
    assert model.details["checkpoints"][0]["metrics"] == {"train_loss": 0.5, "full_valid_mean_token_accuracy": 0.9}
    assert model.details["checkpoints"][0]["step"] == 10


def test_a_checkpoint_without_a_model_of_its_own_goes_by_its_id_and_one_without_metrics_has_none() -> None:
    ended = job(status="succeeded", fine_tuned_model=TUNED, result_files=None)
    model = model_of(ended, [checkpoint(10, fine_tuned_model_checkpoint=None, metrics=None), {}], provider="azure")
    assert model.checkpoints == ("ftckpt-10",)
    assert "metrics" not in model.details["checkpoints"][0]
    assert "result_files" not in model.details


@pytest.mark.parametrize("status", ["running", "cancelled", "failed"])
def test_a_job_without_a_model_says_so_and_names_the_checkpoints_that_there_are(status: str) -> None:
    with pytest.raises(NotFound, match=status) as caught:
        model_of(job(status=status), [checkpoint(10)], provider="openai")
    assert f"{TUNED}:ckpt-step-10" in str(caught.value)
