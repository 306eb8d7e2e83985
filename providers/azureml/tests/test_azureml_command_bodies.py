"""Command jobs as azure-ai-ml 1.35 makes and sees them: our bodies beside its own, and its client on the emulated workspace."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tuneport_azureml.emulator import COMPUTE
from tuneport_azureml.wire.bundles import IMAGE, code_body, environment_body
from tuneport_azureml.wire.command_jobs import VERSION, duration, place_uri

from .azureml_renting import A100, launching, order
from .azureml_sdk import ml_client
from .azureml_stage import Stage, staged

pytest.importorskip("azure.ai.ml", reason="azure-ai-ml is not installed: pip install azure-ai-ml==1.35.2")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the SDK and what it imports
ACPT = "azureml://registries/azureml/environments/acpt-pytorch-2.8-cuda12.6/labels/latest"
OPTIONS: dict[str, dict[str, Any]] = {
    "a compute": {"compute": COMPUTE},
    "a serverless machine": {"instance_type": A100},
    "low priority": {"instance_type": A100, "job_tier": "spot", "shm_size": "8g", "max_hours": 1.5, "tags": {"team": "support"}},
    "as somebody": {"compute": COMPUTE, "identity": "user", "shm_size": "16g", "max_hours": 30},
    "a registry's environment": {"instance_type": A100, "environment": ACPT, "identity": "managed"},
}


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


def by_the_sdk(asked: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """What `command(...)` of the SDK makes of the same wishes."""
    from azure.ai.ml import Output, command
    from azure.ai.ml._restclient.arm_ml_service._utils.model_base import SdkJSONEncoder
    from azure.ai.ml.entities import CommandJobLimits, ManagedIdentityConfiguration, QueueSettings, UserIdentityConfiguration
    from azure.ai.ml.entities._job.to_rest_functions import to_rest_job_object

    identities = {"user": UserIdentityConfiguration, "managed": ManagedIdentityConfiguration}
    job = command(
        name="job-1-1",
        display_name=asked["displayName"],
        description=asked["description"],
        experiment_name=asked["experimentName"],
        tags=asked["tags"],
        command=asked["command"],
        code=asked["codeId"],
        environment=asked["environmentId"],
        environment_variables=asked["environmentVariables"],
        compute=options.get("compute"),
        instance_type=options.get("instance_type"),
        instance_count=1 if "instance_type" in options else None,
        shm_size=options.get("shm_size"),
        identity=identities[options["identity"]]() if "identity" in options else None,
        outputs={"place": Output(type="uri_folder", mode="rw_mount", path=place_uri("workspaceblobstore", "job-1"))},
    )
    if "max_hours" in options:
        job.limits = CommandJobLimits(timeout=int(options["max_hours"] * 3600))
    if "job_tier" in options:
        job.queue_settings = QueueSettings(job_tier=options["job_tier"])
    made = json.loads(json.dumps(to_rest_job_object(job._to_job()), cls=SdkJSONEncoder, exclude_readonly=True))
    return dict(made["properties"])


@pytest.mark.parametrize("name", OPTIONS)
def test_what_is_sent_is_what_the_sdks_own_command_makes(stage: Stage, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from tuneport_azureml.renting import jobs

    bodies: list[dict[str, Any]] = []
    put = jobs._put
    monkeypatch.setattr(jobs, "_put", lambda connection, name, body: (bodies.append(dict(body)), put(connection, name, body))[1])
    launcher = launching(stage)
    launcher.launch(order(launcher, tmp_path / "bundle", **OPTIONS[name]))
    (body,) = bodies
    assert by_the_sdk(body["properties"], OPTIONS[name]) == body["properties"]


@pytest.mark.parametrize("hours", [0.5, 1, 1.5, 24, 30.25, 0.01, 100])
def test_a_time_limit_is_written_as_the_sdk_writes_it(hours: float) -> None:
    from azure.ai.ml._utils.utils import to_iso_duration_format

    assert duration(hours) == to_iso_duration_format(round(hours * 3600))


def test_assets_are_what_the_sdks_own_entities_make() -> None:
    from azure.ai.ml._restclient.arm_ml_service._utils.model_base import SdkJSONEncoder
    from azure.ai.ml.entities import Environment
    from azure.ai.ml.entities._assets import Code

    made = Environment(name="x", version="1", image=IMAGE, description="Made by Tuneport")._to_rest_object()
    assert json.loads(json.dumps(made, cls=SdkJSONEncoder, exclude_readonly=True)) == environment_body(IMAGE)
    code = Code(name="x", version="1", path="https://a.blob.core.windows.net/c/folder")
    code._is_anonymous = False
    told = json.loads(json.dumps(code._to_rest_object(), cls=SdkJSONEncoder, exclude_readonly=True))["properties"]
    ours = code_body("https://a.blob.core.windows.net/c/folder", "5" * 64)["properties"]
    assert {key: ours[key] for key in ("codeUri", "isAnonymous")} == {key: told[key] for key in ("codeUri", "isAnonymous")}


def test_the_sdk_sends_command_jobs_by_the_version_that_we_send_them_by(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    with ml_client(stage.emulator, monkeypatch) as client:
        assert client.jobs.service_client_01_2025_preview._config.api_version == VERSION


def test_the_unmodified_client_runs_a_command_job_of_a_folder_from_its_upload_to_its_end(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from azure.ai.ml import Output, command
    from azure.ai.ml.entities import Environment

    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "start.py").write_text("print('hello')\n", encoding="utf-8")
    with ml_client(stage.emulator, monkeypatch) as client:
        environment = client.environments.create_or_update(Environment(name="mine", version="3", image=IMAGE))
        job = command(
            name="by-the-sdk",
            code=str(tmp_path / "code"),
            command="python start.py ${{outputs.place}}",
            environment=environment.id,
            instance_type=A100,
            outputs={"place": Output(type="uri_folder", mode="rw_mount", path=place_uri("workspaceblobstore", "job-9"))},
        )
        made = client.jobs.create_or_update(job)
        assert made.studio_url.startswith("https://ml.azure.com/runs/by-the-sdk")
        assert any(path.endswith("/start.py") for path in stage.emulator.world.blobs)
        stage.clock.sleep(300)
        assert client.jobs.get("by-the-sdk").status == "Running"
        client.jobs.begin_cancel("by-the-sdk").wait()
        stage.clock.sleep(60)
        assert client.jobs.get("by-the-sdk").status == "Canceled"


def test_a_launch_makes_at_most_two_requests_more_than_the_bare_sdk_for_the_same_assets(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from azure.ai.ml import Output, command
    from azure.ai.ml.entities import Environment

    launcher, log = launching(stage), stage.emulator.log
    launcher.launch(order(launcher, tmp_path / "bundle"))
    first = log.count()
    log.clear()
    launcher.launch(order(launcher, tmp_path / "bundle", name="job-2-1", job_id="job-2"))
    second = log.count()
    with ml_client(stage.emulator, monkeypatch) as client:
        log.clear()
        environment = client.environments.create_or_update(Environment(name="mine", version="1", image=IMAGE))
        job = command(
            name="bare",
            code=str(tmp_path / "bundle"),
            command="python start.py ${{outputs.place}}",
            environment=environment.id,
            instance_type=A100,
            outputs={"place": Output(type="uri_folder", mode="rw_mount", path=place_uri("workspaceblobstore", "job-9"))},
        )
        client.jobs.create_or_update(job)
    bare = log.count()
    assert first <= bare + 2, f"{first} requests, and the bare SDK makes {bare}"
    assert second < first


def test_the_unmodified_client_sees_our_jobs_code_and_environment(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    launcher = launching(stage)
    launcher.launch(order(launcher, tmp_path / "bundle", job_tier="spot"))
    with ml_client(stage.emulator, monkeypatch) as client:
        job = client.jobs.get("job-1-1")
        assert (job.type, job.tags["tuneport_job"]) == ("command", "job-1")
        assert job.outputs["place"].mode == "rw_mount"
        name, version = str(job.environment).rpartition("/")[2].split(":")
        assert client.environments.get(name, version=version).image == IMAGE
        assert [each.name for each in client.jobs.list()] == ["job-1-1"]


def test_everything_told_of_command_jobs_and_their_assets_has_fields_that_the_sdk_knows(stage: Stage, tmp_path: Path) -> None:
    from azure.ai.ml._restclient.arm_ml_service import models

    launcher = launching(stage)
    ordered = order(launcher, tmp_path / "bundle", job_tier="spot", shm_size="8g", max_hours=2, identity="user")
    launcher.launch(ordered)
    connection = launcher._connection(ordered.settings)
    job = connection.arm("GET", "/jobs/job-1-1", doing="x")["properties"]
    code = connection.arm("GET", job["codeId"].removeprefix(connection.place.id), doing="x")["properties"]
    environment = connection.arm("GET", job["environmentId"].removeprefix(connection.place.id), doing="x")["properties"]
    for told, kind in (
        (job, "CommandJob"),
        (job["outputs"]["place"], "UriFolderJobOutput"),
        (job["resources"], "JobResourceConfiguration"),
        (job["limits"], "CommandJobLimits"),
        (job["queueSettings"], "QueueSettings"),
        (job["identity"], "UserIdentity"),
        (job["services"]["Studio"], "JobService"),
        (code, "CodeVersionProperties"),
        (environment, "EnvironmentVersionProperties"),
    ):
        model = getattr(models, kind)
        model({})
        assert set(told) <= {field._rest_name for field in model._attr_to_rest_field.values()}, kind
