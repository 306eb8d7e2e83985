"""Deployed open models, as their containers answer: chat completions, rawPredict and predict."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tuneport.testing.emulator import Answer, Refusal, Request, Routes, json_answer
from tuneport.testing.emulator.answers import event_stream
from tuneport_vertex.emulator import refusals
from tuneport_vertex.emulator.endpoint_routes import endpoint_of
from tuneport_vertex.emulator.endpoints import Deployed, Endpoint
from tuneport_vertex.emulator.memory import Memory, text_of
from tuneport_vertex.emulator.reading import Json
from tuneport_vertex.emulator.replies import Reply, reply_to
from tuneport_vertex.emulator.versions import only_asks, versioned
from tuneport_vertex.emulator.world import World

ROLES = ("system", "user", "assistant", "tool", "developer")
CHAT_FORMAT = "chatCompletions"


class Chat:
    """Serves predictions of endpoints whose models run in containers."""

    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        versioned(routes, "POST /endpoints/{endpoint}/chat/completions", self.complete, changes=False)
        versioned(routes, "POST /endpoints/{endpoint}:rawPredict", self.raw, changes=False)
        versioned(routes, "POST /endpoints/{endpoint}:streamRawPredict", self.raw, changes=False)
        versioned(routes, "POST /endpoints/{endpoint}:predict", self.predict, changes=False)

    def complete(self, request: Request) -> Answer:
        only_asks(request)
        endpoint, deployed = self._deployed(request)
        return self._chat(_object(request), endpoint, deployed)

    def raw(self, request: Request) -> Answer:
        """What the container takes itself: a chat, a prompt, or instances."""
        only_asks(request)
        endpoint, deployed = self._deployed(request)
        body = _object(request)
        if "messages" in body:
            return self._chat(body, endpoint, deployed)
        if "instances" in body:
            return json_answer({"predictions": self._predictions(body, endpoint, deployed)})
        if isinstance(body.get("prompt"), str):
            return json_answer({"predictions": [self._reply(body["prompt"], body, deployed).text]})
        raise _refused("The request has neither 'messages' nor 'prompt'.")

    def predict(self, request: Request) -> Answer:
        only_asks(request)
        endpoint, deployed = self._deployed(request)
        body = _object(request)
        unknown = set(body) - {"instances", "parameters", "labels"}
        if unknown:
            raise refusals.bad_payload([refusals.unknown_name(sorted(unknown)[0], "")])
        told = {
            "deployedModelId": deployed.id,
            "model": deployed.version.model.name,
            "modelDisplayName": deployed.version.display_name,
            "modelVersionId": deployed.version.id,
        }
        return json_answer({"predictions": self._predictions(body, endpoint, deployed), **told})

    def _predictions(self, body: Mapping[str, Any], endpoint: Endpoint, deployed: Deployed) -> Any:
        """One for each prompt; of a chat the completion itself."""
        instances = body.get("instances")
        if not isinstance(instances, list) or not instances or not all(isinstance(one, dict) for one in instances):
            raise _refused("'instances' must be a list of objects.")
        first = instances[0]
        if first.get("@requestFormat") == CHAT_FORMAT:
            answer = self._chat({key: value for key, value in first.items() if not key.startswith("@")}, endpoint, deployed)
            return answer.value
        return [f"Prompt:\n{one.get('prompt')}\nOutput:\n{self._reply(str(one.get('prompt')), one, deployed).text}" for one in instances]

    def _chat(self, body: Mapping[str, Any], endpoint: Endpoint, deployed: Deployed) -> Answer:
        messages = body.get("messages")
        if not isinstance(messages, list) or not messages or any(one.get("role") not in ROLES for one in messages):
            raise _refused("'messages' must be a list of messages, each with a role.")
        asked = next((_text(one) for one in reversed(messages) if one["role"] == "user"), "")
        reply = self._reply(asked, body, deployed)
        prompt = sum(len(_text(one)) // 4 + 4 for one in messages)
        usage = {"prompt_tokens": prompt, "completion_tokens": len(reply.pieces), "total_tokens": prompt + len(reply.pieces)}
        now = int(self._world.now().timestamp())
        head = {"id": f"chatcmpl-{self._world.ids.new()}", "created": now, "model": body.get("model") or deployed.display_name}
        if body.get("stream"):
            return event_stream(_chunks(head, reply, usage if (body.get("stream_options") or {}).get("include_usage") else None))
        choice = {"index": 0, "message": _message(reply), "logprobs": None, "finish_reason": _finish(reply)}
        return json_answer({"object": "chat.completion", **head, "choices": [choice], "usage": usage})

    def _reply(self, asked: str, body: Mapping[str, Any], deployed: Deployed) -> Reply:
        stop = body.get("stop") or []
        most = body.get("max_tokens") or body.get("max_completion_tokens")
        return reply_to(asked, self._memory(deployed), stops=[stop] if isinstance(stop, str) else stop, most=most)

    def _memory(self, deployed: Deployed) -> Memory | None:
        """Of the job that left the weights which the model's upload names, wherever it names them."""
        version = deployed.version
        if version.memory is None:
            said = json.dumps(version.described)
            job = next((job for folder, job in self._world.artifacts.items() if folder in said), None)
            if job is not None and job.contents is not None:
                version.memory = job.contents.memory(job.course.learned)
        return version.memory

    def _deployed(self, request: Request) -> tuple[Endpoint, Deployed]:
        endpoint = endpoint_of(request, self._world, "aiplatform.endpoints.get")
        if not self._world.token(request).may("aiplatform.endpoints.predict", endpoint.place.project):
            raise refusals.no_permission("aiplatform.endpoints.predict", endpoint.name)
        deployed = endpoint.answering
        if deployed is None:
            raise refusals.refusal("FAILED_PRECONDITION", f"Endpoint `{endpoint.name}` has no deployed model.")
        if deployed.version.base is not None and not deployed.version.base.is_open:
            raise refusals.refusal("INVALID_ARGUMENT", "Gemini cannot be accessed through Vertex Predict/RawPredict API.")
        return endpoint, deployed


