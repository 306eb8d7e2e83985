"""The emulated workspace by itself: what it refuses, as the service would, and what stays true of it whoever asks."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from tuneport_azureml.emulator import GROUP, START, SUBSCRIPTION, WORKSPACE, AzureMLEmulator, Course, Habits
from tuneport_azureml.emulator.__main__ import said
from tuneport_azureml.emulator.platform import ACCOUNT, CONTAINER, MODELS
from tuneport_azureml.emulator.world import WORKSPACE_ID

from tuneport.testing.emulator import SteppedClock

ROWS = b'{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}\n'
VERSION = "api-version=2024-10-01-preview"


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(start=START)


@pytest.fixture
def emulator(clock: SteppedClock) -> Iterator[AzureMLEmulator]:
    with AzureMLEmulator(clock=clock) as emulator:
        yield emulator


def asked(emulator: AzureMLEmulator, method: str, path: str, body: Any = None, *, token: str | None = None) -> requests.Response:
    """One request below the workspace, or at a path of its own (`//…`)."""
    below = path.removeprefix("/") if path.startswith("//") else f"{emulator.world.place.id}{path}"
    headers = {"Authorization": f"Bearer {token or emulator.token()}"}
    data = body if isinstance(body, bytes | None) else json.dumps(body)
    return requests.request(method, f"{emulator.url}{below}", data=data, headers=headers, timeout=10)


def blob(emulator: AzureMLEmulator, method: str, name: str, data: bytes = b"", query: str = "") -> requests.Response:
    address = f"{emulator.url}/{ACCOUNT}/{CONTAINER}/data/{name}?{query}{'&' if query else ''}{emulator.world.sign()}"
    return requests.request(method, address, data=data, headers={"x-ms-blob-type": "BlockBlob"}, timeout=10)


def with_data(emulator: AzureMLEmulator, rows: bytes = ROWS) -> str:
    blob(emulator, "PUT", "rows.jsonl", rows)
    where = f"azureml://subscriptions/{SUBSCRIPTION}/resourcegroups/{GROUP}/workspaces/{WORKSPACE}"
    uri = f"{where}/datastores/workspaceblobstore/paths/data/rows.jsonl"
    answer = asked(emulator, "PUT", f"/data/rows/versions/1?{VERSION}", {"properties": {"dataType": "uri_file", "dataUri": uri}})
    assert answer.status_code in (200, 201)
    return f"{emulator.world.place.id}/data/rows/versions/1"


def job(emulator: AzureMLEmulator, **details: Any) -> dict[str, Any]:
    usual = {
        "modelProvider": "Custom",
        "taskType": "chatCompletion",
        "model": {"jobInputType": "mlflow_model", "uri": MODELS[0]},
        "trainingData": {"jobInputType": "uri_file", "uri": with_data(emulator)},
    }
    outputs = {"registered_model": {"jobOutputType": "mlflow_model", "assetName": "m"}}
    return {"properties": {"jobType": "FineTuning", "fineTuningDetails": {**usual, **details}, "outputs": outputs}}


def error_of(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def spoiled(body: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """The body with another value at a dotted path; None takes it away."""
    inner, *_, last = body, *path.split(".")
    for name in path.split(".")[:-1]:
        inner = inner[name]
    if value is None:
        del inner[last]
    else:
        inner[last] = value
    return body


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("colour", "blue"),
        ("properties.colour", "blue"),
        ("properties.fineTuningDetails.colour", "blue"),
        ("properties.fineTuningDetails.model.colour", "blue"),
        ("properties.outputs.registered_model.colour", "blue"),
        ("properties.jobType", "Command"),
        ("properties.jobType", None),
        ("properties.displayName", 7),
        ("properties.tags", {"a": 1}),
        ("properties.isArchived", "no"),
        ("properties.fineTuningDetails", None),
        ("properties.fineTuningDetails.trainingData", None),
        ("properties.fineTuningDetails.taskType", "Divination"),
        ("properties.fineTuningDetails.modelProvider", "Somebody"),
        ("properties.fineTuningDetails.hyperParameters", {"num_train_epochs": 1}),
        ("properties.fineTuningDetails.model.jobInputType", "custom_model"),
        ("properties.resources", {"instanceTypes": "Standard_NC6s_v3"}),
        ("properties.resources", {"instanceTypes": []}),
        ("properties.queueSettings", {"jobTier": "cheap"}),
        ("properties.outputs", None),
        ("properties.outputs", {}),
    ],
)
def test_a_body_that_is_not_what_the_schema_says_is_refused(emulator: AzureMLEmulator, path: str, value: Any) -> None:
    answer = asked(emulator, "PUT", f"/jobs/a?{VERSION}", spoiled(job(emulator), path, value))
    assert answer.status_code == 400
    assert emulator.world.jobs == {}


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"properties": {}, "properties": {}}'])
def test_a_body_that_is_no_object_is_refused(emulator: AzureMLEmulator, body: bytes) -> None:
    assert asked(emulator, "PUT", f"/jobs/a?{VERSION}", body).status_code == 400


@pytest.mark.parametrize(
    ("details", "code"),
    [
        ({"model": {"jobInputType": "mlflow_model", "uri": "azureml://registries/azureml/models/gone/versions/1"}}, (400, "UserError")),
        ({"trainingData": {"jobInputType": "uri_file", "uri": "azureml:gone:1"}}, (404, "NotFound")),
        ({"hyperParameters": {"num_train_epochs": "many"}}, (400, "UserError")),
    ],
)
def test_what_a_job_names_has_to_be_there(emulator: AzureMLEmulator, details: dict[str, Any], code: tuple[int, str]) -> None:
    assert error_of(asked(emulator, "PUT", f"/jobs/a?{VERSION}", job(emulator, **details))) == code


def test_the_version_of_the_api_is_asked_for(emulator: AzureMLEmulator) -> None:
    assert error_of(asked(emulator, "GET", "/jobs")) == (400, "MissingApiVersionParameter")
    assert error_of(asked(emulator, "GET", "/jobs?api-version=latest")) == (400, "NoRegisteredProviderFound")
    assert error_of(asked(emulator, "GET", f"/jobs?{VERSION}&colour=blue")) == (400, "ValidationError")


def test_who_may_come_in_and_why_not(emulator: AzureMLEmulator, clock: SteppedClock) -> None:
    ended = emulator.token(life_s=10)
    clock.advance(20)
    tokens = {
        "eyJunknown": "InvalidAuthenticationToken",
        ended: "ExpiredAuthenticationToken",
        emulator.token(tenant_right=False): "InvalidAuthenticationTokenTenant",
    }
    assert {token: error_of(asked(emulator, "GET", f"/jobs?{VERSION}", token=token))[1] for token in tokens} == tokens
    assert error_of(asked(emulator, "GET", f"/jobs?{VERSION}", token=emulator.token(role="nobody"))) == (403, "AuthorizationFailed")
    reader = emulator.token(role="reader")
    assert asked(emulator, "GET", f"/jobs?{VERSION}", token=reader).status_code == 200
    assert error_of(asked(emulator, "PUT", f"/jobs/a?{VERSION}", {}, token=reader)) == (403, "AuthorizationFailed")
    assert requests.get(f"{emulator.url}{emulator.world.place.id}/jobs?{VERSION}", timeout=10).status_code == 401


def test_a_second_put_changes_what_may_be_changed_and_nothing_else(emulator: AzureMLEmulator) -> None:
    body = job(emulator)
    assert asked(emulator, "PUT", f"/jobs/a?{VERSION}", body).status_code == 201
    body["properties"]["tags"] = {"team": "support"}
    assert asked(emulator, "PUT", f"/jobs/a?{VERSION}", body).json()["properties"]["tags"] == {"team": "support"}
    other = job(emulator, hyperParameters={"num_train_epochs": "5"})
    assert error_of(asked(emulator, "PUT", f"/jobs/a?{VERSION}", other)) == (400, "UserError")


def test_a_run_goes_through_its_words_and_its_training_is_told_as_it_goes(emulator: AzureMLEmulator, clock: SteppedClock) -> None:
    asked(emulator, "PUT", f"/jobs/a?{VERSION}", job(emulator, hyperParameters={"num_train_epochs": "40"}))
    seen = []
    for _ in range(50):
        seen.append(asked(emulator, "GET", f"/jobs/a?{VERSION}").json()["properties"]["status"])
        clock.advance(50)
    order = ["NotStarted", "Queued", "Preparing", "Provisioning", "Starting", "Running", "Finalizing", "Completed"]
    assert list(dict.fromkeys(seen)) == [word for word in order if word in seen]
    history = f"//history/v1.0{emulator.world.place.id}/runs/a/details"
    assert asked(emulator, "GET", history).json()["status"] == "Completed"
    metrics = f"//mlflow/v1.0{emulator.world.place.id}/api/2.0/mlflow/metrics/get-history?run_id=a&metric_key=train_loss"
    rows = asked(emulator, "GET", metrics).json()["metrics"]
    assert [row["step"] for row in rows] == [5, 10, 15, 20, 25, 30, 35, 40]


def test_a_job_is_cancelled_once_and_one_that_has_ended_not_at_all(emulator: AzureMLEmulator, clock: SteppedClock) -> None:
    asked(emulator, "PUT", f"/jobs/a?{VERSION}", job(emulator))
    answer = asked(emulator, "POST", f"/jobs/a/cancel?{VERSION}")
    assert (answer.status_code, "Location" in answer.headers) == (202, True)
    assert asked(emulator, "GET", f"/jobs/a?{VERSION}").json()["properties"]["status"] == "CancelRequested"
    clock.advance(60)
    assert error_of(asked(emulator, "POST", f"/jobs/a/cancel?{VERSION}")) == (400, "UserError")


def test_a_list_comes_in_pages_and_leaves_out_what_it_does_not_know_yet(clock: SteppedClock) -> None:
    with AzureMLEmulator(clock=clock, habits=Habits(page=2, listing_lag_s=30), course=Course()) as emulator:
        for name in "abcde":
            asked(emulator, "PUT", f"/jobs/{name}?{VERSION}", job(emulator))
            clock.advance(10)
        page, names = asked(emulator, "GET", f"/jobs?{VERSION}").json(), []
        while True:
            names += [row["name"] for row in page["value"]]
            if "nextLink" not in page:
                break
            page = asked(emulator, "GET", f"//{page['nextLink'].partition('://')[2].partition('/')[2]}").json()
    assert names == ["c", "b", "a"]


def test_the_bytes_of_a_data_version_are_there_for_good(emulator: AzureMLEmulator) -> None:
    with_data(emulator)
    other = {"properties": {"dataType": "uri_file", "dataUri": "azureml://elsewhere/paths/x"}}
    assert error_of(asked(emulator, "PUT", f"/data/rows/versions/1?{VERSION}", other)) == (400, "UserError")


def test_blocks_make_a_blob_in_the_order_of_their_list_and_only_once_they_are_there(emulator: AzureMLEmulator) -> None:
    ids = [base64.b64encode(name).decode() for name in (b"0001", b"0002")]
    listed = f"<BlockList>{''.join(f'<Latest>{each}</Latest>' for each in ids)}</BlockList>".encode()
    assert blob(emulator, "PUT", "x", b"second", f"comp=block&blockid={ids[1]}").status_code == 201
    assert blob(emulator, "PUT", "x", listed, "comp=blocklist").headers["x-ms-error-code"] == "InvalidBlockList"
    assert blob(emulator, "PUT", "x", b"first ", f"comp=block&blockid={ids[0]}").status_code == 201
    assert blob(emulator, "GET", "x").status_code == 404
    longer = base64.b64encode(b"a longer id").decode()
    assert blob(emulator, "PUT", "x", b"third", f"comp=block&blockid={longer}").headers["x-ms-error-code"] == "InvalidBlobOrBlock"
    assert blob(emulator, "PUT", "x", listed, "comp=blocklist").status_code == 201
    assert blob(emulator, "GET", "x").content == b"first second"


def test_a_signature_that_has_ended_lets_nobody_in(emulator: AzureMLEmulator, clock: SteppedClock) -> None:
    signed = emulator.world.sign(60)
    clock.advance(61)
    answer = requests.get(f"{emulator.url}/{ACCOUNT}/{CONTAINER}/data/x?{signed}", timeout=10)
    assert (answer.status_code, answer.headers["x-ms-error-code"]) == (403, "AuthenticationFailed")


def test_rehearsing_prints_what_to_export(emulator: AzureMLEmulator) -> None:
    assert {line.partition("=")[0].removeprefix("export ") for line in said(emulator)} == set(emulator.exports)


# --- models and endpoints --------------------------------------------------------------------------------------------------------------


def trained(emulator: AzureMLEmulator, clock: SteppedClock, name: str = "a", **more: Any) -> str:
    """The service's id, for serving, of the model of a job that has ended."""
    body = job(emulator)
    body["properties"] |= {"outputs": {"registered_model": {"jobOutputType": "mlflow_model", "assetName": f"m-{name}"}}, **more}
    assert asked(emulator, "PUT", f"/jobs/{name}?{VERSION}", body).status_code == 201
    clock.advance(10_000)
    return f"azureml://locations/westeurope/workspaces/{WORKSPACE_ID}/models/m-{name}/versions/1"


