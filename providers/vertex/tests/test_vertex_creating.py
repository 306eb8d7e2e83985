"""A create is sent once, and what answers it is a job or nobody knows: the real SDKs against a server that says what a test wants."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
from tuneport_vertex.adapter.connection import Connection
from tuneport_vertex.adapter.creating import create, rebase
from tuneport_vertex.profile import Place

from tuneport.errors import Ambiguous, RateLimited, Refused
from tuneport.testing import SimulatedClock

from .vertex_loopback import TOKEN, Asked, Said, Script, answering, status

REGION = "projects/123/locations/us-central1"
JOB = {"name": f"{REGION}/tuningJobs/9", "state": "JOB_STATE_PENDING"}
OPERATION = {"name": f"{REGION}/operations/9"}
SPEC = {"trainingDatasetUri": "gs://bucket/rows.jsonl", "hyperParameters": {"epochCount": 2}}
ASKED = {"baseModel": "gemini-3.5-flash", "supervisedTuningSpec": SPEC, "labels": {"tuneport-client": "c1"}}
REBASED = {"tunedModelRef": {"tunedModel": "projects/tune-main/locations/us/models/5@1"}, "tuningJob": ASKED}


@contextmanager
def connected(script: Script, *, timeout_s: float = 10.0) -> Iterator[tuple[Connection, list[Asked]]]:
    with answering(script) as (url, asked):
        place = Place("vertex", "tune-main", "us-central1", "us", endpoint=url, token=TOKEN)
        yield Connection(place, clock=SimulatedClock(), timeout_s=timeout_s), asked


def of_job(**more: Any) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.cloud.aiplatform.v1.TuningJob", **JOB, **more}


@pytest.mark.parametrize("body", [OPERATION, {**OPERATION, "done": True}, {"name": "9"}, {"name": f"{REGION}/tuningJobs/"}, {}, [JOB]])
def test_an_answer_that_is_no_job_leaves_open_whether_there_is_one(body: Any) -> None:
    with connected(lambda _: Said(body=body)) as (connection, asked), pytest.raises(Ambiguous):
        create(connection, ASKED)
    assert len(asked) == 1


def test_a_rebase_that_is_done_at_once_is_the_job_that_it_made() -> None:
    with connected(lambda _: Said(body={**OPERATION, "done": True, "response": of_job(labels={"a": "b"})})) as (connection, asked):
        job = rebase(connection, REBASED)
    assert (job["name"], job["state"], job["labels"]) == (JOB["name"], "JOB_STATE_PENDING", {"a": "b"})
    (sent,) = asked
    assert sent.path == "/v1/projects/tune-main/locations/us-central1/tuningJobs:rebaseTunedModel"
    assert json.loads(sent.body)["tuningJob"]["labels"] == {"tuneport-client": "c1"}


@pytest.mark.parametrize(
    "body",
    [
        OPERATION,
        {**OPERATION, "done": True},
        {**OPERATION, "done": True, "response": {"@type": "type.googleapis.com/google.protobuf.Empty"}},
        {**OPERATION, "done": True, "error": {"code": 13, "message": "Internal."}},
        {},
    ],
)
def test_a_rebase_that_names_no_job_leaves_open_whether_there_is_one(body: Mapping[str, Any]) -> None:
    with connected(lambda _: Said(body=body)) as (connection, asked), pytest.raises(Ambiguous):
        rebase(connection, REBASED)
    assert len(asked) == 1


@pytest.mark.parametrize(("said", "kind"), [(status(429, "RESOURCE_EXHAUSTED"), RateLimited), (status(400, "INVALID_ARGUMENT"), Refused)])
def test_a_rebase_that_is_refused_was_not_begun(said: Said, kind: type[Exception]) -> None:
    with connected(lambda _: said) as (connection, asked), pytest.raises(kind):
        rebase(connection, REBASED)
    assert len(asked) == 1


def test_keys_for_another_api_of_googles_are_not_sent_and_nothing_is_logged_of_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("GOOGLE_API_KEY", "first-key")
    monkeypatch.setenv("GEMINI_API_KEY", "second-key")
    with caplog.at_level(logging.WARNING), connected(lambda _: Said(body=JOB)) as (connection, asked):
        create(connection, ASKED)
    (sent,) = asked
    assert sent.headers["Authorization"] == f"Bearer {TOKEN}"
    assert "-key" not in str(sent)
    assert caplog.records == []


@pytest.mark.parametrize("begin", [create, rebase])
def test_a_service_that_says_nothing_is_not_waited_for_for_ever(begin: Any) -> None:
    done = threading.Event()

    def silent(_: Asked) -> Said:
        done.wait(30)
        return Said()

    with connected(silent, timeout_s=0.3) as (connection, asked):
        try:
            with pytest.raises(Ambiguous):
                begin(connection, REBASED if begin is rebase else ASKED)
        finally:
            done.set()
    assert len(asked) == 1
