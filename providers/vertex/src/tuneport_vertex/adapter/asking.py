"""Asking one model: Gemini by google-genai, an open model by the chat completions of its endpoint. One answer, or one piece by piece."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol

from tuneport.chat_completions import answer_of, asked, delta_of, prediction_of
from tuneport.errors import Unreachable
from tuneport.examples import ChatExample
from tuneport.formats.messages import from_tools
from tuneport.model import Prediction
from tuneport.provider import Generation
from tuneport.redaction import warn
from tuneport_vertex.adapter.connection import Connection
from tuneport_vertex.adapter.plain import answered, json_object
from tuneport_vertex.wire import asking as gemini
from tuneport_vertex.wire.standing import Endpoint

if TYPE_CHECKING:
    import requests
    from google.auth.transport.requests import AuthorizedSession
    from google.genai.types import Content, GenerateContentConfig

ANSWER_S = 600.0
"""How long a model may think before it says a word."""
HOSTS = re.compile(r"[a-z0-9.-]+\.(?:prediction\.vertexai\.goog|googleapis\.com)", re.IGNORECASE)
"""Where an endpoint may say that it answers: a token goes nowhere else, whatever one reads into the other signs of an address."""

_THOUGHTS = re.compile(r"\s*<think>.*?(?:</think>\s*|\Z)", re.DOTALL)


class Asks(Protocol):
    """One model that can be asked."""

    def answer(self, chat: ChatExample, *, generation: Generation) -> Prediction:
        """The answer to a conversation that ends before it."""

    def pieces(self, chat: ChatExample, *, generation: Generation) -> Iterator[str]:
        """Likewise, piece by piece: begun again as long as nothing was said; what breaks off later is said to have."""


@dataclass(frozen=True, slots=True)
class Gemini:
    """A Gemini, by its publisher's name or by an endpoint's, in the location where it answers. `uri` is what it is called in messages."""

    connection: Connection
    uri: str
    name: str
    location: str
    base: str | None

    def answer(self, chat: ChatExample, *, generation: Generation) -> Prediction:
        contents, config = self._asked(chat, generation)
        connection = self.connection

        def ask() -> Mapping[str, Any]:
            answer = connection.ask(
                "asking a model",
                lambda client: client.models.generate_content(model=self.name, contents=contents, config=config),
                location=self.location,
            )
            return _json(answer)

        answer = connection.patiently(ask)
        with connection.translating("reading an answer"):
            prediction = gemini.prediction_of(answer)
            if why := gemini.why_silent(answer):
                warn(f"{self.uri}: {why}")
        return prediction

    def pieces(self, chat: ChatExample, *, generation: Generation) -> Iterator[str]:
        contents, config = self._asked(chat, generation)
        connection = self.connection

        def begin() -> Iterator[Any]:
            """The SDK asks when the first piece is fetched."""
            return connection.ask("asking a model", self._first(contents, config), location=self.location)

        for chunk in _translated(connection.patiently(begin), connection):
            if piece := gemini.delta_of(_json(chunk)):
                yield piece

    def _first(self, contents: Sequence[Content], config: GenerateContentConfig) -> Any:
        def ask(client: Any) -> Iterator[Any]:
            stream = client.models.generate_content_stream(model=self.name, contents=contents, config=config)
            first = next(stream, None)
            return iter(()) if first is None else chain([first], stream)

        return ask

    def _asked(self, chat: ChatExample, generation: Generation) -> tuple[list[Content], GenerateContentConfig]:
        from google.genai.types import AutomaticFunctionCallingConfig, Content, GenerateContentConfig

        thinking = self.connection.place.thinking
        question = gemini.question(chat.messages, generation=generation, base=self.base, tools=chat.tools, thinking=thinking)
        config = GenerateContentConfig.model_validate_json(json.dumps(question.config))
        config.automatic_function_calling = AutomaticFunctionCallingConfig(disable=True)
        return [Content.model_validate_json(json.dumps(each)) for each in question.contents], config


@dataclass(frozen=True, slots=True)
class OpenModel:
    """An open model at an endpoint of its own, which speaks chat completions at that `url`."""

    connection: Connection
    uri: str
    url: str
    session: AuthorizedSession

    @classmethod
    def at(cls, connection: Connection, uri: str, endpoint: Endpoint, *, name: str) -> OpenModel:
        """At the host that the endpoint names for itself, or that of its region. Raises Unreachable for a host that is not Google's."""
        host = connection.address(name.split("/")[3])
        if endpoint.dns and connection.place.endpoint is None:
            host = f"https://{endpoint.dns}"
            if not HOSTS.fullmatch(endpoint.dns):
                raise Unreachable(f"{uri} says that it answers at {endpoint.dns}, which is no host of Google's; nothing was sent there.")
        return cls(connection, uri, f"{host}/v1/{name}/chat/completions", connection.session())

    def answer(self, chat: ChatExample, *, generation: Generation) -> Prediction:
        body = self._body(chat, generation)

        def ask() -> Prediction:
            response = self.connection.sent("asking a model", lambda: self._sent(body))
            with self.connection.translating("reading an answer"):
                return prediction_of(json_object(response))

        found = self.connection.patiently(ask)
        return replace(found, text=without_thoughts(found.text))

    def pieces(self, chat: ChatExample, *, generation: Generation) -> Iterator[str]:
        body = self._body(chat, generation) | {"stream": True}
        response = self.connection.patiently(lambda: self.connection.sent("asking a model", lambda: self._sent(body, stream=True)))
        try:
            said = (delta_of(event) for event in _translated(_events(response), self.connection))
            yield from _after_thoughts(piece for piece in said if piece)
        finally:
            response.close()

    def _body(self, chat: ChatExample, generation: Generation) -> dict[str, Any]:
        more = {
            "top_p": generation.top_p if generation.top_p != 1.0 else None,
            "seed": generation.seed,
            "stop": list(generation.stop) or None,
            "tools": from_tools(chat.tools) or None,
        }
        return {
            "model": "",
            "messages": asked(chat.messages),
            "max_tokens": generation.max_tokens,
            "temperature": generation.temperature,
            **{key: value for key, value in more.items() if value is not None},
        }

    def _sent(self, body: Mapping[str, Any], *, stream: bool = False) -> requests.Response:
        """Without redirections, which would take the token along."""
        response: requests.Response = self.session.post(self.url, json=dict(body), timeout=ANSWER_S, stream=stream, allow_redirects=False)
        return answered(response)