def endpoint(model_id: str) -> dict[str, Any]:
    return {
        "location": "westeurope",
        "sku": {"name": "Consumption"},
        "tags": {},
        "properties": {"authMode": "Key", "modelSettings": {"modelId": model_id}},
    }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("colour", "blue"),
        ("location", None),
        ("location", "mars"),
        ("sku.name", "Premium"),
        ("sku.colour", "blue"),
        ("tags", {"a": 1}),
        ("properties", None),
        ("properties.colour", "blue"),
        ("properties.authMode", "Word"),
        ("properties.modelSettings", None),
        ("properties.modelSettings.colour", "blue"),
        ("properties.modelSettings.modelId", "azureml://registries/azureml/models/Phi-3-mini-4k-instruct/versions/14"),
        ("properties.modelSettings.modelId", "azureml://locations/westeurope/workspaces/0/models/m-a/versions/1"),
        ("properties.modelSettings.modelId", 7),
    ],
)
def test_an_endpoint_that_is_not_what_the_schema_says_is_refused(
    emulator: AzureMLEmulator, clock: SteppedClock, path: str, value: Any
) -> None:
    body = spoiled(endpoint(trained(emulator, clock)), path, value)
    assert asked(emulator, "PUT", f"/serverlessEndpoints/cards?{VERSION}", body).status_code == 400
    assert emulator.world.shelf.endpoints == {}


