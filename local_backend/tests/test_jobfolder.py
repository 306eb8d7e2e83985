"""The folder of a job: what is written can be read, whatever was killed in between."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from tuneport_local.jobs.folder import JobFolder, JobStatus
from tuneport_local.jobs.home import Jobs

from tuneport.errors import ConfigError, UsageError
from tuneport.job import JobState

RECIPE = {"client_id": "job-1", "plan_fingerprint": "f", "hyperparameters": {"device": "cpu"}}


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    return Jobs(tmp_path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"messages": []}\n')
    return path


@pytest.fixture
def folder(jobs: Jobs, data: Path) -> JobFolder:
    made, _ = jobs.make("job-1", RECIPE, {"train": data})
    return made


def test_a_new_job_waits_for_its_worker_and_knows_where_its_data_lie(folder: JobFolder) -> None:
    status = folder.status()
    assert (status.state, status.attempt, status.pid) == (JobState.CREATED, 1, None)
    assert Path(folder.recipe()["files"]["train"]).read_text() == '{"messages": []}\n'
    assert folder.recipe()["files"]["validation"] is None


def test_the_data_of_a_job_outlive_the_uploaded_file(folder: JobFolder, data: Path) -> None:
    data.unlink()
    assert Path(folder.recipe()["files"]["train"]).exists()


def test_a_second_job_of_the_same_name_leaves_the_first_as_it_is(jobs: Jobs, folder: JobFolder, data: Path) -> None:
    folder.phase(JobState.RUNNING)
    again, made = jobs.make("job-1", {**RECIPE, "plan_fingerprint": "other"}, {"train": data})
    assert not made
    assert again.recipe()["plan_fingerprint"] == "f"
    assert again.status().state is JobState.RUNNING


def test_a_job_that_cannot_be_made_leaves_nothing_behind(jobs: Jobs, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="TUNEPORT_HOME"):
        jobs.make("job-1", RECIPE, {"train": tmp_path / "missing.jsonl"})
    assert list(jobs.folder.iterdir()) == []
    assert jobs.get("job-1") is None


@pytest.mark.parametrize("name", ["", "../other", "a/b", ".hidden", "x" * 200])
def test_a_name_that_is_no_plain_folder_name_is_refused(jobs: Jobs, data: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a job"):
        jobs.make(name, RECIPE, {"train": data})
    assert jobs.get(name) is None


def test_a_terminal_state_stays(folder: JobFolder) -> None:
    folder.phase(JobState.SUCCEEDED)
    assert folder.phase(JobState.FAILED, error="late").state is JobState.SUCCEEDED
    assert folder.status().error is None


def test_the_times_of_a_job_are_kept_through_its_phases(folder: JobFolder) -> None:
    started = folder.phase(JobState.STARTING).started_at
    ended = folder.phase(JobState.RUNNING) and folder.phase(JobState.SUCCEEDED)
    assert started is not None
    assert ended.started_at == started
    assert ended.created_at < started < (ended.finished_at or "")


def test_a_state_word_of_a_newer_version_is_unknown(folder: JobFolder) -> None:
    values = json.loads((folder.path / "state.json").read_text())
    (folder.path / "state.json").write_text(json.dumps({**values, "state": "defragmenting", "new_key": 1}))
    assert folder.status().state is JobState.UNKNOWN


def test_a_cancel_is_not_taken_back_by_a_pause(folder: JobFolder) -> None:
    assert folder.wish() == "run"
    folder.ask("pause")
    assert folder.wish() == "pause"
    folder.ask("cancel")
    folder.ask("pause")
    assert folder.wish() == "cancel"
    folder.ask("run")
    assert folder.wish() == "run"


def test_events_are_read_on_from_the_last_one_known(folder: JobFolder) -> None:
    for word in ("one", "two", "three"):
        folder.event("info", word)
    first = next(iter(folder.events()))
    assert [event.message for event in folder.events(after=first.id)] == ["two", "three"]
    last = list(folder.events())[-1]
    folder.event("warning", "four", {"n": 4})
    (fourth,) = folder.events(after=last.id)
    assert (fourth.message, fourth.level, fourth.data) == ("four", "warning", {"n": 4})


def test_event_ids_sort_in_order(folder: JobFolder) -> None:
    for number in range(50):
        folder.event("info", "x" * number)
    ids = [event.id for event in folder.events()]
    assert ids == sorted(ids)
    assert len(set(ids)) == 50


@pytest.mark.parametrize("torn", [b'{"at": "2026', b"\xff\xfe", b'{"at'])
def test_a_line_torn_by_a_kill_is_passed_over_and_the_next_one_is_not_lost(folder: JobFolder, torn: bytes) -> None:
    folder.event("info", "before")
    with (folder.path / "events.jsonl").open("ab") as file:
        file.write(torn)
    assert [event.message for event in folder.events()] == ["before"]
    folder.mend()
    folder.event("info", "after")
    assert [event.message for event in folder.events()] == ["before", "after"]


def test_readings_of_one_step_are_one_metric(folder: JobFolder) -> None:
    folder.metric(1, {"loss": 2.0})
    folder.metric(2, {"loss": 1.5})
    folder.metric(2, {"eval_loss": 1.7})
    assert [(metric.step, metric.values) for metric in folder.metrics()] == [(1, {"loss": 2.0}), (2, {"loss": 1.5, "eval_loss": 1.7})]


def test_what_a_resumed_job_measures_again_replaces_what_it_had(folder: JobFolder) -> None:
    for step in range(1, 6):
        folder.metric(step, {"loss": 10.0 - step, "eval_loss": 1.0})
    folder.write_status(replace(folder.status(), attempt=2))
    resumed = JobFolder(folder.path)
    resumed.metric(4, {"loss": 0.4})
    metrics = resumed.metrics()
    assert [metric.step for metric in metrics] == [1, 2, 3, 4]
    assert metrics[-1].values == {"loss": 0.4}


def test_a_validation_left_over_from_a_pause_does_not_take_away_the_loss_of_its_step(folder: JobFolder) -> None:
    for step in (5, 6):
        folder.metric(step, {"loss": 1.0 * step})
    folder.write_status(replace(folder.status(), attempt=2))
    resumed = JobFolder(folder.path)
    resumed.metric(6, {"eval_loss": 0.6})
    resumed.metric(7, {"loss": 7.0})
    assert [(metric.step, metric.values) for metric in folder.metrics()] == [
        (5, {"loss": 5.0}),
        (6, {"loss": 6.0, "eval_loss": 0.6}),
        (7, {"loss": 7.0}),
    ]


@pytest.mark.parametrize("content", [b"", b'{"sta', b"[]", b'{"state": "running", "pid": 1'])
def test_a_state_that_cannot_be_read_is_unknown(folder: JobFolder, content: bytes) -> None:
    (folder.path / "state.json").write_bytes(content)
    assert folder.status().state is JobState.UNKNOWN


def test_what_the_jobs_of_a_home_are_made_of_is_for_their_owner_only(jobs: Jobs, folder: JobFolder) -> None:
    assert jobs.root.stat().st_mode & 0o077 == 0


def test_the_end_of_the_log_is_the_last_lines(folder: JobFolder) -> None:
    assert folder.log_end() == ""
    folder.log.write_text("\n".join(f"line {number}" for number in range(5000)))
    assert folder.log_end(lines=2) == "line 4998\nline 4999"


def test_a_status_survives_the_way_through_json() -> None:
    status = JobStatus(JobState.PAUSED, detail="d", created_at="t", pid=7, process_started=1.5, error="é", partial=True)
    assert JobStatus.from_json(status.to_json()) == status
