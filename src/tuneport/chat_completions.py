"""Chat completions, the API that vendors and engines share: the conversation as it is asked, and what the answer says. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tuneport.errors import UsageError
from tuneport.examples import Message
from tuneport.formats.format import BadRow
from tuneport.formats.messages import from_messages
from tuneport.model import Prediction
from tuneport.replies import Json, object_in, whole_in

_FINISH = {"stop": "stop", "length": "length", "tool_calls": "tool_calls", "function_call": "tool_calls", "content_filter": "error"}


def asked(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages in OpenAI's form, without the weights, which mean something in training only. Raises UsageError for messages that the
    API has no form for."""
    lost: set[str] = set()
    try:
        wire = from_messages([msgspec.structs.replace(each, weight=None) for each in messages], lost.add)
    except BadRow as error:
        raise UsageError(f"the conversation cannot be asked: {error}") from None
    if "part.media" in lost:
        raise UsageError("the conversation holds audio, video or a document in a form that chat completions do not take.")
    return [dict(msgspec.to_builtins(each)) for each in wire]


def prediction_of(completion: Json) -> Prediction:
    """The answer with how it ended and its tokens. Raises ValueError for an answer without a choice."""
    choice, usage = _choice(completion), object_in(completion, "usage")
    tokens = whole_in(usage, "prompt_tokens") or 0, whole_in(usage, "completion_tokens") or 0
    return Prediction(answer_of(completion), finish=_FINISH.get(_text(choice.get("finish_reason")) or "stop", "stop"), tokens=tokens)


def answer_of(completion: Json) -> str:
    """What is answered: text, or a refusal's, and calls of tools as `name(arguments)`, a line each, as references are told. Raises
    ValueError for an answer without a choice."""
    message = object_in(_choice(completion), "message")
    text = _text(message.get("content")) or _text(message.get("refusal"))
    return "\n".join(filter(None, (text, *_calls(message))))


def delta_of(chunk: Json) -> str:
    """What a piece of a stream adds; '' for one that only counts tokens or names a role."""
    choices = chunk.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    delta = object_in(first, "delta") if isinstance(first, Mapping) else {}
    return _text(delta.get("content")) or _text(delta.get("refusal"))


def _choice(completion: Json) -> Json:
    choices = completion.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if not isinstance(first, Mapping):
        raise ValueError("an answer without a choice")  # noqa: TRY004 - unreadable, as JSON that is none
    return first


def _text(content: Any) -> str:
    """A text, or the texts of its parts, as some endpoints send them."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    return "".join(part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str))


def _calls(message: Json) -> list[str]:
    calls = message.get("tool_calls")
    functions = [object_in(call, "function") for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []
    return [f"{_text(each.get('name'))}({_text(each.get('arguments'))})" for each in functions]