def test_an_endpoint_goes_through_its_words_answers_to_its_keys_and_goes(emulator: AzureMLEmulator, clock: SteppedClock) -> None:
    made = asked(emulator, "PUT", f"/serverlessEndpoints/cards?{VERSION}", endpoint(trained(emulator, clock)))
    assert (made.status_code, made.json()["properties"]["provisioningState"]) == (201, "Creating")
    operation = made.headers["Azure-AsyncOperation"].partition("://")[2].partition("/")[2]
    assert asked(emulator, "GET", f"//{operation}").json() == {"status": "InProgress"}
    clock.advance(300)
    assert asked(emulator, "GET", f"//{operation}").json() == {"status": "Succeeded"}
    told = asked(emulator, "GET", f"/serverlessEndpoints/cards?{VERSION}").json()["properties"]
    keys = asked(emulator, "POST", f"/serverlessEndpoints/cards/listKeys?{VERSION}").json()
    question = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 5}

    def answer(key: str, body: Any = question) -> requests.Response:
        url = f"{told['inferenceEndpoint']['uri']}/v1/chat/completions"
        return requests.post(url, json=body, headers={"Authorization": key}, timeout=10)

    assert answer(keys["primaryKey"]).json()["choices"][0]["message"]["content"] == "b"
    assert answer("somebody").status_code == 401
    for wrong in ({}, {"messages": []}, {**question, "colour": "blue"}, {**question, "max_tokens": 0}, {"messages": [{"role": "user"}]}):
        assert answer(keys["primaryKey"], wrong).status_code == 422
    assert asked(emulator, "DELETE", f"/serverlessEndpoints/cards?{VERSION}").status_code == 202
    assert answer(keys["primaryKey"]).status_code == 404
    clock.advance(60)
    assert error_of(asked(emulator, "GET", f"/serverlessEndpoints/cards?{VERSION}")) == (404, "UserError")
    assert asked(emulator, "DELETE", f"/serverlessEndpoints/cards?{VERSION}").status_code == 204


