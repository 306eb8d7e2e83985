"""What a custom job says of itself, read without any SDK."""

from __future__ import annotations

from typing import Any

import pytest
from tuneport_vertex.wire.custom_jobs import SHELL, folder_there, label_of, mounted, named, page_of, reason_of, standing, unmounted

from tuneport.testing import SimulatedClock


def job(**values: Any) -> dict[str, Any]:
    return {"name": "projects/1/locations/us-central1/customJobs/2", **values}


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("JOB_STATE_QUEUED", "waiting"),
        ("JOB_STATE_PENDING", "waiting"),
        (0, "waiting"),
        (3, "running"),
        ("JOB_STATE_UPDATING", "running"),
        ("JOB_STATE_CANCELLING", "running"),
        ("JOB_STATE_SUCCEEDED", "succeeded"),
        ("JOB_STATE_PARTIALLY_SUCCEEDED", "succeeded"),
        ("JOB_STATE_FAILED", "failed"),
        ("JOB_STATE_EXPIRED", "failed"),
        ("JOB_STATE_CANCELLED", "cancelled"),
        ("JOB_STATE_HIBERNATING", "unknown"),
    ],
)
def test_every_word_of_the_service_has_a_meaning_and_an_unknown_one_is_unknown(word: object, state: str) -> None:
    assert standing(job(state=word)) == state


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (
            "The replica workerpool0-0 exited with a non-zero status of 1. "
            "To find out more about why your job exited please check the logs: https://console.cloud.google.com/logs/viewer?project=4&resource=ml_job",
            "The replica workerpool0-0 exited with a non-zero status of 1.",
        ),
        ("Resources are insufficient in region: us-central1.", "Resume later, or name another machine_type or region."),
        ("STOCKOUT", "STOCKOUT. Resume later, or name another machine_type or region."),
        ("The image x could not be pulled: it was not found.", "Look at image: it has to be there"),
        ("The following quota metrics exceed quota limits: custom_model_training_cpus", "See and raise it: https://console"),
        ("Replicas low on memory: workerpool0", "Replicas low on memory: workerpool0. Name a larger machine_type."),
    ],
)
def test_why_a_job_failed_is_one_sentence_with_what_to_do(said: str, reason: str) -> None:
    found = reason_of(job(state="JOB_STATE_FAILED", error={"code": 13, "message": said}))
    assert reason in found
    assert "logs/viewer" not in found


def test_a_job_that_fails_without_a_word_gives_none() -> None:
    assert reason_of(job(state="JOB_STATE_FAILED", error={})) == ""
    assert "google.rpc.Code 13" in reason_of(job(state="JOB_STATE_FAILED", error={"code": 13}))


def test_tokens_in_what_the_service_says_stay_here() -> None:
    said = reason_of(job(error={"code": 13, "message": "bad header Bearer ya29.a0AfH6SMBsecretsecretsecretsecret"}))
    assert "ya29.a0" not in said


def test_time_that_ran_out_is_known_by_the_jobs_own_clock() -> None:
    began = SimulatedClock().now().isoformat().replace("+00:00", "Z")
    spec = {"scheduling": {"timeout": "3600s"}}
    over = job(state="JOB_STATE_CANCELLED", startTime="2026-11-21T09:00:00Z", endTime="2026-11-21T10:00:01Z", jobSpec=spec)
    early = {**over, "endTime": "2026-11-21T09:30:00Z"}
    assert (standing(over), standing(early)) == ("failed", "cancelled")
    assert standing(job(state="JOB_STATE_CANCELLED", startTime=began)) == "cancelled"
    assert standing(job(state="JOB_STATE_CANCELLED", error={"code": 4, "message": "Deadline"})) == "failed"


def test_a_launch_is_known_by_label_and_display_name_together() -> None:
    ours = job(displayName="tuneport-one-1", labels={"tuneport-client": "tuneport-one-1"})
    assert named([job(displayName="tuneport-one-1"), job(labels={"tuneport-client": "tuneport-one-1"}), ours], "tuneport-one-1") is ours
    assert named([ours], "tuneport-one-2") is None
    assert len(label_of("Name With Capitals")) == 52


def test_addresses_and_where_they_are_mounted_are_one_to_one() -> None:
    assert mounted("gs://bucket/a b/c") == "/gcs/bucket/a b/c"
    assert unmounted("/gcs/bucket/a b/c") == "gs://bucket/a b/c"


def test_the_folder_of_a_job_is_what_its_program_is_called_with() -> None:
    words = ["sh", "-c", SHELL, "/gcs/b/tuneport/bundles/x/start.py", "/gcs/b/tuneport/jobs/one", "--launch", "n"]
    pools = {"workerPoolSpecs": [{"containerSpec": {"command": words}}]}
    assert folder_there(job(jobSpec=pools)) == "/gcs/b/tuneport/jobs/one"
    assert folder_there(job(jobSpec={"workerPoolSpecs": [{"containerSpec": {"command": ["/gcs/b/mine"]}}]})) == ""


def test_the_page_is_the_one_that_the_sdk_links() -> None:
    page = page_of("projects/1/locations/us-central1/customJobs/2", project="my-project")
    assert page == "https://console.cloud.google.com/agent-platform/locations/us-central1/training/2?project=my-project"
