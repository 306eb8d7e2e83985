"""OpenAI's messages and tools as people have them: keys that nobody carries told and left out, older spellings in today's."""

from __future__ import annotations

from typing import Any

from tuneport.formats.format import Lose
from tuneport.formats.messages import (
    WireAudio,
    WireAudioData,
    WireCall,
    WireFile,
    WireFileData,
    WireFunction,
    WireImage,
    WireImageUrl,
    WireMessage,
    WireText,
    WireTool,
    WireToolFunction,
)


def tidy_messages(messages: Any, lose: Lose) -> Any:
    """The messages without the keys that canonical ones have no place for. Each such key that holds something is told to `lose`."""
    return [_tidy_message(message, lose) for message in messages] if isinstance(messages, list | tuple) else messages


def _tidy_message(message: Any, lose: Lose) -> Any:
    if not isinstance(message, dict):
        return message
    message = _keep(_modern(message), WireMessage, "message", lose)
    if isinstance(message.get("tool_calls"), list):
        message["tool_calls"] = [_tidy_function(call, WireCall, WireFunction, "tool_call", lose) for call in message["tool_calls"]]
    if isinstance(message.get("content"), list):
        message["content"] = [_tidy_part(part, lose) for part in message["content"]]
    return message


def _modern(message: dict[str, Any]) -> dict[str, Any]:
    """`function_call` and the role `function`, which tools replaced in 2023."""
    call = message.get("function_call")
    if isinstance(call, dict) and not message.get("tool_calls"):
        message = {key: value for key, value in message.items() if key != "function_call"} | {"tool_calls": [{"function": call}]}
    return {**message, "role": "tool"} if message.get("role") == "function" else message


def tidy_tools(tools: Any, lose: Lose) -> Any:
    """Likewise for the list of tools; a bare function is taken for a tool."""
    if not isinstance(tools, list):
        return tools
    return [_tidy_function(_wrapped(tool), WireTool, WireToolFunction, "tool", lose) for tool in tools]


def _wrapped(tool: Any) -> Any:
    bare = isinstance(tool, dict) and "function" not in tool and isinstance(tool.get("name"), str)
    return {"type": "function", "function": {key: value for key, value in tool.items() if key != "type"}} if bare else tool


def _tidy_function(value: Any, outer: type, inner: type, what: str, lose: Lose) -> Any:
    value = _keep(value, outer, what, lose)
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value["function"] = _keep(value["function"], inner, what, lose)
    return value


_PARTS: dict[Any, tuple[type, type | None]] = {
    "text": (WireText, None),
    "image_url": (WireImage, WireImageUrl),
    "input_audio": (WireAudio, WireAudioData),
    "file": (WireFile, WireFileData),
}


def _tidy_part(part: Any, lose: Lose) -> Any:
    kind = part.get("type") if isinstance(part, dict) else None
    if not isinstance(kind, str) or kind not in _PARTS:
        return part
    outer, inner = _PARTS[kind]
    part = _keep(part, outer, "part", lose)
    if inner is not None and kind in part:
        part[kind] = _keep(part[kind], inner, kind, lose)
    return part


def _keep(value: Any, wire: type, what: str, lose: Lose) -> Any:
    if not isinstance(value, dict):
        return value
    known = _KEYS[wire]
    for key in sorted(value.keys() - known):
        if value[key] not in (None, [], {}):
            lose(f"{what}.{key}")
    return {key: value[key] for key in value.keys() & known}


_WIRES: tuple[Any, ...] = (WireMessage, WireToolFunction, WireTool, WireFunction, WireCall, WireText, WireImage, WireImageUrl)
_MEDIA: tuple[Any, ...] = (WireAudio, WireAudioData, WireFile, WireFileData)
_KEYS: dict[type, frozenset[str]] = {
    wire: frozenset(wire.__struct_fields__) | ({"type"} if wire.__struct_config__.tag else set()) for wire in _WIRES + _MEDIA
}