def _object(request: Request) -> Json:
    value = request.json(refuse=refusals.refuse)
    if not isinstance(value, dict):
        raise _refused("The body must be a JSON object.")
    return value


def _refused(message: str) -> Refusal:
    """Not in Google's words: this is the container speaking, through the endpoint."""
    refusal = refusals.refusal("INVALID_ARGUMENT", message)
    value = {"object": "error", "message": message, "type": "BadRequestError", "param": None, "code": 400}
    return Refusal(replace(refusal.answer, value=value))


def _text(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else text_of(content)


def _message(reply: Reply) -> Json:
    calls = [call for part in reply.others for call in part.get("toolCalls", [])]
    content = reply.text if reply.pieces or not calls else None
    return {"role": "assistant", "content": content, **({"tool_calls": calls} if calls else {})}


def _finish(reply: Reply) -> str:
    if reply.cut:
        return "length"
    return "tool_calls" if any("toolCalls" in part for part in reply.others) else "stop"


def _chunks(head: Mapping[str, Any], reply: Reply, usage: Mapping[str, Any] | None) -> Iterator[Json]:
    def chunk(delta: Mapping[str, Any], finish: str | None = None) -> Json:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        return {"object": "chat.completion.chunk", **head, "choices": [choice]}

    yield chunk({"role": "assistant", "content": ""})
    for piece in reply.pieces:
        yield chunk({"content": piece})
    calls = _message(reply).get("tool_calls") or []
    if calls:
        yield chunk({"tool_calls": [{"index": number, **call} for number, call in enumerate(calls)]})
    yield chunk({}, _finish(reply))
    if usage is not None:
        yield {"object": "chat.completion.chunk", **head, "choices": [], "usage": usage}
