"""OpenAI's list of messages, from and to canonical ones. Every format that holds such a list reads and writes through here.

Form: https://platform.openai.com/docs/api-reference/fine-tuning/chat-input (chat completions messages with `weight`), checked against the
message types of openai 3.52.0 on 2026-11-21: content is required but beside tool calls, calls and their answers need ids, only the user
sends more than text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from tuneport.examples import ImagePart, MediaPart, Message, Part, Role, TextPart, Tool, ToolCall
from tuneport.formats.calls import with_ids
from tuneport.formats.format import BadRow, Lose


class WireText(msgspec.Struct, frozen=True, tag="text", forbid_unknown_fields=True):
    text: str


class WireImageUrl(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    url: str
    detail: str | None = None


class WireImage(msgspec.Struct, frozen=True, tag="image_url", forbid_unknown_fields=True):
    image_url: WireImageUrl


class WireAudioData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    data: str
    format: Literal["wav", "mp3"]


class WireAudio(msgspec.Struct, frozen=True, tag="input_audio", forbid_unknown_fields=True):
    input_audio: WireAudioData


class WireFileData(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    file_data: str


class WireFile(msgspec.Struct, frozen=True, tag="file", forbid_unknown_fields=True):
    file: WireFileData


WirePart = WireText | WireImage | WireAudio | WireFile


class WireFunction(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    arguments: str


class WireCall(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    function: WireFunction
    id: str | None = None
    type: Literal["function"] | UnsetType = UNSET


class WireMessage(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    role: Role
    content: str | list[WirePart] | UnsetType | None = UNSET
    tool_calls: list[WireCall] | None = None
    tool_call_id: str | None = None
    name: str | None = None
    weight: float | None = None


class WireToolFunction(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class WireTool(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    function: WireToolFunction
    type: Literal["function"] | UnsetType = UNSET


WireMessages = Annotated[list[WireMessage], msgspec.Meta(min_length=1)]


def to_message(wire: WireMessage) -> Message:
    """The canonical message."""
    content = None if wire.content is UNSET else wire.content
    if wire.tool_calls is None and (content is None or content.__class__ is str):
        return Message(wire.role, content, (), wire.tool_call_id, wire.name, wire.weight)
    parts = tuple(map(_to_part, content)) if isinstance(content, list) else content
    calls = tuple(ToolCall(call.function.name, call.function.arguments, call.id) for call in wire.tool_calls or ())
    return Message(wire.role, parts, calls, wire.tool_call_id, wire.name, wire.weight)


def _to_part(part: WirePart) -> Part:
    if isinstance(part, WireText):
        return TextPart(part.text)
    if isinstance(part, WireImage):
        return ImagePart(part.image_url.url, part.image_url.detail)
    if isinstance(part, WireAudio):
        audio = part.input_audio
        return MediaPart(f"data:{_AUDIO[audio.format]};base64,{audio.data}", _AUDIO[audio.format])
    return MediaPart(part.file.file_data, part.file.file_data[5:].partition(";")[0])


_AUDIO = {"wav": "audio/wav", "mp3": "audio/mpeg"}
_AUDIO_NAMES = {mime_type: name for name, mime_type in _AUDIO.items()}


def to_tool(wire: WireTool) -> Tool:
    """The canonical tool."""
    function = wire.function
    return Tool(function.name, function.description, function.parameters, function.strict)


def from_messages(messages: Sequence[Message], lose: Lose) -> Sequence[Any]:
    """The messages in OpenAI's form. Those of text alone are encoded to it as they are. Raises BadRow for what OpenAI would refuse."""
    for message in messages:
        if (
            message.content.__class__ is not str
            or message.tool_calls
            or message.weight is not None
            or message.tool_call_id is not None
            or message.role == "tool"
        ):
            return [_from_message(each, lose) for each in with_ids(messages)]
    if not messages:
        raise BadRow("there are no messages.")
    return messages


def _from_message(message: Message, lose: Lose) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role}
    content = message.content
    if isinstance(content, str):
        wire["content"] = content
    elif content is not None:
        wire["content"] = _from_parts(content, message.role, lose)
    if message.tool_calls:
        wire["tool_calls"] = [_from_call(call) for call in message.tool_calls]
    _refuse_impossible(message)
    if message.tool_call_id is not None:
        if message.role == "tool":
            wire["tool_call_id"] = message.tool_call_id
        else:
            lose("message.tool_call_id")
    if message.name is not None:
        wire["name"] = message.name
    if message.weight is not None:
        wire["weight"] = int(message.weight) if float(message.weight).is_integer() else message.weight
    return wire


def _refuse_impossible(message: Message) -> None:
    if message.tool_calls and message.role != "assistant":
        raise BadRow(f"a turn of the {message.role} calls a tool, which only the assistant does.")
    if message.content is None and not message.tool_calls:
        raise BadRow("a turn has neither content nor tool calls.")


def _from_parts(parts: Sequence[Part], role: Role, lose: Lose) -> list[dict[str, Any]]:
    if role != "user" and not all(isinstance(part, TextPart) for part in parts):
        raise BadRow(f"a turn of the {role} holds more than text, and OpenAI takes that from the user alone.")
    wires = [wire for wire in (_from_part(part, lose) for part in parts) if wire is not None]
    if not wires:
        raise BadRow("nothing is left of a turn's content.")
    return wires


def _from_part(part: Part, lose: Lose) -> dict[str, Any] | None:
    if isinstance(part, TextPart):
        return {"type": "text", "text": part.text}
    if isinstance(part, ImagePart):
        if part.mime_type is not None:
            lose("image.mime_type")
        return {"type": "image_url", "image_url": {"url": part.url} | ({} if part.detail is None else {"detail": part.detail})}
    return _from_media(part, lose)


def _from_media(part: MediaPart, lose: Lose) -> dict[str, Any] | None:
    head = f"data:{part.mime_type};base64,"
    if part.url.startswith(head) and part.mime_type in _AUDIO_NAMES:
        return {"type": "input_audio", "input_audio": {"data": part.url.removeprefix(head), "format": _AUDIO_NAMES[part.mime_type]}}
    if part.url.startswith(head) and part.mime_type == "application/pdf":
        return {"type": "file", "file": {"file_data": part.url}}
    lose("part.media")
    return None


def _from_call(call: ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def from_tools(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    """The tools in OpenAI's form."""
    return [{"type": "function", "function": _without_none(msgspec.structs.asdict(tool))} for tool in tools]


def _without_none(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
