"""The model registry, endpoints and operations, as google-cloud-aiplatform's own clients ask for them over REST."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tuneport_vertex.adapter.asking import OpenModel
from tuneport_vertex.adapter.connection import Connection
from tuneport_vertex.adapter.deployments import Deployments
from tuneport_vertex.adapter.ending import delete_model, end_endpoint, followed
from tuneport_vertex.adapter.endpoints import Endpoints
from tuneport_vertex.profile import Place
from tuneport_vertex.wire.standing import Endpoint, Operation

from tuneport.errors import Ambiguous, NotFound, Refused, Unreachable
from tuneport.examples import ChatExample, Message
from tuneport.provider import Generation
from tuneport.testing import SimulatedClock

from .vertex_loopback import SILENT, Asked, Said, answering, status

REGION = "projects/tune-main/locations/us-central1"
ENDPOINT = f"{REGION}/endpoints/tuneport-1"
MODEL = f"{REGION}/models/tuneport-1"
TUNED = "tune-main/us-central1/models/123@1"
TOKEN = "opaque-token-0123456789"


def place(endpoint: str | None) -> Place:
    return Place("vertex", "tune-main", "us-central1", "us", endpoint=endpoint, token=TOKEN)


@contextmanager
def endpoints(script: Any) -> Iterator[tuple[Endpoints, Connection, list[Asked]]]:
    with answering(script) as (url, asked):
        connection = Connection(place(url), clock=SimulatedClock())
        yield Endpoints(connection), connection, asked


def operation(name: str = "7", **more: Any) -> dict[str, Any]:
    metadata = {
        "@type": "type.googleapis.com/google.cloud.aiplatform.v9.SomethingOfTomorrow",
        "genericMetadata": {"createTime": "2026-11-21T10:00:00.5Z"},
    }
    return {"name": f"{REGION}/operations/{name}", "metadata": metadata, **more}


def test_an_endpoint_is_told_with_its_machines_and_words_of_tomorrow_are_passed_over() -> None:
    spec = {"machineType": "g2-standard-12", "acceleratorType": "NVIDIA_L4", "acceleratorCount": 1}
    deployed = {"id": "5", "model": MODEL, "modelVersionId": "1", "dedicatedResources": {"machineSpec": spec, "minReplicaCount": 2}}
    told = {"name": ENDPOINT, "dedicatedEndpointDns": "e.goog", "deployedModels": [deployed], "ofTomorrow": {"x": 1}}
    with endpoints(lambda asked: Said(body=told)) as (found, _, asked):
        endpoint = found.endpoint(ENDPOINT)
    assert endpoint.rented
    assert (endpoint.deployed[0].machine, endpoint.deployed[0].accelerator, endpoint.deployed[0].replicas) == (
        "g2-standard-12",
        "NVIDIA_L4",
        2,
    )
    assert endpoint.deployed[0].model == f"{MODEL}@1"
    assert asked[0].headers["Authorization" if "Authorization" in asked[0].headers else "authorization"] == f"Bearer {TOKEN}"


def test_a_list_is_read_to_its_last_page() -> None:
    def script(asked: Asked) -> Said:
        assert asked.path == f"/v1/{REGION}/models"
        if "pageToken" not in asked.query:
            return Said(body={"models": [{"name": f"{REGION}/models/1"}], "nextPageToken": "more"})
        return Said(body={"models": [{"name": f"{REGION}/models/2", "versionId": "3"}]})

    with endpoints(script) as (found, _, asked):
        assert [each.full for each in found.models("us-central1")] == [f"{REGION}/models/1", f"{REGION}/models/2@3"]
    assert len(asked) == 2


def test_an_operation_is_read_though_its_metadata_are_of_a_version_that_nobody_knows() -> None:
    def script(asked: Asked) -> Said:
        return Said(body={"operations": [operation()]} if asked.path.endswith("operations") else operation(done=True))

    with endpoints(script) as (found, _, _asked):
        one = found.operation(f"{REGION}/operations/7")
        assert (one.done, one.error, one.began_at is not None) == (True, {}, True)
        assert [each.name for each in found.operations(ENDPOINT)] == [f"{REGION}/operations/7"]


def test_a_read_is_repeated_by_our_clock_and_a_change_is_sent_once() -> None:
    def script(asked: Asked) -> Said:
        return status(503, "UNAVAILABLE") if asked.method == "GET" else SILENT

    with endpoints(script) as (found, _, asked):
        with pytest.raises(Unreachable):
            found.endpoint(ENDPOINT)
        reads = len(asked)
        with pytest.raises(Ambiguous):
            found.undeploy(ENDPOINT, "5")
    assert (reads, len(asked) - reads) == (4, 1)


def test_what_an_operation_failed_with_is_said_in_the_vendors_words() -> None:
    failed = operation(done=True, error={"code": 9, "message": "Not enough L4 quota."})
    with endpoints(lambda asked: Said(body=failed)) as (found, connection, _):
        begun = Operation(f"{REGION}/operations/7")
        with pytest.raises(Refused, match="Not enough L4 quota"):
            followed(found, begun, doing="deploying", clock=connection.clock)


def test_an_endpoint_is_emptied_deleted_and_its_copy_of_the_model_goes_with_it_though_a_reply_is_lost() -> None:
    standing = {"deployed": True, "endpoint": True, "model": True, "lost": False}

    def script(asked: Asked) -> Said:
        if asked.path.endswith(":undeployModel"):
            standing["deployed"] = False
            if not standing["lost"]:
                standing["lost"] = True
                return SILENT
        if asked.method == "DELETE" and "/endpoints/" in asked.path:
            assert not standing["deployed"]
            standing["endpoint"] = False
        if asked.method == "DELETE" and "/models/" in asked.path:
            standing["model"] = False
        if asked.method != "GET" or "/operations/" in asked.path:
            return Said(body={"name": f"{REGION}/operations/7", "done": True})
        if "/models/" in asked.path:
            return Said(body={"name": MODEL, "displayName": TUNED}) if standing["model"] else status(404, "NOT_FOUND")
        deployed = [{"id": "5", "model": MODEL, "modelVersionId": "1"}] if standing["deployed"] else []
        told = {"name": ENDPOINT, "displayName": TUNED, "deployedModels": deployed}
        return Said(body=told) if standing["endpoint"] else status(404, "NOT_FOUND")

    with endpoints(script) as (found, connection, _):
        end_endpoint(found, ENDPOINT, clock=connection.clock)
        assert standing == {"deployed": False, "endpoint": False, "model": False, "lost": True}
        with pytest.raises(NotFound):
            end_endpoint(found, ENDPOINT, clock=connection.clock)
        with pytest.raises(NotFound):
            delete_model(found, MODEL, clock=connection.clock)


class Registry:
    """Endpoints and models by their last names: what is deployed where, and what models are called."""

    def __init__(self, deployed: dict[str, dict[str, str]], models: dict[str, str]) -> None:
        self.deployed = deployed
        self.models = models
        self.traffic = {endpoint: next(iter(there), "") for endpoint, there in deployed.items()}

    def __call__(self, asked: Asked) -> Said:
        name = asked.path.split("/")[-1]
        if "/operations/" in asked.path or name == "operations":
            return Said(body={"name": f"{REGION}/operations/7", "done": True})
        if asked.method != "GET":
            return self._changed(asked, name)
        if "/endpoints/" in asked.path:
            if name not in self.deployed:
                return status(404, "NOT_FOUND")
            there = [{"id": each, "model": f"{REGION}/models/{model}"} for each, model in self.deployed[name].items()]
            return Said(body={"name": f"{REGION}/endpoints/{name}", "displayName": TUNED, "deployedModels": there})
        bare = name.partition("@")[0]
        if bare not in self.models:
            return status(404, "NOT_FOUND")
        serving = [
            {"endpoint": f"{REGION}/endpoints/{endpoint}", "deployedModelId": each}
            for endpoint, there in self.deployed.items()
            for each, model in there.items()
            if model.partition("@")[0] == bare
        ]
        return Said(body={"name": f"{REGION}/models/{bare}", "displayName": self.models[bare], "deployedModels": serving})

    def _changed(self, asked: Asked, name: str) -> Said:
        endpoint, _, verb = name.partition(":")
        if verb == "undeployModel":
            body = json.loads(asked.body)
            gone, there = body["deployedModelId"], self.deployed[endpoint]
            self.traffic[endpoint] = next(iter(body.get("trafficSplit", {})), self.traffic[endpoint])
            if len(there) > 1 and self.traffic[endpoint] == gone:
                return status(400, "FAILED_PRECONDITION", "The deployed model has traffic.")
            del there[gone]
        elif "/endpoints/" in asked.path:
            del self.deployed[name]
        else:
            del self.models[name]
        return Said(body={"name": f"{REGION}/operations/7", "done": True})


def test_what_somebody_else_deployed_at_an_endpoint_leaves_it_and_stays_in_the_registry() -> None:
    registry = Registry(
        {"tuneport-1": {"5": "tuneport-1", "6": "support"}, "theirs": {"7": "support"}},
        {"tuneport-1": TUNED, "support": "Support", "123": "card"},
    )
    with endpoints(registry) as (found, connection, _):
        end_endpoint(found, ENDPOINT, clock=connection.clock)
    assert registry.deployed == {"theirs": {"7": "support"}}
    assert registry.models == {"support": "Support", "123": "card"}


def test_a_model_of_somebodys_that_has_the_name_of_the_endpoint_is_not_its_copy() -> None:
    registry = Registry({"tuneport-1": {}}, {"tuneport-1": "my own"})
    with endpoints(registry) as (found, connection, _):
        end_endpoint(found, ENDPOINT, clock=connection.clock)
    assert (registry.deployed, registry.models) == ({}, {"tuneport-1": "my own"})


def test_deleting_a_model_ends_the_endpoint_that_serves_it_alone_and_leaves_one_that_serves_others_too() -> None:
    registry = Registry({"alone": {"1": "123@1"}, "both": {"2": "124@2", "3": "123@1"}}, {"123": "card", "124": "parcel"})
    with endpoints(registry) as (found, connection, _):
        delete_model(found, f"{REGION}/models/123", clock=connection.clock)
    assert registry.deployed == {"both": {"2": "124@2"}}
    assert registry.models == {"124": "parcel"}


def test_what_is_refused_again_and_again_is_not_asked_for_ever() -> None:
    def script(asked: Asked) -> Said:
        if asked.method == "DELETE":
            return status(400, "FAILED_PRECONDITION", "The endpoint is in use.")
        return Said(body={"name": ENDPOINT})

    with endpoints(script) as (found, connection, asked), pytest.raises(Refused, match="in use"):
        end_endpoint(found, ENDPOINT, clock=connection.clock)
    assert sum(each.method == "DELETE" for each in asked) == 3


def test_a_region_that_does_not_tell_what_stands_there_is_named_and_hides_no_other(caplog: pytest.LogCaptureFixture) -> None:
    spec = {"machineType": "g2-standard-12", "acceleratorType": "NVIDIA_L4", "acceleratorCount": 1}
    deployed = {"id": "5", "model": MODEL, "dedicatedResources": {"machineSpec": spec, "minReplicaCount": 1}}

    def script(asked: Asked) -> Said:
        if "/us-central1/" not in asked.path:
            return status(403, "PERMISSION_DENIED", "No.")
        return Said(body={"endpoints": [{"name": ENDPOINT, "deployedModels": [deployed]}]})

    with answering(script) as (url, _):
        everywhere = Place("vertex", "tune-main", "global", "us", endpoint=url, token=TOKEN)
        connection = Connection(everywhere, clock=SimulatedClock())
        found = Deployments(connection, Endpoints(connection)).listed()
    assert [each.id for each in found] == ["tune-main/us-central1/endpoints/tuneport-1"]
    assert "what stands in europe-west4 is not known" in caplog.text


# --- open models ---------------------------------------------------------------------------------------------------------------------


def test_an_open_model_is_asked_at_the_host_that_its_endpoint_names() -> None:
    connection = Connection(place(None), clock=SimulatedClock())
    told = Endpoint(ENDPOINT, dns="tuneport-1.us-central1-1.prediction.vertexai.goog")
    found = OpenModel.at(connection, "vertex:x", told, name=ENDPOINT)
    assert found.url == f"https://tuneport-1.us-central1-1.prediction.vertexai.goog/v1/{ENDPOINT}/chat/completions"
    shared = OpenModel.at(connection, "vertex:x", Endpoint(ENDPOINT), name=ENDPOINT)
    assert shared.url == f"https://us-central1-aiplatform.googleapis.com/v1/{ENDPOINT}/chat/completions"


@pytest.mark.parametrize(
    "dns",
    [
        "evil.example",
        "prediction.vertexai.goog.evil.example",
        "x@evil.example/.prediction.vertexai.goog",
        "evil.example\\.prediction.vertexai.goog",
    ],
)
def test_no_token_goes_to_a_host_that_is_not_googles(dns: str) -> None:
    connection = Connection(place(None), clock=SimulatedClock())
    with pytest.raises(Unreachable, match="no host of Google's"):
        OpenModel.at(connection, "vertex:x", Endpoint(ENDPOINT, dns=dns), name=ENDPOINT)


def test_no_token_goes_to_a_host_that_a_location_makes() -> None:
    connection = Connection(place(None), clock=SimulatedClock())
    assert connection.address("us") == "https://aiplatform.us.rep.googleapis.com"
    with pytest.raises(NotFound, match="no location of Google's"):
        connection.address("evil.example#")


def chat(text: str = "Where?") -> ChatExample:
    return ChatExample((Message("user", text),))


def test_an_open_model_streams_without_its_thoughts_and_what_breaks_off_is_said() -> None:
    pieces = ["<think>hm", "m</think>", "re", "fund"]
    events = [f"data: {json.dumps({'choices': [{'delta': {'content': each}}]})}\n\n" for each in pieces]

    def script(asked: Asked) -> Said:
        assert json.loads(asked.body)["stream"] is True
        content = "".join([*events, "data: [DONE]\n\n"]) if len(chats) else "".join(events)[:-9]
        return Said(body=content.encode(), media_type="text/event-stream")

    chats: list[str] = []
    with endpoints(script) as (_, connection, _asked):
        model = OpenModel.at(connection, "vertex:x", Endpoint(ENDPOINT), name=ENDPOINT)
        with pytest.raises(Unreachable, match="cannot be read"):
            list(model.pieces(chat(), generation=Generation()))
        chats.append("again")
        assert "".join(model.pieces(chat(), generation=Generation())) == "refund"


def test_an_open_model_is_asked_again_while_it_is_overloaded_and_its_words_come_back() -> None:
    def script(asked: Asked) -> Said:
        if len(seen) < 2:
            seen.append("")
            return status(429, "RESOURCE_EXHAUSTED", "Slow down.", Retry_After="7")
        body = json.loads(asked.body)
        assert (body["max_tokens"], body["temperature"], body["messages"]) == (5, 0.0, [{"role": "user", "content": "Where?"}])
        return Said(body={"choices": [{"message": {"content": "here"}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3}})

    seen: list[str] = []
    with endpoints(script) as (_, connection, _asked):
        began = connection.clock.monotonic()
        model = OpenModel.at(connection, "vertex:x", Endpoint(ENDPOINT), name=ENDPOINT)
        found = model.answer(chat(), generation=Generation(max_tokens=5))
        assert (found.text, found.tokens) == ("here", (3, 0))
        assert connection.clock.monotonic() - began >= 14