def without_thoughts(text: str) -> str:
    """The answer behind the thoughts that some open models write before it; '' where they never came to an end."""
    return _THOUGHTS.sub("", text, count=1) if text.lstrip().startswith("<think>") else text


def _after_thoughts(pieces: Iterator[str]) -> Iterator[str]:
    """Likewise of a stream: nothing is held back but a beginning that may be that of thoughts."""
    held = ""
    for piece in pieces:
        held += piece
        start = held.lstrip()
        if "<think>".startswith(start[:7]) and "</think>" not in held:
            continue
        yield without_thoughts(held)
        break
    else:
        yield from filter(None, (without_thoughts(held),))
    yield from pieces


def _json(answer: Any) -> Mapping[str, Any]:
    """An answer in REST's spelling."""
    found: Mapping[str, Any] = answer.model_dump(mode="json", by_alias=True, exclude_none=True)
    return found


def _events(response: requests.Response) -> Iterator[Mapping[str, Any]]:
    """The events of a stream, up to the one that ends it; an engine that does not stream answers once."""
    if "event-stream" not in response.headers.get("content-type", ""):
        yield {"choices": [{"delta": {"content": answer_of(json_object(response))}}]}
        return
    for line in response.iter_lines():
        said = line.decode().removeprefix("data:").strip() if line.startswith(b"data:") else ""
        if said == "[DONE]":
            return
        if said:
            event = json.loads(said)
            if isinstance(event, dict):
                yield event


def _translated(stream: Iterator[Any], connection: Connection) -> Iterator[Any]:
    """A stream, with what breaks it off in our words."""
    with connection.translating("reading an answer"):
        yield from stream
