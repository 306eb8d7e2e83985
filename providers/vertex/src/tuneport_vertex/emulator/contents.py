"""generateContent, streamGenerateContent and countTokens: of a publisher's models, and of the endpoints of tuned ones."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.genai import types

from tuneport.testing.emulator import Answer, Request, Routes, json_answer
from tuneport_vertex.emulator import refusals
from tuneport_vertex.emulator.bases import plain
from tuneport_vertex.emulator.content_requests import Question, read_question
from tuneport_vertex.emulator.endpoints import Endpoint
from tuneport_vertex.emulator.memory import Memory, question_of, text_of
from tuneport_vertex.emulator.messages import message
from tuneport_vertex.emulator.queueing import advance
from tuneport_vertex.emulator.reading import Json, read, shown
from tuneport_vertex.emulator.replies import Reply, average, logprobs, reply_to
from tuneport_vertex.emulator.versions import only_asks, versioned, wants_numbers
from tuneport_vertex.emulator.world import Place, World, stamp

CONTINENTS = {"us": "us-", "eu": "europe-"}
UNSERVED_GEMINI = ("gemini-3",)
PIECES_PER_CHUNK = 4


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who answers. `memory` None: a base."""

    name: str
    memory: Memory | None


class Contents:
    """Serves the three methods on both kinds of resources."""

    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        for where in ("/publishers/{publisher}/models/{model}", "/endpoints/{endpoint}"):
            versioned(routes, f"POST {where}:generateContent", self.generate, changes=False)
            versioned(routes, f"POST {where}:streamGenerateContent", self.stream, changes=False)
            versioned(routes, f"POST {where}:countTokens", self.count, changes=False)

    def generate(self, request: Request) -> Answer:
        only_asks(request)
        speaker = self._speaker(request)
        question = read_question(request.json(refuse=refusals.refuse), version=request.params["version"])
        reply = _reply(question, speaker)
        candidates = [_candidate(number, question, reply) for number in range(question.candidates)]
        return json_answer(self._shown({"candidates": candidates, **self._rest(question, reply, speaker)}, request))

    def stream(self, request: Request) -> Answer:
        only_asks(request)
        speaker = self._speaker(request)
        question = read_question(request.json(refuse=refusals.refuse), version=request.params["version"])
        reply = _reply(question, speaker)
        rest = self._rest(question, reply, speaker)
        chunks = [self._shown(chunk, request) for chunk in _chunks(question, reply, rest)]
        if request.asked("alt", refuse=refusals.refuse) == "sse":
            return Answer(200, stream=_events(chunks), media_type="text/event-stream")
        return Answer(200, stream=_array(chunks), media_type="application/json; charset=UTF-8")

    def count(self, request: Request) -> Answer:
        only_asks(request)
        self._speaker(request)
        version = request.params["version"]
        body = read(
            request.json(refuse=refusals.refuse),
            message(version, "CountTokensRequest"),
            types.CountTokensConfig,
            root="count_tokens_request",
        )
        tokens = sum(_tokens(content) for content in body.get("contents") or []) + _tokens(body.get("systemInstruction") or {})
        details = [{"modality": "TEXT", "tokenCount": tokens}]
        return json_answer({"totalTokens": tokens, "promptTokensDetails": details})

    # who is asked

    def _speaker(self, request: Request) -> Speaker:
        place = self._world.place(request, "aiplatform.endpoints.get")
        if not self._world.token(request).may("aiplatform.endpoints.predict", place.project):
            raise refusals.no_permission("aiplatform.endpoints.predict", request.path.partition("/")[2])
        advance(place.project, self._world)
        if "endpoint" in request.params:
            return self._tuned(place, request.params["endpoint"])
        return self._base(place, request.params["publisher"], request.params["model"])

    def _tuned(self, place: Place, endpoint_id: str) -> Speaker:
        endpoint = self._endpoint(place, endpoint_id)
        deployed = endpoint.answering
        if deployed is None:
            raise refusals.refusal("FAILED_PRECONDITION", f"Endpoint `{endpoint.name}` has no deployed model.")
        base = deployed.version.base
        if base is None or base.is_open:
            raise refusals.refusal("INVALID_ARGUMENT", f"The model on the endpoint {endpoint.name} does not support generateContent.")
        if not base.alive(self._world.now()):
            raise refusals.refusal("NOT_FOUND", f"The base model {base.name} of the endpoint {endpoint.name} has been retired.")
        if base.multi_region and self._world.habits.multi_region_only and place.location not in CONTINENTS:
            multi = "us" if endpoint.place.location.startswith("us-") else "eu"
            message = f"The tuned model of {endpoint.name} is not available in {place.location}. Use the multi-region endpoint {multi}."
            raise refusals.refusal("FAILED_PRECONDITION", message)
        memory = deployed.version.memory
        share = deployed.checkpoint.share if deployed.checkpoint else 1.0
        return Speaker(base.name, memory if memory is None or share >= 1.0 else memory.part(share))

    def _endpoint(self, place: Place, endpoint_id: str) -> Endpoint:
        """In a multi-region, the endpoints of the regions in it."""
        beginning = CONTINENTS.get(place.location)
        found = (
            one
            for one in self._world.endpoints.values()
            if one.id == endpoint_id
            and one.place.project is place.project
            and (one.place.location == place.location or (beginning is not None and one.place.location.startswith(beginning)))
        )
        endpoint = next(found, None)
        if endpoint is None:
            raise refusals.refusal("NOT_FOUND", f"Endpoint `{place.name}/endpoints/{endpoint_id}` not found.")
        return endpoint

    def _base(self, place: Place, publisher: str, model: str) -> Speaker:
        base = self._world.bases.get(plain(f"publishers/{publisher}/models/{model}"))
        regional = place.location not in (*CONTINENTS, "global")
        unserved = regional and self._world.habits.multi_region_only and model.startswith(UNSERVED_GEMINI)
        if base is None or base.is_open or not base.alive(self._world.now()) or unserved:
            message = (
                f"Publisher Model `{place.name}/publishers/{publisher}/models/{model}` was not found or your project does not have access "
                "to it. Please ensure you are using a valid model version. For more information, see: "
                "https://cloud.google.com/vertex-ai/generative-ai/docs/learn/model-versions"
            )
            raise refusals.refusal("NOT_FOUND", message)
        return Speaker(base.name, None)

    # the answer

    def _rest(self, question: Question, reply: Reply, speaker: Speaker) -> Json:
        asked = sum(_tokens(content) for content in question.body["contents"]) + _tokens(question.body.get("systemInstruction") or {})
        said = (len(reply.pieces) + 12 * len(reply.others)) * question.candidates
        usage = {
            "promptTokenCount": asked,
            "candidatesTokenCount": said,
            "totalTokenCount": asked + said,
            "trafficType": "ON_DEMAND",
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": asked}],
            "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": said}],
        }
        return {
            "usageMetadata": usage,
            "modelVersion": speaker.name,
            "createTime": stamp(self._world.now()),
            "responseId": self._world.ids.word("", 22),
        }

    def _shown(self, value: Json, request: Request) -> Json:
        return shown(value, message(request.params["version"], "GenerateContentResponse"), numbers=wants_numbers(request))


