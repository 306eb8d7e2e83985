"""Asking one endpoint at its own address, to its own key: chat completions of a serverless one, answers one by one of an online one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from tuneport.chat_completions import answer_of, asked, delta_of, prediction_of
from tuneport.errors import NotFound, Refused, Unreachable, UsageError
from tuneport.examples import ChatExample
from tuneport.model import Prediction
from tuneport.provider import Generation
from tuneport.replies import Json, text_in
from tuneport_azureml.adapter.endpoints import Endpoints
from tuneport_azureml.errors import TokenRefused, translated
from tuneport_azureml.wire.endpoints import Standing, chat_url, is_serving_address
from tuneport_azureml.wire.online import ONLINE, question
from tuneport_azureml.wire.online import prediction_of as scored

T = TypeVar("T")

YOUNG, SETTLES_S, PAUSE_S = timedelta(hours=1), 600.0, 10.0
"""How long an endpoint is young, how long one is waited for that does not answer yet, and the time between two tries."""
DOING, READING = "asking a model", "reading an answer"


@dataclass(frozen=True, slots=True)
class Speech:
    """How an endpoint is asked and answers: `path` makes its address of that of the endpoint; one that does not stream answers at once."""

    path: Callable[[str], str]
    body: Callable[[ChatExample, Generation], dict[str, Any]]
    read: Callable[[Json], Prediction]
    streams: bool


@dataclass(slots=True)
class Asks:
    """An endpoint that can be asked. `uri` is what it is called in messages."""

    endpoints: Endpoints
    standing: Standing
    uri: str
    key: str
    speech: Speech

    @classmethod
    def at(cls, endpoints: Endpoints, standing: Standing, *, uri: str) -> Asks:
        """With the key that the management plane gives out. Raises Unreachable where it does not answer (yet), Refused where it takes no
        keys."""
        place = endpoints.place
        if standing.phase != "ready" or not standing.url:
            raise Unreachable(
                f"{uri} does not answer: its endpoint {standing.name} is {standing.state}.",
                remedy=f"Look: {endpoints.look_again}",
            )
        if not is_serving_address(place, standing.url):
            host = standing.url.partition("://")[2].partition("/")[0][:100]
            raise Refused(f"{uri} says that it answers at {host}, which is no host of Azure's; no key was sent there.")
        if not standing.keyed:
            raise Refused(f"{uri} takes tokens alone and no keys, and Tuneport asks with keys.")
        speech = SCORED if endpoints.kind == ONLINE else COMPLETED
        return cls(endpoints, standing, uri, _key(endpoints, standing), speech)

    def answer(self, chat: ChatExample, *, generation: Generation) -> Prediction:
        """The answer to a conversation that ends before it."""
        body = self._body(chat, generation)

        def ask() -> Prediction:
            response = self._sent(body)
            return self._read(lambda: self.speech.read(_object(response)))

        return self.endpoints.connection.patiently(lambda: self._once_heard(ask))

    def pieces(self, chat: ChatExample, *, generation: Generation) -> Iterator[str]:
        """Likewise, piece by piece: begun again as long as nothing was said; what breaks off later is said to have."""
        if not self.speech.streams:
            yield self.answer(chat, generation=generation).text
            return
        body = self._body(chat, generation) | {"stream": True}
        response = self.endpoints.connection.patiently(lambda: self._once_heard(lambda: self._sent(body, stream=True)))
        try:
            for event in self.endpoints.connection.telling(_events(response), doing=READING):
                if piece := delta_of(event):
                    yield piece
        finally:
            response.close()

    # --- inside ------------------------------------------------------------------------------------------------------------------------

    def _body(self, chat: ChatExample, generation: Generation) -> dict[str, Any]:
        if chat.tools:
            raise UsageError("Azure ML's tuned models have not learned to call tools, and the conversation offers some.")
        return self.speech.body(chat, generation)

    def _sent(self, body: Mapping[str, Any], *, stream: bool = False) -> Any:
        """With a key that was fetched anew, once, where the one we had is refused: keys are changed in the studio."""
        try:
            return self._asked(body, stream=stream)
        except TokenRefused:
            self.key = _key(self.endpoints, self.standing)
        return self._asked(body, stream=stream)

    def _asked(self, body: Mapping[str, Any], *, stream: bool) -> Any:
        headers = {**self.standing.headers, "Authorization": f"Bearer {self.key}"}
        return self.endpoints.connection.asked(self.speech.path(self.standing.url), body=body, headers=headers, doing=DOING, stream=stream)

    def _once_heard(self, ask: Callable[[], T]) -> T:
        """`ask`, again while a young endpoint is not heard of yet, by our own clock."""
        clock = self.endpoints.connection.clock
        began = clock.monotonic()
        while True:
            try:
                return ask()
            except NotFound as error:
                made = self.standing.created_at
                young = made is not None and clock.now() - made < YOUNG
                if not young or clock.monotonic() - began > SETTLES_S:
                    raise NotFound(
                        f"{self.uri}: the endpoint {self.standing.name} does not answer: {error.message}",
                        remedy=f"Look: {self.endpoints.look_again}",
                    ) from None
            clock.sleep(PAUSE_S)

    def _read(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except ValueError as error:
            raise translated(error, doing=READING) from None


def _key(endpoints: Endpoints, standing: Standing) -> str:
    doing, connection = f"asking for the keys of the endpoint {standing.name}", endpoints.connection
    answer = connection.patiently(lambda: connection.arm("POST", f"/{endpoints.kind}/{standing.name}/listKeys", doing=doing))
    key = text_in(answer, "primaryKey") or text_in(answer, "secondaryKey")
    if key is None:
        raise Refused(f"{endpoints.place.name}: the endpoint {standing.name} has no key.")
    return key


def _completion(chat: ChatExample, generation: Generation) -> dict[str, Any]:
    more = {
        "top_p": generation.top_p if generation.top_p != 1.0 else None,
        "seed": generation.seed,
        "stop": list(generation.stop) or None,
    }
    return {
        "messages": asked(chat.messages),
        "max_tokens": generation.max_tokens,
        "temperature": generation.temperature,
        **{key: value for key, value in more.items() if value is not None},
    }


COMPLETED = Speech(chat_url, _completion, prediction_of, streams=True)
SCORED = Speech(lambda url: url, question, scored, streams=False)


def _object(response: Any) -> dict[str, Any]:
    found = json.loads(response.text())
    if not isinstance(found, dict):
        raise ValueError("a JSON object was expected")  # noqa: TRY004 - unreadable, like JSON that is none
    return found


def _events(response: Any) -> Iterator[dict[str, Any]]:
    """The events of a stream, up to the one that ends it; an engine that does not stream answers once."""
    if "event-stream" not in str(response.headers.get("content-type", "")):
        response.read()
        yield {"choices": [{"delta": {"content": answer_of(_object(response))}}]}
        return
    for line in _lines(response.iter_bytes()):
        said = line.removeprefix(b"data:").strip() if line.startswith(b"data:") else b""
        if said == b"[DONE]":
            return
        if said:
            event = json.loads(said)
            if isinstance(event, dict):
                yield event


def _lines(parts: Iterator[bytes]) -> Iterator[bytes]:
    kept = b""
    for part in parts:
        *whole, kept = (kept + part).split(b"\n")
        yield from whole
    yield kept
