"""Chat completions: what is asked, and what the answer says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tuneport.errors import UsageError
from tuneport.examples import Message, Tool
from tuneport.formats.format import BadRow
from tuneport.formats.messages import from_messages, from_tools
from tuneport.model import Prediction
from tuneport.provider import Generation
from tuneport_openai.wire.dialect import OPENAI, Dialect
from tuneport_openai.wire.values import Json, object_in, text_in, whole_in

MOST_STOPS = 4
"""Stop strings that the API takes (the SDK's types, openai 3.52.0)."""

_FINISH = {"stop": "stop", "length": "length", "tool_calls": "tool_calls", "function_call": "tool_calls", "content_filter": "error"}


def chat_body(
    messages: Sequence[Message], *, model: str, generation: Generation, tools: Sequence[Tool] = (), dialect: Dialect = OPENAI
) -> dict[str, Any]:
    """The request for one answer. Raises UsageError for messages that the API has no form for."""
    if len(generation.stop) > MOST_STOPS:
        raise UsageError(f"there are {len(generation.stop)} stop strings; {dialect.name} takes {MOST_STOPS} at most.")
    found = {
        "top_p": generation.top_p if generation.top_p != 1.0 else None,
        "seed": generation.seed,
        "stop": list(generation.stop) or None,
        "tools": from_tools(tools) or None,
    }
    return {
        "model": model,
        "messages": _asked(messages),
        dialect.most_tokens: generation.max_tokens,
        "temperature": generation.temperature,
        **{key: value for key, value in found.items() if value is not None},
    }


def _asked(messages: Sequence[Message]) -> list[dict[str, Any]]:
    """The messages in OpenAI's form, without the weights, which mean something in training only."""
    lost: set[str] = set()
    try:
        wire = from_messages([msgspec.structs.replace(each, weight=None) for each in messages], lost.add)
    except BadRow as error:
        raise UsageError(f"the conversation cannot be asked: {error}") from None
    if "part.media" in lost:
        raise UsageError("the conversation holds audio, video or a document in a form that chat completions do not take.")
    asked: list[dict[str, Any]] = [dict(msgspec.to_builtins(each)) for each in wire]
    return asked


def prediction_of(completion: Json) -> Prediction:
    """The answer with how it ended and its tokens. Raises ValueError for an answer without a choice."""
    choice, usage = _choice(completion), object_in(completion, "usage")
    tokens = whole_in(usage, "prompt_tokens") or 0, whole_in(usage, "completion_tokens") or 0
    return Prediction(answer_of(completion), finish=_FINISH.get(text_in(choice, "finish_reason") or "stop", "stop"), tokens=tokens)


def answer_of(completion: Json) -> str:
    """What is answered: text, or a refusal's, and calls of tools as `name(arguments)`, a line each, as references are told. Raises
    ValueError for an answer without a choice."""
    message = object_in(_choice(completion), "message")
    text = _text(message.get("content")) or text_in(message, "refusal")
    return "\n".join(filter(None, (text, *_calls(message))))


def delta_of(chunk: Json) -> str:
    """What a piece of a stream adds; '' for one that only counts tokens or names a role."""
    choices = chunk.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    delta = object_in(first, "delta") if isinstance(first, Mapping) else {}
    return _text(delta.get("content")) or text_in(delta, "refusal") or ""


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
    return "".join(text_in(part, "text") or "" for part in parts if isinstance(part, Mapping))


def _calls(message: Json) -> list[str]:
    calls = message.get("tool_calls")
    functions = [object_in(call, "function") for call in calls if isinstance(call, Mapping)] if isinstance(calls, list) else []
    return [f"{text_in(each, 'name') or ''}({text_in(each, 'arguments') or ''})" for each in functions]