def test_a_model_has_one_endpoint_which_never_serves_another(emulator: AzureMLEmulator, clock: SteppedClock) -> None:
    first, second = trained(emulator, clock), trained(emulator, clock, "b")
    assert asked(emulator, "PUT", f"/serverlessEndpoints/cards?{VERSION}", endpoint(first)).status_code == 201
    assert error_of(asked(emulator, "PUT", f"/serverlessEndpoints/more?{VERSION}", endpoint(first))) == (400, "UserError")
    assert error_of(asked(emulator, "PUT", f"/serverlessEndpoints/cards?{VERSION}", endpoint(second))) == (400, "UserError")
    own = trained(emulator, clock, "c", computeId="gpu-a100")
    assert error_of(asked(emulator, "PUT", f"/serverlessEndpoints/own?{VERSION}", endpoint(own))) == (400, "UserError")


def test_a_model_is_archived_by_a_put_stays_where_it_lies_and_is_deleted_without_its_files(
    emulator: AzureMLEmulator, clock: SteppedClock
) -> None:
    trained(emulator, clock)
    row = asked(emulator, "GET", f"/models/m-a/versions/1?{VERSION}").json()
    elsewhere = {**row, "properties": {**row["properties"], "modelUri": "azureml://elsewhere"}}
    assert error_of(asked(emulator, "PUT", f"/models/m-a/versions/1?{VERSION}", elsewhere)) == (400, "UserError")
    assert asked(emulator, "PUT", f"/models/m-a/versions/1?{VERSION}", {**row, "colour": "blue"}).status_code == 400
    hidden = {**row, "properties": {**row["properties"], "isArchived": True}}
    assert asked(emulator, "PUT", f"/models/m-a/versions/1?{VERSION}", hidden).status_code == 200
    assert asked(emulator, "GET", f"/models/m-a/versions?{VERSION}").json()["value"] == []
    assert len(asked(emulator, "GET", f"/models/m-a/versions?{VERSION}&listViewType=All").json()["value"]) == 1
    assert asked(emulator, "DELETE", f"/models/m-a/versions/1?{VERSION}").status_code == 200
    assert error_of(asked(emulator, "GET", f"/models/m-a/versions/1?{VERSION}")) == (404, "UserError")
    assert any("dcid.a" in key for key in emulator.world.blobs)


