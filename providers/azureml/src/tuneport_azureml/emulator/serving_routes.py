"""What serverless endpoints answer: chat completions, to a key of theirs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tuneport.testing.emulator import Answer, Problem, Refusal, Request, Routes, json_answer
from tuneport.testing.emulator.answers import event_stream
from tuneport_azureml.emulator.endpoint_routes import endpoint_of, model_of
from tuneport_azureml.emulator.shelf import Endpoint, Registered
from tuneport_azureml.emulator.world import World

ROLES = ("system", "user", "assistant", "tool", "developer")
UNSAFE = "EMULATOR-UNSAFE"
"""A question with this text is refused by the content filter, which repeats it."""
_PIECES = re.compile(r"\s*\S+|\s+")


@dataclass(frozen=True, slots=True)
class Said:
    """A reply in pieces. `cut`: there was more."""

    pieces: tuple[str, ...]
    cut: bool
    prompt_tokens: int


class Serves:
    def __init__(self, world: World, routes: Routes) -> None:
        self._world = world
        for path in ("/serverless/{endpoint}/v1/chat/completions", "/serverless/{endpoint}/chat/completions"):
            routes.add(f"POST {path}", self.complete, changes=False)

    def complete(self, request: Request) -> Answer:
        endpoint = self._endpoint(request)
        fields = request.fields(refuse=refuse_question)
        messages = fields.objects("messages", required=True) or []
        rows = [_message(each.text("role", required=True, words=ROLES) or "", each.raw("content")) for each in messages]
        for each in messages:
            each.text("name", nullable=True)
            each.done()
        most, stop = fields.whole("max_tokens", nullable=True, least=1), fields.raw("stop")
        for name, highest in (("temperature", 2.0), ("top_p", 1.0), ("frequency_penalty", 2.0), ("presence_penalty", 2.0)):
            fields.number(name, nullable=True, least=-2.0 if "penalty" in name else 0.0, most=highest)
        fields.whole("seed", nullable=True)
        fields.text("model", nullable=True)
        streams = fields.flag("stream", nullable=True)
        fields.done()
        if not rows:
            raise refuse_question(Problem("missing", "messages"))
        if (unsafe := next((text for _, text in rows if UNSAFE in text), None)) is not None:
            raise refusal(400, "content_filter", f"The prompt was filtered: {unsafe}")
        served = model_of(self._world, endpoint.properties["modelSettings"]["modelId"])
        said = said_by(served, rows, stops=[stop] if isinstance(stop, str) else stop or [], most=most)
        head = {"id": self._world.word("", 32), "created": int(self._world.now().timestamp()), "model": endpoint.name}
        if streams:
            return event_stream(_chunks(head, said))
        usage = {"prompt_tokens": said.prompt_tokens, "completion_tokens": len(said.pieces)}
        choice = {
            "index": 0,
            "message": {"role": "assistant", "content": "".join(said.pieces), "tool_calls": None},
            "finish_reason": "length" if said.cut else "stop",
        }
        whole = {**usage, "total_tokens": sum(usage.values())}
        return json_answer({"object": "chat.completion", **head, "choices": [choice], "usage": whole})

    def _endpoint(self, request: Request) -> Endpoint:
        """The sample of Microsoft's sends the key alone, everybody else as a bearer's."""
        endpoint = endpoint_of(self._world, request.params["endpoint"])
        if endpoint is None or not endpoint.hears(self._world.now()):
            raise refusal(404, "NotFound", "There is no such endpoint.")
        key = request.headers.get("authorization", "").removeprefix("Bearer ")
        if key not in endpoint.keys:
            raise refusal(401, "Unauthorized", "The key is missing or wrong.")
        return endpoint


def said_by(model: Registered | None, rows: list[tuple[str, str]], *, stops: list[str], most: int | None) -> Said:
    """What a model says: a tuned one answers as the row that is most like the question, a base repeats it."""
    asked = next((text for role, text in reversed(rows) if role == "user"), "")
    memory = model.memory if model is not None else None
    text = (memory.reply(asked) if memory is not None else None) or f"As a general model I can only repeat: {asked.strip()[-200:]}"
    for each in stops:
        text = text.partition(each)[0]
    pieces = tuple(_PIECES.findall(text))
    cut = most is not None and len(pieces) > most
    return Said(pieces[:most] if cut else pieces, cut, sum(len(text) // 4 + 4 for _, text in rows))


def _message(role: str, content: Any) -> tuple[str, str]:
    if not isinstance(content, str):
        raise refuse_question(Problem("type", "messages.content", given="no text"))
    return role, content


def _chunks(head: dict[str, Any], said: Said) -> Iterator[dict[str, Any]]:
    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {"object": "chat.completion.chunk", **head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": ""})
    for piece in said.pieces:
        yield chunk({"content": piece})
    yield chunk({}, "length" if said.cut else "stop")


def refuse_question(problem: Problem) -> Refusal:
    where = f" at '{problem.path}'" if problem.path else ""
    return refusal(422, "Invalid input", f"invalid input error: {problem.kind}{where}")


def refusal(status: int, code: str, message: str) -> Refusal:
    return Refusal(json_answer({"error": {"code": code, "message": message, "status": status}}, status=status))
