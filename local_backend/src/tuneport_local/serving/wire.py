"""Answers and errors in OpenAI's JSON. Pure.

Form: https://platform.openai.com/docs/api-reference/chat/object and …/chat-streaming, read on 2026-11-21.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from tuneport_local.serving.request import Refusal

DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Call:
    """A call of a tool as the model wrote it. `arguments` is JSON text."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Head:
    """What all parts of one answer say: its id, when it began (seconds since 1970), and the model's name as it was asked for."""

    id: str
    created: int
    model: str

    @classmethod
    def new(cls, model: str, *, created: float) -> Head:
        """One with an id of its own."""
        return cls(f"chatcmpl-{secrets.token_hex(12)}", int(created), model)


def new_call_id() -> str:
    """An id for one call of a tool."""
    return f"call_{secrets.token_hex(12)}"


def usage(prompt: int, completion: int) -> dict[str, int]:
    """Tokens that went in and came out."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


def completion(
    head: Head, *, content: str, thoughts: str, calls: Sequence[Call], finish: str, prompt_tokens: int, completion_tokens: int
) -> dict[str, Any]:
    """A whole answer."""
    message: dict[str, Any] = {"role": "assistant", "content": content if content or not calls else None, "refusal": None}
    if thoughts:
        message["reasoning_content"] = thoughts
    if calls:
        message["tool_calls"] = [_call(call) for call in calls]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": finish}
    return {**_headed(head, "chat.completion"), "choices": [choice], "usage": usage(prompt_tokens, completion_tokens)}


def chunk(head: Head, delta: dict[str, Any], *, finish: str | None = None, usage_follows: bool = False) -> dict[str, Any]:
    """A part of a streamed answer."""
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return {**_headed(head, "chat.completion.chunk"), "choices": [choice]} | ({"usage": None} if usage_follows else {})


def call_delta(call: Call, place: int) -> dict[str, Any]:
    """A whole call as one delta."""
    return {"tool_calls": [{"index": place, **_call(call)}]}


def usage_chunk(head: Head, *, prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    """The last part of a stream whose usage was asked for."""
    return {**_headed(head, "chat.completion.chunk"), "choices": [], "usage": usage(prompt_tokens, completion_tokens)}


def event(document: dict[str, Any]) -> bytes:
    """One event of a stream."""
    return b"data: " + msgspec.json.encode(document) + b"\n\n"


def error(refusal: Refusal) -> dict[str, Any]:
    """An error as the official client reads it."""
    kind = "invalid_request_error" if refusal.status < 500 and refusal.status != 429 else "server_error"
    said = {"message": refusal.message, "type": "requests" if refusal.status == 429 else kind}
    return {"error": {**said, "param": refusal.param, "code": refusal.code}}


def model(name: str, *, created: int, base: str | None) -> dict[str, Any]:
    """An entry of the list of models. `root` is the base under a tuned one."""
    return {"id": name, "object": "model", "created": created, "owned_by": "tuneport"} | ({"root": base} if base else {})


def _headed(head: Head, kind: str) -> dict[str, Any]:
    return {"id": head.id, "object": kind, "created": head.created, "model": head.model, "system_fingerprint": None}


def _call(call: Call) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