def test_a_job_is_deleted_once_it_has_ended(emulator: AzureMLEmulator, clock: SteppedClock) -> None:
    asked(emulator, "PUT", f"/jobs/a?{VERSION}", job(emulator))
    assert error_of(asked(emulator, "DELETE", f"/jobs/a?{VERSION}")) == (400, "UserError")
    clock.advance(10_000)
    assert asked(emulator, "DELETE", f"/jobs/a?{VERSION}").status_code == 202
    assert error_of(asked(emulator, "GET", f"/jobs/a?{VERSION}")) == (404, "UserError")


def test_a_part_of_a_blob_is_given_as_long_as_it_is_the_same(emulator: AzureMLEmulator) -> None:
    blob(emulator, "PUT", "x", b"0123456789")
    url = f"{emulator.url}/{ACCOUNT}/{CONTAINER}/data/x?{emulator.world.sign()}"

    def part(**headers: str) -> requests.Response:
        return requests.get(url, headers={name.replace("_", "-"): value for name, value in headers.items()}, timeout=10)

    first = part(x_ms_range="bytes=2-4")
    assert (first.status_code, first.content, first.headers["Content-Range"]) == (206, b"234", "bytes 2-4/10")
    assert part(x_ms_range="bytes=8-20", If_Match=first.headers["ETag"]).content == b"89"
    assert part(x_ms_range="bytes=10-12").status_code == 416
    blob(emulator, "PUT", "x", b"another one")
    assert part(x_ms_range="bytes=2-4", If_Match=first.headers["ETag"]).headers["x-ms-error-code"] == "ConditionNotMet"


