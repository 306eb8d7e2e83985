"""TensorBoard's files of a job say what its metrics say: each step once, also after a resume, and never at the training's expense."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.jobs.home import Jobs
from tuneport_local.tracking.tracked import tracked

from .board_files import events, scalars, settings

HYPERPARAMETERS = {"device": "cpu", "learning_rate": 0.001, "epochs": 2, "lora": {"rank": 8, "targets": ["q_proj", "v_proj"]}, "beta": None}
RECIPE = {"base": "tiny", "method": "sft", "suffix": "cards", "hyperparameters": HYPERPARAMETERS, "dataset_fingerprint": "d" * 64}


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    data = tmp_path / "rows.jsonl"
    data.write_text('{"messages": ["a secret of the rows"]}\n')
    made, _ = Jobs(tmp_path / "home").make("0123456789abcdef", RECIPE, {"train": data})
    return made


def board(job: JobFolder) -> dict[str, list[tuple[int, float]]]:
    return scalars(job.path / "tensorboard")


def test_each_reading_is_there_at_once_under_train_or_validation(job: JobFolder) -> None:
    with tracked(job):
        job.metric(1, {"loss": 2.0, "learning_rate": 0.5, "eta_s": 9.0})
        assert board(job) == {"train/loss": [(1, 2.0)], "train/learning_rate": [(1, 0.5)]}
        job.metric(2, {"loss": 1.0})
        job.metric(2, {"eval_loss": 1.5, "eval_rewards/margins": 0.25})
        assert board(job)["train/loss"] == [(1, 2.0), (2, 1.0)]
        assert board(job)["validation/loss"] == [(2, 1.5)]
        assert board(job)["validation/rewards/margins"] == [(2, 0.25)]


def test_the_settings_are_shown_and_the_end_of_a_training_that_came_to_it(job: JobFolder) -> None:
    with tracked(job) as tracking:
        job.metric(1, {"loss": 2.0})
        known = settings(job.path / "tensorboard")
        tracking.ended("succeeded")
    expected = {"base": "tiny", "method": "sft", "learning_rate": 0.001, "epochs": 2.0, "lora.rank": 8.0, "lora.targets": "q_proj, v_proj"}
    assert {name: known[name] for name in expected} == expected
    assert "ended" not in known
    assert settings(job.path / "tensorboard")["ended"]


def test_steps_that_are_trained_again_after_a_resume_are_there_once(job: JobFolder) -> None:
    with tracked(job) as tracking:
        for step in range(1, 6):
            job.metric(step, {"loss": float(step)})
        tracking.ended("paused")
    job.next_attempt()
    with tracked(job):
        for step in range(4, 8):  # from the checkpoint of step 3
            job.metric(step, {"loss": 10.0 + step})
    assert board(job)["train/loss"] == [(1, 1.0), (2, 2.0), (3, 3.0), (4, 14.0), (5, 15.0), (6, 16.0), (7, 17.0)]
    assert any(event.HasField("session_log") for event in events(job.path / "tensorboard"))  # one who reads along begins again


def test_a_validation_left_over_from_a_pause_is_added_to_its_step(job: JobFolder) -> None:
    with tracked(job):
        job.metric(1, {"loss": 1.0})
    job.next_attempt()
    with tracked(job):
        job.metric(1, {"eval_loss": 3.0})
        job.metric(2, {"loss": 0.5})
    assert board(job) == {"train/loss": [(1, 1.0), (2, 0.5)], "validation/loss": [(1, 3.0)]}


def test_a_record_cut_off_by_a_kill_is_mended_by_the_next_attempt(job: JobFolder) -> None:
    with tracked(job):
        job.metric(1, {"loss": 1.0})
        job.metric(2, {"loss": 2.0})
    (path,) = (job.path / "tensorboard").iterdir()
    path.write_bytes(path.read_bytes()[:-7])
    job.next_attempt()
    with tracked(job):
        job.metric(3, {"loss": 3.0})
    assert board(job)["train/loss"] == [(1, 1.0), (2, 2.0), (3, 3.0)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_where_the_files_cannot_be_written_the_job_says_so_once_and_goes_on(job: JobFolder) -> None:
    (job.path / "tensorboard").mkdir(mode=0o500)
    with tracked(job) as tracking:
        for step in (1, 2, 3):
            job.metric(step, {"loss": 1.0})
        tracking.ended("succeeded")
    warnings = [event for event in job.events() if event.level == "warning"]
    assert len(warnings) == 1
    assert "TensorBoard" in warnings[0].message
    assert [metric.step for metric in job.metrics()] == [1, 2, 3]


def test_a_file_in_the_folders_place_is_no_reason_to_end_a_training(job: JobFolder) -> None:
    (job.path / "tensorboard").write_text("mine")
    with tracked(job):
        job.metric(1, {"loss": 1.0})
    assert [event.level for event in job.events()] == ["warning"]
    assert (job.path / "tensorboard").read_text() == "mine"


def test_nothing_of_the_rows_or_where_they_lie_is_in_the_files(job: JobFolder) -> None:
    with tracked(job):
        job.metric(1, {"loss": 1.0})
    written = b"".join(path.read_bytes() for path in (job.path / "tensorboard").iterdir())
    assert b"secret" not in written
    assert str(job.path).encode() not in written
    assert json.dumps(job.recipe()).count("train.jsonl") == 1
