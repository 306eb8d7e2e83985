"""Messages and tools as the chat templates of Hugging Face models expect them, wherever such a template is rendered."""

from __future__ import annotations

import json
from typing import Any

from tuneport.examples import Message, TextPart, Tool


def as_dict(message: Message, *, knows_developer: bool) -> dict[str, Any]:
    """A message as chat templates expect it. `developer` becomes `system` where the template does not know it; of parts only text stays,
    beside a place for each other one."""
    found: dict[str, Any] = {"role": "system" if message.role == "developer" and not knows_developer else message.role}
    found["content"] = _content(message)
    if message.tool_calls:
        found["tool_calls"] = [
            {"type": "function", "id": call.id, "function": {"name": call.name, "arguments": _arguments(call.arguments)}}
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        found["tool_call_id"] = message.tool_call_id
    if message.name is not None:
        found["name"] = message.name
    return found


def _content(message: Message) -> Any:
    content = message.content
    if isinstance(content, tuple) and any(not isinstance(part, TextPart) for part in content):
        return [{"type": "text", "text": part.text} if isinstance(part, TextPart) else {"type": "image"} for part in content]
    return message.text


def _arguments(text: str) -> Any:
    """Templates write a mapping as JSON themselves; text that is no JSON stays text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def tool_as_dict(tool: Tool) -> dict[str, Any]:
    """A tool likewise."""
    return {"type": "function", "function": {"name": tool.name, "description": tool.description or "", "parameters": tool.parameters or {}}}
