"""Command jobs, code and environments of the emulated workspace by themselves: what is refused, as the service would."""

from __future__ import annotations

import copy
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from tuneport_azureml.emulator import COMPUTE, START, AzureMLEmulator
from tuneport_azureml.emulator.commands import seconds_of
from tuneport_azureml.emulator.platform import ENVIRONMENTS

from tuneport.testing.emulator import SteppedClock

VERSION = "api-version=2025-01-01-preview"
BODY: dict[str, Any] = {
    "properties": {
        "jobType": "Command",
        "command": "python start.py ${{outputs.place}}",
        "environmentId": ENVIRONMENTS[0],
        "resources": {"instanceType": "Standard_NC24ads_A100_v4", "instanceCount": 1, "properties": {}},
        "outputs": {
            "place": {"jobOutputType": "uri_folder", "mode": "ReadWriteMount", "uri": "azureml://datastores/workspaceblobstore/paths/a/b"}
        },
    }
}


@pytest.fixture
def emulator() -> Iterator[AzureMLEmulator]:
    with AzureMLEmulator(clock=SteppedClock(start=START)) as emulator:
        yield emulator


def asked(emulator: AzureMLEmulator, method: str, path: str, body: Any = None) -> requests.Response:
    headers = {"Authorization": f"Bearer {emulator.token()}"}
    return requests.request(method, f"{emulator.url}{emulator.world.place.id}{path}?{VERSION}", json=body, headers=headers, timeout=10)


def with_(path: str, value: Any) -> dict[str, Any]:
    """The body with another value at a dotted path; None takes it away."""
    body = copy.deepcopy(BODY)
    inner, *_ = (body["properties"],)
    *folders, last = path.split(".")
    for name in folders:
        inner = inner.setdefault(name, {})
    inner[last] = value
    if value is None:
        del inner[last]
    return body


def test_a_job_is_created_once_and_changed_by_a_second_put(emulator: AzureMLEmulator) -> None:
    assert asked(emulator, "PUT", "/jobs/one", BODY).status_code == 201
    assert asked(emulator, "PUT", "/jobs/one", with_("tags", {"a": "b"})).status_code == 200
    assert emulator.world.commands["one"].puts == 2
    assert asked(emulator, "PUT", "/jobs/one", with_("command", "true")).status_code == 400


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("command", None, "missing at 'properties.command'"),
        ("environmentId", None, "missing at 'properties.environmentId'"),
        ("comand", "x", "unknown at 'properties.comand'"),
        ("resources.instanceCount", "1", "type at 'properties.resources.instanceCount'"),
        ("resources.instanceTypes", ["x"], "unknown at 'properties.resources.instanceTypes'"),
        ("resources.instanceType", "Standard_X", "instance type Standard_X is not available"),
        ("resources.shmSize", "8 gigabytes", "shmSize"),
        ("queueSettings", {"jobTier": "spot"}, "word at 'properties.queueSettings.jobTier'"),
        ("limits", {"jobLimitsType": "Command", "timeout": "12 hours"}, "no duration"),
        ("limits", {"timeout": "PT1H"}, "missing at 'properties.limits.jobLimitsType'"),
        ("outputs.place.mode", "rw_mount", "word at 'properties.outputs.place.mode'"),
        ("outputs.place.uri", "azureml://datastores/elsewhere/paths/a", "no path of a datastore"),
        ("outputs", {}, "refers to outputs.place"),
        ("environmentId", "azureml:mine:1", "environment azureml:mine:1 could not be found"),
        ("codeId", "azureml:code:1", "code asset azureml:code:1 could not be found"),
        ("computeId", "nowhere", "compute nowhere does not exist"),
        ("identity", {"identityType": "Me"}, "word at 'properties.identity.identityType'"),
        ("environmentVariables", {"A": 1}, "type at 'properties.environmentVariables.A'"),
    ],
)
def test_a_body_that_the_service_would_not_take_is_refused(emulator: AzureMLEmulator, path: str, value: Any, said: str) -> None:
    answer = asked(emulator, "PUT", "/jobs/one", with_(path, value))
    assert answer.status_code in (400, 404)
    assert said in answer.json()["error"]["message"]
    assert emulator.world.commands == {}


def test_a_quota_is_that_of_the_family_or_of_low_priority(emulator: AzureMLEmulator) -> None:
    emulator.world.quotas["standardNCADSA100v4Family"] = 0
    assert asked(emulator, "PUT", "/jobs/one", BODY).status_code == 400
    assert asked(emulator, "PUT", "/jobs/two", with_("queueSettings", {"jobTier": "Spot"})).status_code == 201
    emulator.world.low_priority_cores = 4
    assert asked(emulator, "PUT", "/jobs/three", with_("queueSettings", {"jobTier": "Spot"})).status_code == 400
    assert asked(emulator, "PUT", "/jobs/four", with_("computeId", COMPUTE)).status_code == 201


@pytest.mark.parametrize(
    ("kind", "body", "other", "said"),
    [
        (
            "codes",
            {"codeUri": "https://a.blob.core.windows.net/c/d"},
            {"codeUri": "https://a.blob.core.windows.net/c/e"},
            "cannot be changed",
        ),
        ("environments", {"image": "pytorch/pytorch:latest"}, {"image": "ubuntu"}, "cannot be changed"),
        ("environments", {"image": "a"}, {"imagee": "a"}, "unknown at 'properties.imagee'"),
        ("environments", {"image": "a"}, {"osType": "Linux"}, "needs an image"),
        ("codes", {"codeUri": "https://a.blob.core.windows.net/c/d"}, {"codeUri": "file:///c"}, "no address of blob storage"),
    ],
)
def test_what_an_asset_stands_for_is_said_once(
    emulator: AzureMLEmulator, kind: str, body: dict[str, Any], other: dict[str, Any], said: str
) -> None:
    path = f"/{kind}/mine/versions/1"
    assert asked(emulator, "GET", path).status_code == 404
    assert asked(emulator, "PUT", path, {"properties": body}).status_code == 201
    assert asked(emulator, "PUT", path, {"properties": body}).status_code == 200
    answer = asked(emulator, "PUT", path, {"properties": other})
    assert (answer.status_code, said in answer.json()["error"]["message"]) == (400, True)
    assert asked(emulator, "GET", path).json()["properties"].items() >= body.items()


@pytest.mark.parametrize(
    ("said", "seconds"), [("PT1H30M", 5400), ("P1DT2H", 93_600), ("PT0.5S", 0.5), ("P", None), ("1h", None), ("PT", None)]
)
def test_a_duration_is_read_as_iso_8601_says(said: str, seconds: float | None) -> None:
    assert seconds_of(said) == seconds


def test_the_emulator_as_a_command_can_run_command_jobs(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tuneport_azureml.emulator", "--machines", str(tmp_path / "machines")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        assert served.stdout.readline().startswith("export AZUREML_DEV_URL_MFE=http://127.0.0.1:")
        served.send_signal(signal.SIGINT)
        served.communicate(timeout=60)
    assert served.returncode == 0
