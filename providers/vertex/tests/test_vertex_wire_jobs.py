"""What jobs tell: their ids, states in words and numbers, marks, data statistics, history and measurements. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuneport_vertex.profile import Place
from tuneport_vertex.wire import ids
from tuneport_vertex.wire.events import after, events_of
from tuneport_vertex.wire.jobs import epochs_of, error_of, snapshot_of
from tuneport_vertex.wire.labels import carries, packed, unpacked
from tuneport_vertex.wire.metrics import metrics_of_checkpoints, metrics_of_text
from tuneport_vertex.wire.states import detail_sentence, job_state, state_word
from tuneport_vertex.wire.stats import findings, stats_of

from tuneport.errors import NotFound
from tuneport.job import JobState, Metric

HERE = Place(name="work", project="my-project", location="us-central1", serving_location="us")
NAME = "projects/123456/locations/us-central1/tuningJobs/77"


def job(**said: Any) -> Mapping[str, Any]:
    return {"name": NAME, "state": "JOB_STATE_RUNNING", "createTime": "2026-11-21T09:00:00Z", **said}


# --- ids ----------------------------------------------------------------------------------------------------------------------------------


def test_ids_carry_the_project_as_the_profile_has_it() -> None:
    assert ids.public(HERE, NAME) == "my-project/us-central1/tuningJobs/77"
    assert ids.public(HERE, "projects/123456/locations/us/models/9@2", checkpoint="3") == "my-project/us/models/9@2#3"


@pytest.mark.parametrize(
    "written",
    [
        "77",
        "tuningJobs/77",
        "my-project/us-central1/tuningJobs/77",
        "work:my-project/us-central1/tuningJobs/77",
        NAME,
        NAME.replace("123456", "my-project"),
    ],
)
def test_a_job_goes_by_its_bare_public_and_full_name(written: str) -> None:
    assert ids.full(HERE, written, kind="tuningJobs") == "projects/my-project/locations/us-central1/tuningJobs/77"


@pytest.mark.parametrize(
    "written",
    [
        "other-project/us-central1/tuningJobs/77",
        "my-project/europe-west4/tuningJobs/77",
        "my-project/us-central1/models/77",
        "a/b",
        "",
        "ftjob abc",
    ],
)
def test_a_job_of_elsewhere_is_not_found_here(written: str) -> None:
    with pytest.raises(NotFound) as caught:
        ids.full(HERE, written, kind="tuningJobs")
    assert caught.value.remedy


def test_a_job_of_another_region_names_the_profile_that_it_needs() -> None:
    with pytest.raises(
        NotFound, match=r'is in my-project/europe-west4, and work is set up for my-project/us-central1.*location = "europe-west4"'
    ):
        ids.full(HERE, "my-project/europe-west4/tuningJobs/77", kind="tuningJobs")


@pytest.mark.parametrize("location", ["evil.example#", "evil.example?", "evil.example:443#", "us@evil.example#", "us.evil", "US"])
@pytest.mark.parametrize("form", ["my-project/{}/models/9@2", "projects/my-project/locations/{}/models/9", "vertex:my-project/{}/models/9"])
def test_a_location_becomes_a_part_of_the_host_and_so_is_nothing_but_a_location(form: str, location: str) -> None:
    with pytest.raises(NotFound):
        ids.resource(HERE, form.format(location), kind="models")


def test_models_may_lie_in_the_multi_region_that_serves_them() -> None:
    found = ids.resource(HERE, "my-project/us/models/9@2#3", kind="models")
    assert (found.full, found.checkpoint) == ("projects/my-project/locations/us/models/9@2", "3")


# --- states -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "detail", "state"),
    [
        ("JOB_STATE_UNSPECIFIED", "", JobState.CREATED),
        ("JOB_STATE_QUEUED", "", JobState.QUEUED),
        ("JOB_STATE_PENDING", "", JobState.STARTING),
        ("JOB_STATE_PENDING", "TUNING_JOB_STATE_WAITING_FOR_QUOTA", JobState.QUEUED),
        ("JOB_STATE_RUNNING", "", JobState.RUNNING),
        ("JOB_STATE_RUNNING", "TUNING_JOB_STATE_UNSPECIFIED", JobState.RUNNING),
        ("JOB_STATE_RUNNING", "TUNING_JOB_STATE_PROCESSING_DATASET", JobState.VALIDATING),
        ("JOB_STATE_RUNNING", "TUNING_JOB_STATE_WAITING_FOR_CAPACITY", JobState.QUEUED),
        ("JOB_STATE_RUNNING", "TUNING_JOB_STATE_TUNING", JobState.RUNNING),
        ("JOB_STATE_RUNNING", "TUNING_JOB_STATE_POST_PROCESSING", JobState.FINALIZING),
        ("JOB_STATE_RUNNING", "TUNING_JOB_STATE_OF_TOMORROW", JobState.RUNNING),
        ("JOB_STATE_UPDATING", "", JobState.RUNNING),
        ("JOB_STATE_PAUSED", "", JobState.PAUSED),
        ("JOB_STATE_CANCELLING", "TUNING_JOB_STATE_TUNING", JobState.CANCELLING),
        ("JOB_STATE_SUCCEEDED", "TUNING_JOB_STATE_POST_PROCESSING", JobState.SUCCEEDED),
        ("JOB_STATE_PARTIALLY_SUCCEEDED", "", JobState.SUCCEEDED),
        ("JOB_STATE_FAILED", "", JobState.FAILED),
        ("JOB_STATE_CANCELLED", "", JobState.CANCELLED),
        ("JOB_STATE_EXPIRED", "", JobState.EXPIRED),
        ("JOB_STATE_OF_TOMORROW", "TUNING_JOB_STATE_TUNING", JobState.UNKNOWN),
        ("", "", JobState.UNKNOWN),
    ],
)
def test_two_words_of_the_service_are_one_of_ours(word: str, detail: str, state: JobState) -> None:
    assert job_state(word, detail) is state


def test_numbers_of_states_are_the_words_of_the_protobuf() -> None:
    from google.cloud.aiplatform_v1.types import JobState as Numbered

    assert [state_word(int(each)) for each in Numbered] == [each.name for each in Numbered]
    assert state_word(99) == "99"
    assert job_state(state_word(99)) is JobState.UNKNOWN


def test_a_part_of_success_is_success_and_said_to_be_a_part() -> None:
    found = snapshot_of(job(state="JOB_STATE_PARTIALLY_SUCCEEDED", endTime="2026-11-21T10:00:00Z"), place=HERE)
    assert (found.state, found.partial, found.provider_state) == (JobState.SUCCEEDED, True, "JOB_STATE_PARTIALLY_SUCCEEDED")


def test_the_detail_is_a_word_and_a_sentence_with_how_far_it_is() -> None:
    found = snapshot_of(job(tuningJobState="TUNING_JOB_STATE_TUNING", tuningJobMetadata={"completedEpochCount": "2"}), place=HERE)
    assert found.detail == "TUNING: tunes; 2 epochs are done"
    assert detail_sentence("TUNING_JOB_STATE_OF_TOMORROW") == "OF_TOMORROW"


# --- what a job says ----------------------------------------------------------------------------------------------------------------------


@given(st.binary(min_size=32, max_size=32))
def test_a_fingerprint_fits_into_a_label_and_comes_out_again(digest: bytes) -> None:
    label = packed(digest.hex())
    assert len(label) <= 63
    assert all(char.islower() or char.isdigit() for char in label)
    assert unpacked(label) == digest.hex()


@pytest.mark.parametrize("label", [None, 7, "", "ours", "0" * 52, "a" * 60])
def test_a_label_that_we_did_not_write_is_no_fingerprint(label: Any) -> None:
    assert unpacked(label) is None


def test_a_job_is_ours_by_its_label_alone() -> None:
    assert carries(job(labels={"tuneport-client": "abc"}), "abc")
    assert not carries(job(labels={"tuneport-client": "abcd"}), "abc")
    assert not carries(job(), "abc")


def test_what_nobody_says_is_not_known() -> None:
    found = snapshot_of({"name": NAME}, place=HERE)
    assert (found.provider_id, found.state) == ("my-project/us-central1/tuningJobs/77", JobState.UNKNOWN)
    assert (found.created_at, found.base, found.method, found.model, found.error, found.client_id, found.files) == (None,) * 6 + ({},)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ({}, None),
        (None, None),
        ({"code": 0}, None),
        ({"code": 3, "message": "too few rows"}, "too few rows"),
        ({"code": 13}, "google.rpc.Code 13, without a word"),
    ],
)
def test_an_error_is_what_the_service_says(error: Any, said: str | None) -> None:
    assert error_of(job(state="JOB_STATE_FAILED", error=error)) == said


@pytest.mark.parametrize(
    ("spec", "method"),
    [
        ("supervisedTuningSpec", "sft"),
        ("preferenceOptimizationSpec", "dpo"),
        ("reinforcementTuningSpec", "grpo"),
        ("distillationSpec", "sft"),
        ("veoTuningSpec", None),
    ],
)
def test_the_spec_tells_the_method_and_the_files(spec: str, method: str | None) -> None:
    uri = "promptDatasetUri" if spec == "distillationSpec" else "trainingDatasetUri"
    found = snapshot_of(job(**{spec: {uri: "gs://b/t.jsonl", "validationDatasetUri": "gs://b/v.jsonl"}}), place=HERE)
    assert found.method == method
    assert found.files == ({"train": "gs://b/t.jsonl", "validation": "gs://b/v.jsonl"} if method else {})


def test_epochs_are_those_asked_for_or_else_those_done() -> None:
    assert epochs_of(job(supervisedTuningSpec={"hyperParameters": {"epochCount": "4"}})) == 4
    assert epochs_of(job(supervisedTuningSpec={"trainingDatasetUri": "gs://b/x"}, tuningJobMetadata={"completedEpochCount": "9"})) == 9
    assert epochs_of(job()) is None


# --- data statistics ----------------------------------------------------------------------------------------------------------------------

SUPERVISED = {
    "supervisedTuningDataStats": {
        "tuningDatasetExampleCount": "120",
        "totalTruncatedExampleCount": "3",
        "truncatedExampleIndices": ["4", "17"],
        "droppedExampleReasons": ["too many tokens", "an image cannot be read."],
        "totalBillableTokenCount": "4567",
        "tuningStepCount": "90",
    }
}


def test_rows_that_were_left_out_are_named_with_their_lines_and_reasons() -> None:
    found = findings(stats_of(job(tuningDataStats=SUPERVISED)))
    assert [(each.line, each.severity, each.message) for each in found] == [
        (None, "info", "Vertex AI tuned on 120 rows, 4,567 billable tokens an epoch, 90 steps."),
        (None, "warning", "3 of 120 rows were left out or cut by Vertex AI."),
        (4, "warning", "the row was left out or cut: too many tokens."),
        (17, "warning", "the row was left out or cut: an image cannot be read."),
        (None, "info", "Vertex AI names a sample of them: 1 more are not named."),
    ]


@pytest.mark.parametrize(
    "stats",
    [
        {"preferenceOptimizationDataStats": {"droppedExampleIndices": [2], "droppedExampleReasons": ["no score"]}},
        {"reinforcementTuningDataStats": {"droppedExampleIndices": ["2"], "droppedExampleReasons": ["no score"]}},
        {"distillationDataStats": {"trainingDatasetStats": {"droppedExampleIndices": [2], "droppedExampleReasons": ["no score"]}}},
    ],
)
def test_each_method_tells_of_its_rows_in_its_own_spelling(stats: Mapping[str, Any]) -> None:
    assert [(each.line, each.rule) for each in findings(stats_of(job(tuningDataStats=stats)))] == [
        (None, "rows-dropped"),
        (2, "row-dropped"),
    ]


def test_a_job_that_says_nothing_of_its_data_has_no_findings() -> None:
    assert stats_of(job()).empty
    assert findings(stats_of(job(tuningDataStats={}))) == []
    assert findings(stats_of(job(tuningDataStats={"supervisedTuningDataStats": {"truncatedExampleIndices": "x"}}))) == []


def test_a_finished_job_says_in_its_detail_that_rows_are_missing() -> None:
    found = snapshot_of(job(state="JOB_STATE_SUCCEEDED", endTime="2026-11-21T10:00:00Z", tuningDataStats=SUPERVISED), place=HERE)
    assert found.detail == "3 of 120 rows were left out or cut by Vertex AI"


# --- history and measurements -------------------------------------------------------------------------------------------------------------

POINTS = [
    {"checkpointId": "b", "epoch": "2", "step": "8"},
    {"checkpointId": "a", "epoch": 1, "step": 4, "endpoint": "projects/1/locations/us/endpoints/5"},
]
DONE = {
    "state": "JOB_STATE_SUCCEEDED",
    "startTime": "2026-11-21T09:01:00Z",
    "endTime": "2026-11-21T10:00:00Z",
    "tunedModel": {"checkpoints": POINTS},
    "tuningDataStats": SUPERVISED,
}


def test_the_history_of_a_job_is_made_of_what_it_says() -> None:
    events = events_of(job(**DONE), place=HERE)
    assert [event.id for event in events] == sorted(event.id for event in events)
    assert [event.message for event in events][:4] == [
        "the job was created",
        "the job was started",
        "checkpoint a was kept at epoch 1 and step 4",
        "checkpoint b was kept at epoch 2 and step 8",
    ]
    assert events[2].data["endpoint"] == "my-project/us/endpoints/5"
    assert "line 4: the row was left out or cut: too many tokens." in [event.message for event in events]
    assert (events[-1].message, events[-1].at) == ("the job has succeeded", datetime(2026, 11, 21, 10, tzinfo=UTC))


def test_whoever_follows_gets_every_event_once() -> None:
    lives = [
        job(state="JOB_STATE_QUEUED", tuningJobState="TUNING_JOB_STATE_WAITING_FOR_QUOTA", updateTime="2026-11-21T09:00:30Z"),
        job(startTime="2026-11-21T09:01:00Z", tuningJobState="TUNING_JOB_STATE_TUNING", updateTime="2026-11-21T09:20:00Z"),
        job(startTime="2026-11-21T09:01:00Z", tunedModel={"checkpoints": POINTS[1:]}, updateTime="2026-11-21T09:30:00Z"),
        job(**DONE),
    ]
    last: str | None = None
    heard: list[str] = []
    for life in lives:
        new = after(events_of(life, place=HERE), last)
        heard += [event.id for event in new]
        last = heard[-1]
    assert len(heard) == len(set(heard))
    assert {"00-created", "10-waiting_for_quota", "50-tuning", "60-checkpoint-0001", "60-checkpoint-0002", "99-succeeded"} <= set(heard)


def test_why_a_job_failed_is_its_last_event() -> None:
    ended = job(state="JOB_STATE_FAILED", endTime="2026-11-21T10:00:00Z", error={"code": 3, "message": "too few rows"})
    assert [(event.level, event.message) for event in events_of(ended, place=HERE)][-1] == ("error", "the job has failed: too few rows")


@pytest.mark.parametrize(
    "text",
    [
        '{"step": 4, "train_total_loss": 1.5, "time": "2026-11-21T09:10:00Z"}\n{"step": 4, "eval_total_loss": 2}\n'
        '\nnot json\n{"no": 1}\n{"step": 8, "train_total_loss": 1}',
        "step,/train_total_loss,/eval_total_loss\n4,1.5,2\n8,1,\n",
    ],
)
def test_what_was_measured_is_read_by_step_whichever_of_two_forms_it_has(text: str) -> None:
    found = [Metric(each.step, each.values) for each in metrics_of_text(text)]
    assert found == [Metric(4, {"loss": 1.5, "eval_loss": 2.0}), Metric(8, {"loss": 1.0})]


@pytest.mark.parametrize("text", ["", "hello", "{", "[1, 2]", "a,b\n1,2\n", "step\nx\n"])
def test_a_file_of_another_form_measures_nothing(text: str) -> None:
    assert metrics_of_text(text) == []


def test_checkpoints_tell_at_which_step_which_epoch_ended() -> None:
    assert metrics_of_checkpoints(job(**DONE)) == [Metric(4, {"epoch": 1.0}), Metric(8, {"epoch": 2.0})]
