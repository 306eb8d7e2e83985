"""Hugging Face's list of messages, from and to canonical ones. Every TRL format reads and writes through here.

Form: TRL 1.16's dataset formats and what transformers 5.23 hands to chat templates (read 2026-11-21): the arguments of a call are an
object, a picture is `{"type": "image", "image": address}`, or a placeholder `{"type": "image"}` for one that stands beside the messages
(image_columns.py), tools may stand as JSON text. Arrow puts null where a key is missing, inside arguments and schemas too, so that a null
there means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from tuneport.examples import MediaPart, Message, Part, Role, TextPart, Tool, ToolCall
from tuneport.formats.format import BadRow, Lose
from tuneport.formats.image_columns import ADDRESS_KEYS, address_of, filled, lose_labels, marked, placeholders
from tuneport.formats.json_values import arguments_of, convert, json_text, kind_of, unpacked_once
from tuneport.formats.messages import WireMessages, WireTool, from_tools, to_message, to_tool
from tuneport.formats.tidying import tidy_messages, tidy_tools


class _Function(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    arguments: dict[str, Any] | str


class _Call(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    function: _Function
    id: str | None = None
    type: Literal["function"] | UnsetType = UNSET


class RichMessage(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A message with calls; content in parts needs care."""

    role: Role
    content: str | UnsetType | None = UNSET
    tool_calls: list[_Call] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    weight: float | None = None


PlainMessages = Annotated[tuple[Message, ...], msgspec.Meta(min_length=1)]
RichMessages = Annotated[list[RichMessage], msgspec.Meta(min_length=1)]


def rich_messages(messages: Sequence[RichMessage]) -> tuple[Message, ...]:
    """The messages of a decoded row."""
    return tuple(map(_rich_message, messages))


def _rich_message(wire: RichMessage) -> Message:
    calls = tuple(ToolCall(call.function.name, _arguments(call.function.arguments), call.id) for call in wire.tool_calls or ())
    return Message(wire.role, None if wire.content is UNSET else wire.content, calls, wire.tool_call_id, wire.name, wire.weight)


def _arguments(value: dict[str, Any] | str) -> str:
    if isinstance(value, str):
        return value
    if has_null(value):
        raise msgspec.ValidationError("nulls among the arguments")
    return json_text(value)


def has_null(value: Any) -> bool:
    """Whether an object inside holds null under a key."""
    if isinstance(value, dict):
        return any(inner is None or has_null(inner) for inner in value.values())
    return isinstance(value, list) and any(map(has_null, value))


def without_nulls(value: Any) -> Any:
    """The value without keys that hold null."""
    if isinstance(value, dict):
        return {key: without_nulls(inner) for key, inner in value.items() if inner is not None}
    return list(map(without_nulls, value)) if isinstance(value, list | tuple) else value


def messages_of(value: Any, key: str, lose: Lose, *, images: Sequence[str] = ()) -> tuple[Message, ...]:
    """The messages under `key`, with care; `images` are pictures that stand beside them. Raises BadRow."""
    if not isinstance(value, list | tuple):
        raise BadRow(f"{key}: expected a list of messages, got {kind_of(value)}.")
    if not value:
        raise BadRow(f"{key}: must not be empty.")
    waiting = placeholders(value)
    if waiting:
        value = filled(value, images, key=key)
    tidied = tidy_messages([_as_openai(message, lose) for message in value], lose)
    try:
        messages = tuple(map(to_message, convert(tidied, WireMessages)))
    except BadRow as error:
        raise BadRow(f"{key}{error}") from None
    return marked(messages, images) if images and not waiting else messages


def _as_openai(message: Any, lose: Lose) -> Any:
    if not isinstance(message, dict):
        return message
    message = {key: value for key, value in message.items() if value is not None}
    if isinstance(message.get("tool_calls"), list):
        message["tool_calls"] = [_as_openai_call(call, lose) for call in message["tool_calls"]]
    if isinstance(message.get("content"), list):
        message["content"] = [_as_openai_part(part, lose) for part in message["content"]]
    return message


def _as_openai_call(call: Any, lose: Lose) -> Any:
    """A bare `{name, arguments}` is what many templates take."""
    if isinstance(call, dict) and "function" not in call and "name" in call:
        call = {"function": {"name": call["name"], "arguments": call.get("arguments")}, **_rest(call)}
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or isinstance(function.get("arguments"), str):
        return call
    arguments = function.get("arguments") or {}
    if has_null(arguments):
        lose("tool_call.null")
    return {**call, "function": {**function, "arguments": json_text(without_nulls(arguments))}}


def _rest(call: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in call.items() if key not in ("name", "arguments")}


def _as_openai_part(part: Any, lose: Lose) -> Any:
    """A picture's address may stand under several keys."""
    if not isinstance(part, dict):
        return part
    part = {key: value for key, value in part.items() if value is not None}
    if part.get("type") != "image":
        return part
    key = next((key for key in ADDRESS_KEYS if part.get(key) is not None), None)
    if key is None:
        return part
    url = address_of(part[key], key, lose)
    return {**{other: value for other, value in part.items() if other != key}, "type": "image_url", "image_url": {"url": url}}


def tools_of(value: Any, lose: Lose) -> tuple[Tool, ...]:
    """Tools as a list or as JSON text. In a list, a null means nothing; in a text, it means itself. Raises BadRow."""
    if isinstance(value, str):
        value = unpacked_once(value) if value.strip() else []
        value = [value] if isinstance(value, dict) else value
    elif has_null(value):
        lose("tool.null")
        value = without_nulls(value)
    if not isinstance(value, list):
        raise BadRow(f"tools: expected a list, got {kind_of(value)}.")
    try:
        return tuple(map(to_tool, convert(tidy_tools(value, lose), list[WireTool])))
    except BadRow as error:
        raise BadRow(f"tools{error}") from None


def from_messages(messages: Sequence[Message], lose: Lose) -> Sequence[Any]:
    """The messages in Hugging Face's form. Those of text alone are encoded to it as they are. Raises BadRow."""
    if not messages:
        raise BadRow("there are no messages.")
    for message in messages:
        if message.content.__class__ is not str or message.tool_calls or message.weight is not None:
            return [_from_message(each, lose) for each in messages]
    return messages


def _from_message(message: Message, lose: Lose) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role}
    content = message.content
    if isinstance(content, str):
        wire["content"] = content
    elif content is not None:
        wire["content"] = [each for each in (_from_part(part, lose) for part in content) if each is not None]
    elif not message.tool_calls:
        raise BadRow("a turn has neither content nor tool calls.")
    if wire.get("content") == []:
        raise BadRow("nothing is left of a turn's content.")
    if message.tool_calls:
        wire["tool_calls"] = [_from_call(call, lose) for call in message.tool_calls]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        wire["name"] = message.name
    if message.weight is not None:
        lose("message.weight")
    return wire


def _from_call(call: ToolCall, lose: Lose) -> dict[str, Any]:
    arguments = arguments_of(call.arguments)
    if has_null(arguments):
        lose("tool_call.null")
        arguments = without_nulls(arguments)
    named = {} if call.id is None else {"id": call.id}
    return {**named, "type": "function", "function": {"name": call.name, "arguments": arguments}}


def _from_part(part: Part, lose: Lose) -> dict[str, Any] | None:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, MediaPart):
        lose("part.media")
        return None
    lose_labels(part, lose)
    return {"type": "image", "image": part.url}


def tools_text(tools: Sequence[Tool]) -> str | None:
    """The tools as JSON text, which Arrow leaves as it is; None for none."""
    return json_text(from_tools(tools)) if tools else None
