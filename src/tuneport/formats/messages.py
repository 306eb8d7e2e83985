"""OpenAI's list of messages, from and to canonical ones. Every format that holds such a list reads and writes through here.

Form: https://platform.openai.com/docs/api-reference/fine-tuning/chat-input (chat completions messages with `weight`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal

import msgspec

from tuneport.examples import ImagePart, Message, Part, Role, TextPart, Tool, ToolCall


class WireText(msgspec.Struct, frozen=True, tag="text", forbid_unknown_fields=True):
    text: str


class WireImageUrl(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    url: str
    detail: str | None = None


class WireImage(msgspec.Struct, frozen=True, tag="image_url", forbid_unknown_fields=True):
    image_url: WireImageUrl


class WireFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    arguments: str


class WireCall(msgspec.Struct, frozen=True, omit_defaults=False, forbid_unknown_fields=True):
    function: WireFunction
    id: str | None = None
    type: Literal["function"] = "function"


class WireMessage(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    role: Role
    content: str | list[WireText | WireImage] | None = None
    tool_calls: list[WireCall] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    weight: float | None = None


class WireToolFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class WireTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    function: WireToolFunction
    type: Literal["function"] = "function"


WireMessages = Annotated[list[WireMessage], msgspec.Meta(min_length=1)]


def to_message(wire: WireMessage) -> Message:
    """The canonical message."""
    content = wire.content
    if wire.tool_calls is None and (content is None or content.__class__ is str):
        return Message(wire.role, content, (), wire.tool_call_id, wire.name, wire.weight)
    parts = tuple(map(_to_part, content)) if isinstance(content, list) else content
    calls = tuple(ToolCall(call.function.name, call.function.arguments, call.id) for call in wire.tool_calls or ())
    return Message(wire.role, parts, calls, wire.tool_call_id, wire.name, wire.weight)


def _to_part(part: WireText | WireImage) -> Part:
    return TextPart(part.text) if isinstance(part, WireText) else ImagePart(part.image_url.url, part.image_url.detail)


def to_tool(wire: WireTool) -> Tool:
    """The canonical tool."""
    function = wire.function
    return Tool(function.name, function.description, function.parameters, function.strict)


Lose = Callable[[str], None]


def tidy_messages(messages: Any, lose: Lose) -> Any:
    """The messages without the keys that canonical ones have no place for. Each such key that holds something is told to `lose`."""
    return [_tidy_message(message, lose) for message in messages] if isinstance(messages, list) else messages


def _tidy_message(message: Any, lose: Lose) -> Any:
    message = _keep(message, WireMessage, "message", lose)
    if isinstance(message, dict):
        if isinstance(message.get("tool_calls"), list):
            message["tool_calls"] = [_tidy_function(call, WireCall, WireFunction, "tool_call", lose) for call in message["tool_calls"]]
        if isinstance(message.get("content"), list):
            message["content"] = [_tidy_part(part, lose) for part in message["content"]]
    return message


def tidy_tools(tools: Any, lose: Lose) -> Any:
    """Likewise for the list of tools."""
    return [_tidy_function(tool, WireTool, WireToolFunction, "tool", lose) for tool in tools] if isinstance(tools, list) else tools


def _tidy_function(value: Any, outer: type, inner: type, what: str, lose: Lose) -> Any:
    value = _keep(value, outer, what, lose)
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value["function"] = _keep(value["function"], inner, what, lose)
    return value


def _tidy_part(part: Any, lose: Lose) -> Any:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "text":
        return _keep(part, WireText, "part", lose)
    if kind == "image_url":
        part = _keep(part, WireImage, "part", lose)
        part["image_url"] = _keep(part.get("image_url"), WireImageUrl, "image_url", lose)
    return part


def _keep(value: Any, wire: type, what: str, lose: Lose) -> Any:
    if not isinstance(value, dict):
        return value
    known = _KEYS[wire]
    for key in value.keys() - known:
        if value[key] not in (None, [], {}):
            lose(f"{what}.{key}")
    return {key: value[key] for key in value.keys() & known}


_WIRES = (WireText, WireImage, WireImageUrl, WireFunction, WireCall, WireMessage, WireToolFunction, WireTool)
_KEYS: dict[type, frozenset[str]] = {
    wire: frozenset(wire.__struct_fields__) | ({"type"} if wire.__struct_config__.tag else set()) for wire in _WIRES
}


def from_message(message: Message, losses: set[str]) -> dict[str, Any]:
    """The message in OpenAI's form. What it cannot say is added to `losses`."""
    wire: dict[str, Any] = {"role": message.role}
    content = message.content
    if isinstance(content, str):
        wire["content"] = content
    elif content is not None:
        wire["content"] = [part for part in (_from_part(part, losses) for part in content) if part is not None]
    if message.tool_calls:
        wire["tool_calls"] = [_from_call(call) for call in message.tool_calls]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        wire["name"] = message.name
    if message.weight is not None:
        wire["weight"] = int(message.weight) if float(message.weight).is_integer() else message.weight
    return wire


def _from_part(part: Part, losses: set[str]) -> dict[str, Any] | None:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImagePart):
        if part.mime_type is not None:
            losses.add("image.mime_type")
        return {"type": "image_url", "image_url": {"url": part.url} | ({} if part.detail is None else {"detail": part.detail})}
    losses.add("part.media")
    return None


def _from_call(call: ToolCall) -> dict[str, Any]:
    named = {} if call.id is None else {"id": call.id}
    return {**named, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def from_tools(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    """The tools in OpenAI's form."""
    return [{"type": "function", "function": _without_none(msgspec.structs.asdict(tool))} for tool in tools]


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