def test_blobs_are_listed_by_the_beginning_of_their_names_page_after_page(clock: SteppedClock) -> None:
    with AzureMLEmulator(clock=clock, habits=Habits(blob_page=1)) as emulator:
        for name in ("b", "a"):
            blob(emulator, "PUT", name, b"1")
        found, marker = [], ""
        while True:
            query = f"restype=container&comp=list&prefix=data/&marker={marker}&{emulator.world.sign()}"
            text = requests.get(f"{emulator.url}/{ACCOUNT}/{CONTAINER}?{query}", timeout=10).text
            found += re.findall("<Name>(.*?)</Name>", text)
            if not (following := re.findall("<NextMarker>(.+?)</NextMarker>", text)):
                break
            marker = following[0]
        assert found == ["data/a", "data/b"]
        wrong = requests.get(f"{emulator.url}/{ACCOUNT}/{CONTAINER}?comp=list&{emulator.world.sign()}", timeout=10)
    assert wrong.headers["x-ms-error-code"] == "InvalidQueryParameterValue"


def online(emulator: AzureMLEmulator, **machines: Any) -> dict[str, Any]:
    properties = {
        "endpointComputeType": "Managed",
        "model": f"{emulator.world.place.id}/models/m-a/versions/1",
        "instanceType": "Standard_NC24ads_A100_v4",
    }
    return {"location": "westeurope", "sku": {"name": "Default", "capacity": 1}, "properties": {**properties, **machines}}


ENDPOINT = {"location": "westeurope", "identity": {"type": "SystemAssigned"}, "tags": {}, "properties": {"authMode": "Key"}}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("colour", "blue"),
        ("location", None),
        ("identity.type", "Somebody"),
        ("properties.authMode", None),
        ("properties.colour", "blue"),
    ],
)
def test_an_online_endpoint_that_is_not_what_the_schema_says_is_refused(emulator: AzureMLEmulator, path: str, value: Any) -> None:
    body = spoiled(json.loads(json.dumps(ENDPOINT)), path, value)
    assert asked(emulator, "PUT", f"/onlineEndpoints/cards?{VERSION}", body).status_code == 400
    assert emulator.world.shelf.online == {}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("colour", "blue"),
        ("sku", None),
        ("sku.capacity", 0),
        ("sku.capacity", 5),
        ("properties.endpointComputeType", "Kubernetes"),
        ("properties.model", "azureml:nothing:1"),
        ("properties.instanceType", None),
        ("properties.instanceType", "Standard_Nothing"),
        ("properties.colour", "blue"),
        ("properties.livenessProbe", {"colour": "blue"}),
        ("properties.requestSettings", {"requestTimeout": 90}),
    ],
)
def test_machines_that_are_not_what_the_schema_says_or_the_quota_are_refused(
    emulator: AzureMLEmulator, clock: SteppedClock, path: str, value: Any
) -> None:
    trained(emulator, clock)
    asked(emulator, "PUT", f"/onlineEndpoints/cards?{VERSION}", ENDPOINT)
    early = asked(emulator, "PUT", f"/onlineEndpoints/cards/deployments/tuned?{VERSION}", online(emulator))
    assert error_of(early) == (400, "UserError")
    clock.advance(100)
    body = spoiled(online(emulator), path, value)
    assert asked(emulator, "PUT", f"/onlineEndpoints/cards/deployments/tuned?{VERSION}", body).status_code == 400
    assert emulator.world.shelf.online["cards"].deployments == {}
