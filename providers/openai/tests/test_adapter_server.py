"""Tuned models that answer: in order, several rows at a time, again when there was no answer."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tuneport_openai.adapter.server import OpenAIServer

from tuneport.errors import CredentialsRefused, QuotaExceeded, Refused, UnknownModel, Unreachable, Unsupported, UsageError
from tuneport.examples import ChatExample, LabelledExample, Message, PromptExample
from tuneport.model import Model
from tuneport.provider import Generation, ProviderSettings
from tuneport.testing import SimulatedClock
from tuneport.testing.emulator.faults import RateLimited, Reset, ServerError
from tuneport.testing.kit import make

from .stage import LLAMA, NEBIUS, Stage, chats, recipe, staged

CHAT = "POST /v1/chat/completions"
SHORT = Generation(max_tokens=8)
TEXT: Any = frozenset({"text"})
MODEL = Model(uri="openai:ft:x", provider="openai", id="ft:x")


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


@pytest.fixture
def tuned(stage: Stage) -> Model:
    trainer = stage.trainer()
    made = make(trainer, recipe())
    stage.clock.sleep(3600)
    return trainer.result(made.id)


def answering(answer: Any, home: Path, *, at_once: int = 4) -> OpenAIServer:
    """A server over a vendor that answers as `answer(body)` says."""
    settings = ProviderSettings(
        name="openai", home=home, environ={"OPENAI_API_KEY": "sk-1"}, profile={"requests_at_once": at_once}, clock=SimulatedClock()
    )
    return OpenAIServer(settings, http_client=httpx2.Client(transport=httpx2.MockTransport(answer)))


def said(text: str, finish: str = "stop") -> httpx2.Response:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish}
    return httpx2.Response(200, json={"id": "c", "choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})


def refusal(status: int, message: str, code: str | None = None) -> httpx2.Response:
    return httpx2.Response(status, json={"error": {"message": message, "type": "invalid_request_error", "param": None, "code": code}})


def asked(*texts: str) -> Sequence[ChatExample]:
    return [ChatExample((Message("user", text), Message("assistant", "secret answer"))) for text in texts]


def question(request: httpx2.Request) -> str:
    text = request.read().decode()
    assert "secret answer" not in text
    return str(json.loads(text)["messages"][-1]["content"])


def test_answers_come_in_order_though_later_rows_are_answered_first(tmp_path: Path) -> None:
    others = threading.Event()

    def answer(request: httpx2.Request) -> httpx2.Response:
        if question(request) == "row 0":
            assert others.wait(10)
        if question(request) == "row 3":
            others.set()
        return said(f"to {question(request)}")

    rows = asked(*(f"row {n}" for n in range(30)))
    answers = list(answering(answer, tmp_path).predict(MODEL, rows, generation=SHORT, needs=TEXT))
    assert [answer.text for answer in answers] == [f"to row {n}" for n in range(30)]
    assert answers[0].tokens == (3, 2)


def test_rows_are_read_as_they_are_needed_and_few_are_asked_at_once(tmp_path: Path) -> None:
    under_way, most, lock, read = 0, 0, threading.Lock(), []

    def answer(request: httpx2.Request) -> httpx2.Response:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        with lock:
            under_way -= 1
        return said("yes")

    def rows() -> Iterator[ChatExample]:
        for n in range(1000):
            read.append(n)
            yield asked(f"row {n}")[0]

    answers = answering(answer, tmp_path, at_once=3).predict(MODEL, rows(), generation=SHORT, needs=TEXT)
    assert next(answers).text == "yes"
    assert len(read) <= 8
    assert most <= 3
    answers.close()  # type: ignore[attr-defined]
    assert len(read) <= 8


def test_a_row_that_is_refused_by_itself_has_no_answer_and_the_others_have(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return refusal(400, "This row is too long.") if question(request) == "row 2" else said("yes")

    with caplog.at_level(logging.WARNING, "tuneport"):
        answers = list(answering(answer, tmp_path).predict(MODEL, asked(*(f"row {n}" for n in range(4))), generation=SHORT, needs=TEXT))
    assert [answer.finish for answer in answers] == ["stop", "stop", "error", "stop"]
    assert "row 3 has no answer" in caplog.text
    assert "too long" in caplog.text


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, None, Refused),
        (401, "invalid_api_key", CredentialsRefused),
        (429, "insufficient_quota", QuotaExceeded),
        (404, "model_not_found", UnknownModel),
    ],
)
def test_what_is_wrong_with_every_row_is_raised(tmp_path: Path, status: int, code: str | None, kind: type[Exception]) -> None:
    server = answering(lambda request: refusal(status, "No.", code), tmp_path)
    with pytest.raises(kind):
        list(server.predict(MODEL, asked("a", "b", "c"), generation=SHORT, needs=TEXT))


def test_credentials_that_end_in_the_middle_are_raised(tmp_path: Path) -> None:
    server = answering(
        lambda request: refusal(401, "The key has expired.") if question(request) == "row 5" else said("yes"), tmp_path, at_once=1
    )
    answers = server.predict(MODEL, asked(*(f"row {n}" for n in range(9))), generation=SHORT, needs=TEXT)
    with pytest.raises(CredentialsRefused):
        list(answers)


def test_an_answer_without_a_choice_is_no_answer(tmp_path: Path) -> None:
    server = answering(lambda request: httpx2.Response(200, json={"id": "c", "choices": []}), tmp_path)
    with pytest.raises(Unreachable):
        list(server.predict(MODEL, asked("a"), generation=SHORT, needs=TEXT))


def test_rows_are_asked_again_when_the_vendor_asks_to_wait(stage: Stage, tuned: Model) -> None:
    stage.emulator.faults.times(2, RateLimited(20.0), on=CHAT)
    stage.emulator.faults.times(2, ServerError(503, "html"), on=CHAT)
    before = stage.clock.monotonic()
    answers = list(stage.server().predict(tuned, list(chats()), generation=SHORT, needs=TEXT))
    assert all(answer.text for answer in answers)
    assert stage.clock.monotonic() - before >= 20


@pytest.mark.parametrize("row", [PromptExample((Message("user", "Say it."),), reference="it"), LabelledExample(text="Say it.", label="it")])
def test_rows_of_every_kind_can_be_asked(stage: Stage, tuned: Model, row: Any) -> None:
    (answer,) = stage.server().predict(tuned, [row], generation=SHORT, needs=TEXT)
    assert answer.text


def test_log_probabilities_of_a_reference_are_refused_before_any_request(stage: Stage, tuned: Model) -> None:
    before = stage.emulator.log.count()
    with pytest.raises(Unsupported, match="log_probabilities"):
        stage.server().predict(tuned, list(chats()), generation=SHORT, needs=frozenset({"log_probabilities"}))
    assert stage.emulator.log.count() == before


# --- chat -------------------------------------------------------------------------------------------------------------------------------


def test_a_conversation_is_begun_again_as_long_as_nothing_was_said(stage: Stage, tuned: Model) -> None:
    stage.emulator.faults.times(2, Reset(), on=CHAT)
    pieces = list(stage.server().chat(tuned, [Message("user", "My card number 3 is blocked")], generation=Generation(max_tokens=64)))
    assert len(pieces) > 1
    assert "".join(pieces).strip()


def test_a_conversation_that_breaks_off_says_so(tmp_path: Path) -> None:
    def broken() -> Iterator[bytes]:
        yield b'data: {"id":"c","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":"Hel"}}]}\n\n'
        raise httpx2.ReadError("the line is cut")

    server = answering(lambda request: httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=broken()), tmp_path)
    pieces = server.chat(MODEL, [Message("user", "hello")], generation=SHORT)
    assert next(pieces) == "Hel"
    with pytest.raises(Unreachable):
        next(pieces)


def test_a_conversation_of_nothing_is_refused(stage: Stage, tuned: Model) -> None:
    with pytest.raises(UsageError):
        stage.server().chat(tuned, [], generation=SHORT)


# --- models -----------------------------------------------------------------------------------------------------------------------------


def test_tuned_models_are_listed_with_the_day_they_stop_answering_and_without_checkpoints(stage: Stage, tuned: Model) -> None:
    (found,) = stage.server().models()
    assert (found.id, found.kind, found.base) == (tuned.id, "tuned", "gpt-4.1-mini-2025-04-14")
    assert found.details["shutdown_date"] == "2027-01-14"


def test_a_base_is_a_model_too(stage: Stage) -> None:
    model = stage.server().model("gpt-4.1-mini-2025-04-14")
    assert (model.kind, model.base) == ("base", model.id)


def test_a_compatible_endpoint_lists_the_models_of_its_jobs(stage: Stage) -> None:
    trainer = stage.elsewhere()
    made = make(trainer, recipe(LLAMA))
    stage.clock.sleep(3600)
    (found,) = OpenAIServer(stage.settings("nebius", profile=NEBIUS)).models()
    assert found.uri == f"nebius:{trainer.result(made.id).id}"


def test_deployments_are_refused_with_a_reason(stage: Stage, tuned: Model) -> None:
    server = stage.server()
    assert server.deployments() == ()
    for call in (lambda: server.deploy(tuned, options={}), lambda: server.undeploy("x")):
        with pytest.raises(Unsupported, match="without a deployment"):
            call()