def _reply(question: Question, speaker: Speaker) -> Reply:
    asked = question_of(question.body["contents"])
    return reply_to(asked, speaker.memory, stops=question.config.get("stopSequences") or (), most=question.most_tokens)


def _parts(reply: Reply) -> list[Json]:
    return [*([{"text": reply.text}] if reply.pieces else []), *(dict(part) for part in reply.others)]


def _candidate(number: int, question: Question, reply: Reply) -> Json:
    candidate: Json = {
        "index": number,
        "content": {"role": "model", "parts": _parts(reply)},
        "finishReason": "MAX_TOKENS" if reply.cut else "STOP",
        "avgLogprobs": average(reply.pieces),
    }
    if question.top is not None:
        candidate["logprobsResult"] = logprobs(reply.pieces, question.top)
    return candidate


def _chunks(question: Question, reply: Reply, rest: Json) -> Iterator[Json]:
    """A few tokens in each; the last says why it stopped and what was used."""
    groups = [reply.pieces[at : at + PIECES_PER_CHUNK] for at in range(0, len(reply.pieces), PIECES_PER_CHUNK)] or [()]
    head = {name: rest[name] for name in ("modelVersion", "createTime", "responseId")}
    for number, pieces in enumerate(groups):
        last = number == len(groups) - 1
        parts = [*([{"text": "".join(pieces)}] if pieces else []), *(dict(part) for part in reply.others if last)]
        candidate: Json = {"index": 0, "content": {"role": "model", "parts": parts}}
        if question.top is not None:
            candidate["logprobsResult"] = logprobs(pieces, question.top)
        if last:
            candidate["finishReason"] = "MAX_TOKENS" if reply.cut else "STOP"
        usage = {"usageMetadata": rest["usageMetadata"]} if last else {"usageMetadata": {"trafficType": "ON_DEMAND"}}
        yield {"candidates": [candidate], **head, **usage}


def _events(chunks: list[Json]) -> Iterator[bytes]:
    for chunk in chunks:
        yield f"data: {json.dumps(chunk, ensure_ascii=False)}\r\n\r\n".encode()


def _array(chunks: list[Json]) -> Iterator[bytes]:
    """What comes without `alt=sse`: one array, element by element."""
    for number, chunk in enumerate(chunks):
        yield (("[" if number == 0 else ",\r\n") + json.dumps(chunk, ensure_ascii=False)).encode()
    yield b"]"


def _tokens(content: Any) -> int:
    return math.ceil(len(text_of(content.get("parts") or [])) / 4)
