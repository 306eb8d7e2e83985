"""Custom jobs of the emulator, driven by google-cloud-aiplatform's own clients as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.api_core import exceptions
from google.cloud import aiplatform, aiplatform_v1
from tuneport_vertex.emulator import CustomCourse, VertexEmulator
from tuneport_vertex.emulator.custom_requests import FIXED_HERE, OUTPUT_ONLY
from tuneport_vertex.launching.machines import ACCELERATORS, BUILT_IN

from .vertex_emulated import REGION, close_clients, gapic, place, posted, signed

IMAGE = "us-docker.pkg.dev/my-project/r/image:1"
PATH = f"/v1/projects/tune-main/locations/{REGION}/customJobs"


@pytest.fixture
def emulator() -> Iterator[VertexEmulator]:
    with VertexEmulator() as found:
        yield found
        close_clients()


def pool(**changes: Any) -> dict[str, Any]:
    return {
        "machine_spec": {"machine_type": "g2-standard-12", "accelerator_type": "NVIDIA_L4", "accelerator_count": 1},
        "replica_count": 1,
        "container_spec": {"image_uri": IMAGE, "command": ["true"]},
        **changes,
    }


def job(*, labels: dict[str, str] | None = None, scheduling: dict[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    spec = {"worker_pool_specs": [pool(**changes)], **({"scheduling": scheduling} if scheduling else {})}
    return {"display_name": "one", "job_spec": spec, "labels": labels or {}}


def test_the_client_of_jobs_makes_looks_lists_cancels_and_deletes_one(emulator: VertexEmulator) -> None:
    client = gapic(emulator, "Job")
    made = client.create_custom_job(parent=place(emulator), custom_job=job(labels={"team": "a"}, scheduling={"strategy": "SPOT"}))
    assert made.name.startswith("projects/100000000001/locations/us-central1/customJobs/")
    assert made.state == aiplatform_v1.JobState.JOB_STATE_PENDING
    assert made.job_spec.scheduling.strategy == aiplatform_v1.Scheduling.Strategy.SPOT
    emulator.clock.advance(61)  # type: ignore[attr-defined]
    assert client.get_custom_job(name=made.name).state == aiplatform_v1.JobState.JOB_STATE_RUNNING
    assert [each.name for each in client.list_custom_jobs(parent=place(emulator))] == [made.name]
    with pytest.raises(exceptions.BadRequest):
        client.delete_custom_job(name=made.name)
    client.cancel_custom_job(name=made.name)
    emulator.clock.advance(11)  # type: ignore[attr-defined]
    ended = client.get_custom_job(name=made.name)
    assert (ended.state, ended.error.code) == (aiplatform_v1.JobState.JOB_STATE_CANCELLED, 1)
    client.delete_custom_job(name=made.name)
    emulator.clock.advance(60)  # type: ignore[attr-defined]
    with pytest.raises(exceptions.NotFound):
        client.get_custom_job(name=made.name)


def test_the_sdks_own_custom_job_runs_to_its_end(emulator: VertexEmulator) -> None:
    aiplatform.init(
        project=emulator.project,
        location=REGION,
        api_endpoint=emulator.url,
        api_transport="rest",
        credentials=signed(emulator),
        staging_bucket="gs://tune-main-us",
    )
    try:
        mine = aiplatform.CustomJob(display_name="theirs", worker_pool_specs=[pool()], labels={"team": "a"})
        mine.submit(timeout=3600, restart_job_on_worker_restart=True)
        emulator.clock.advance(700)  # type: ignore[attr-defined]
        assert mine.state == aiplatform_v1.JobState.JOB_STATE_SUCCEEDED
        kept = emulator.custom_job(mine.resource_name).body
        assert kept["jobSpec"]["scheduling"] == {"timeout": "3600s", "restartJobOnWorkerRestart": True}
        assert [each.display_name for each in aiplatform.CustomJob.list()] == ["theirs"]
    finally:
        aiplatform.initializer.global_pool.shutdown(wait=False)
        aiplatform.initializer._Config.__init__(aiplatform.initializer.global_config)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"machine_spec": {"machine_type": ""}}, "machine_spec.machine_type; Message: Required field is not set"),
        ({"machine_spec": {"machine_type": "x9-standard-4"}}, "Machine type x9-standard-4 is not supported"),
        ({"machine_spec": {"machine_type": "n1-standard-1"}}, "Machine type n1-standard-1 is not supported"),
        ({"machine_spec": {"machine_type": "g2-standard-12"}}, "needs accelerator_type NVIDIA_L4 and accelerator_count 1"),
        (
            {"machine_spec": {"machine_type": "n1-standard-8", "accelerator_type": "NVIDIA_L4", "accelerator_count": 1}},
            '"NVIDIA_L4" is not supported for machine type "n1-standard-8"',
        ),
        ({"replica_count": 2}, "The replica count of the first worker pool must be 1"),
        ({"replica_count": 0}, "The replica count of the first worker pool must be 1"),
        ({"container_spec": {}}, "container_spec.image_uri; Message: Required field is not set"),
        ({"container_spec": {"image_uri": "gs://b/x"}}, "The image URI is malformed"),
        ({"container_spec": {"image_uri": IMAGE, "env": [{"name": "A"}, {"name": "A"}]}}, "must be set and unique"),
        ({"disk_spec": {"boot_disk_size_gb": 99}}, "within the range of [100, 64000]"),
        ({"disk_spec": {"boot_disk_type": "floppy"}}, "The boot disk type must be one of"),
        ({"labels": {"Team": "a"}}, "The label key 'Team' is invalid"),
        ({"scheduling": {"max_wait_duration": {"seconds": 5}}}, "only available with the strategy FLEX_START"),
    ],
)
def test_what_the_reference_does_not_allow_is_refused(emulator: VertexEmulator, changes: dict[str, Any], said: str) -> None:
    with pytest.raises(exceptions.BadRequest, match="List of found errors") as caught:
        gapic(emulator, "Job").create_custom_job(parent=place(emulator), custom_job=job(**changes))
    assert said in str(caught.value)


def spelled(**changes: Any) -> dict[str, Any]:
    container = {"imageUri": IMAGE}
    machine = {"machineType": "n1-standard-8"}
    return {
        "displayName": "one",
        "jobSpec": {"workerPoolSpecs": [{"machineSpec": machine, "replicaCount": "1", "containerSpec": container}]},
    } | changes


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({**spelled(), "display_name2": "x"}, "Unknown name \"display_name2\" at 'custom_job': Cannot find field."),
        (spelled(jobSpec={"workerPools": []}), "Unknown name \"workerPools\" at 'custom_job.job_spec'"),
        (spelled(displayName=5), "custom_job.display_name"),
        (spelled(jobSpec={"scheduling": {"strategy": "CHEAP"}}), "custom_job.job_spec.scheduling.strategy"),
        (spelled(jobSpec={"scheduling": {"timeout": "an hour"}}), "custom_job.job_spec.scheduling.timeout"),
        (spelled(jobSpec={}), "custom_job.job_spec.worker_pool_specs; Message: Required field is not set"),
    ],
)
def test_fields_and_types_that_the_message_does_not_know_are_refused(emulator: VertexEmulator, body: Any, said: str) -> None:
    status, answer = posted(emulator, PATH, body)
    assert (status, said in answer["error"]["message"]) == (400, True), answer


def test_enums_go_by_number_and_by_name_and_snake_case_is_read(emulator: VertexEmulator) -> None:
    body = spelled()
    body["jobSpec"]["scheduling"] = {"strategy": 4}
    body["jobSpec"]["worker_pool_specs"] = body["jobSpec"].pop("workerPoolSpecs")
    status, answer = posted(emulator, PATH, body)
    assert (status, answer["jobSpec"]["scheduling"]["strategy"], answer["state"]) == (200, "SPOT", "JOB_STATE_PENDING")


def test_a_quota_that_is_not_enough_at_all_is_refused_and_one_that_is_used_up_waits(emulator: VertexEmulator) -> None:
    client = gapic(emulator, "Job")
    emulator.project_called().training_gpus["NVIDIA_L4"] = 1
    first = client.create_custom_job(parent=place(emulator), custom_job=job())
    second = client.create_custom_job(parent=place(emulator), custom_job=job())
    assert second.state == aiplatform_v1.JobState.JOB_STATE_QUEUED
    emulator.clock.advance(700)  # type: ignore[attr-defined]
    assert client.get_custom_job(name=first.name).state == aiplatform_v1.JobState.JOB_STATE_SUCCEEDED
    assert client.get_custom_job(name=second.name).state == aiplatform_v1.JobState.JOB_STATE_PENDING
    emulator.project_called().training_gpus.clear()
    with pytest.raises(exceptions.TooManyRequests, match=r"custom_model_training_nvidia_l4_gpus"):
        client.create_custom_job(parent=place(emulator), custom_job=job())
    with pytest.raises(exceptions.TooManyRequests, match=r"custom_model_training_preemptible_nvidia_l4_gpus"):
        client.create_custom_job(parent=place(emulator), custom_job=job(scheduling={"strategy": "SPOT"}))


def test_jobs_of_others_are_not_seen(emulator: VertexEmulator) -> None:
    made = gapic(emulator, "Job").create_custom_job(parent=place(emulator), custom_job=job())
    elsewhere = made.name.replace("us-central1", "europe-west4")
    with pytest.raises(exceptions.NotFound):
        gapic(emulator, "Job").get_custom_job(name=elsewhere)
    with pytest.raises(exceptions.Forbidden, match=r"aiplatform\.customJobs\.create"):
        gapic(emulator, "Job", token=emulator.token(role="viewer")).create_custom_job(parent=place(emulator), custom_job=job())


def test_a_course_says_how_jobs_end() -> None:
    with VertexEmulator(custom=CustomCourse(ending="expires")) as emulator:
        client = gapic(emulator, "Job")
        made = client.create_custom_job(parent=place(emulator), custom_job=job())
        emulator.clock.advance(700)  # type: ignore[attr-defined]
        assert client.get_custom_job(name=made.name).state == aiplatform_v1.JobState.JOB_STATE_EXPIRED
        close_clients()


def test_names_of_fields_and_accelerators_are_those_of_the_sdk() -> None:
    kinds = {kind.name for kind in aiplatform_v1.AcceleratorType}
    assert set(ACCELERATORS) <= kinds
    assert {kind for kind, _ in [*BUILT_IN.values(), *FIXED_HERE.values()]} <= kinds
    fields = {field.json_name for field in aiplatform_v1.CustomJob.pb(aiplatform_v1.CustomJob()).DESCRIPTOR.fields}
    assert fields == OUTPUT_ONLY | {"displayName", "jobSpec", "labels", "encryptionSpec"}
    assert set(BUILT_IN) == set(FIXED_HERE)
