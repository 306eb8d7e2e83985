"""What a single training row has to be, for each method. Raises BadRow with what the vendor would say about it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from typing import Any

from tuneport_openai.emulator.bases import DPO, REINFORCEMENT, SUPERVISED

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
CHAT_KEYS = frozenset({"messages", "tools", "functions", "parallel_tool_calls", "tool_choice", "response_format"})
MESSAGE_KEYS = frozenset({"role", "content", "name", "tool_calls", "tool_call_id", "function_call", "weight", "refusal"})
PAIR_KEYS = frozenset({"input", "preferred_output", "non_preferred_output"})
INPUT_KEYS = frozenset({"messages", "tools", "parallel_tool_calls"})
MOST_IMAGES, LARGEST_IMAGE_BYTES = 10, 10 * 1024 * 1024


class BadRow(ValueError):
    """What is wrong with a row; the sentence goes on behind `Example 3`."""


def check_row(row: Any, method: str, *, sees_images: bool) -> None:
    """Raises BadRow."""
    if not isinstance(row, dict):
        raise BadRow("is not a JSON object.")
    {SUPERVISED: _supervised, DPO: _pair, REINFORCEMENT: _prompt}[method](row, sees_images)


def shape_of(row: Any) -> str | None:
    """What the vendor calls the kind of data this is, going by the row's keys; None: nothing that it knows."""
    if not isinstance(row, dict):
        return None
    if "messages" in row:
        return "fine-tune-chat"
    if PAIR_KEYS & row.keys():
        return "fine-tune-preference"
    return "fine-tune-completion" if {"prompt", "completion"} <= row.keys() else None


def _supervised(row: Mapping[str, Any], sees_images: bool) -> None:
    _keys(row, needs=("messages",), knows=CHAT_KEYS)
    messages = _messages(row["messages"], sees_images=sees_images)
    if messages[-1]["role"] != "assistant":
        raise BadRow("the last message must be from the assistant.")
    if not any(message["role"] == "assistant" and message.get("weight", 1) == 1 for message in messages):
        raise BadRow("has no message from the assistant with a weight of 1.")
    _tools(row)


def _prompt(row: Mapping[str, Any], sees_images: bool) -> None:
    """Any further keys are there for the graders."""
    _keys(row, needs=("messages",), knows=None)
    if _messages(row["messages"], sees_images=sees_images)[-1]["role"] != "user":
        raise BadRow("the last message must be from the user.")


def _pair(row: Mapping[str, Any], sees_images: bool) -> None:
    _keys(row, needs=("input", "preferred_output", "non_preferred_output"), knows=PAIR_KEYS)
    if not isinstance(row["input"], dict):
        raise BadRow("'input' must be an object.")
    _keys(row["input"], needs=("messages",), knows=INPUT_KEYS)
    _messages(row["input"]["messages"], sees_images=False)
    _tools(row["input"])
    for name in ("preferred_output", "non_preferred_output"):
        output = _messages(row[name], sees_images=False)
        if len(output) != 1 or output[0]["role"] != "assistant":
            raise BadRow(f"'{name}' must hold exactly one message, from the assistant.")


def _keys(row: Mapping[str, Any], *, needs: Sequence[str], knows: frozenset[str] | None) -> None:
    for name in needs:
        if name not in row:
            raise BadRow(f"is missing key '{name}'.")
    for name in row:
        if knows is not None and name not in knows:
            raise BadRow(f'contains an extra "{name}".')


def _messages(value: Any, *, sees_images: bool) -> Sequence[Mapping[str, Any]]:
    if not isinstance(value, list) or not value:
        raise BadRow("'messages' must be a list with at least one message.")
    images = 0
    for number, message in enumerate(value, start=1):
        try:
            images += _message(message, sees_images=sees_images)
        except BadRow as error:
            raise BadRow(f"message {number} {error}") from None
    if images > MOST_IMAGES:
        raise BadRow(f"holds {images} images; at most {MOST_IMAGES} are allowed.")
    return value


def _message(message: Any, *, sees_images: bool) -> int:
    """How many images it holds."""
    if not isinstance(message, dict):
        raise BadRow("is not an object.")
    if "role" not in message:
        raise BadRow("Discriminator 'role' is missing in value")
    role = message["role"]
    if role not in ROLES:
        tags = ", ".join(f"'{known}'" for known in ROLES)
        raise BadRow(f"Input tag '{role}' found using 'role' does not match any of the expected tags: {tags}")
    _keys(message, needs=(), knows=MESSAGE_KEYS)
    _weight(message, role)
    calls = message.get("tool_calls")
    if calls is not None:
        _calls(calls, role)
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise BadRow("is missing key 'tool_call_id'.")
    content = message.get("content")
    if content is None and not (role == "assistant" and (calls or message.get("function_call") or message.get("refusal"))):
        raise BadRow("is missing key 'content'.")
    return _content(content, role, sees_images=sees_images)


def _weight(message: Mapping[str, Any], role: str) -> None:
    if "weight" in message and (role != "assistant" or isinstance(message["weight"], bool) or message["weight"] not in (0, 1)):
        raise BadRow("has a weight; only messages from the assistant can have one, and it must be 0 or 1.")


def _calls(calls: Any, role: str) -> None:
    if role != "assistant" or not isinstance(calls, list) or not calls:
        raise BadRow("has 'tool_calls' that are no list of calls by the assistant.")
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or call.get("type") != "function" or not isinstance(call.get("id"), str):
            raise BadRow("has a tool call without 'id', 'type' or 'function'.")
        if not isinstance(function.get("name"), str) or not isinstance(function.get("arguments"), str):
            raise BadRow("has a tool call whose function lacks 'name' or 'arguments'.")


def _content(content: Any, role: str, *, sees_images: bool) -> int:
    if content is None or isinstance(content, str):
        return 0
    if not isinstance(content, list) or not content:
        raise BadRow("has a 'content' that is neither a string nor a list of parts.")
    images = 0
    for part in content:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind == "text" and isinstance(part.get("text"), str):
            continue
        if kind != "image_url":
            raise BadRow(f"has a content part of type {kind!r}.")
        if role == "assistant" or not sees_images:
            raise BadRow("holds an image, which is not supported here.")
        _image(part.get("image_url"))
        images += 1
    return images


def _image(image: Any) -> None:
    url = image.get("url") if isinstance(image, dict) else None
    if not isinstance(url, str) or image.get("detail", "auto") not in ("low", "high", "auto"):
        raise BadRow("has an image without a valid 'url' or 'detail'.")
    if url.startswith(("http://", "https://")):
        return
    head, comma, data = url.partition(",")
    if not comma or not head.startswith(("data:image/jpeg", "data:image/png", "data:image/webp")) or not head.endswith(";base64"):
        raise BadRow("has an image that is neither an http URL nor base64 of a JPEG, PNG or WEBP.")
    try:
        if len(base64.b64decode(data, validate=True)) > LARGEST_IMAGE_BYTES:
            raise BadRow("has an image larger than 10 MB.")
    except binascii.Error:
        raise BadRow("has an image whose base64 cannot be decoded.") from None


def _tools(row: Mapping[str, Any]) -> None:
    tools = row.get("tools")
    if tools is None:
        return
    if not isinstance(tools, list):
        raise BadRow("'tools' must be a list.")
    for tool in tools:
        function = tool.get("function") if isinstance(tool, dict) else None
        if not isinstance(function, dict) or tool.get("type") != "function" or not isinstance(function.get("name"), str):
            raise BadRow("has a tool without 'type' and 'function.name'.")
        json.dumps(function.get("parameters"))
