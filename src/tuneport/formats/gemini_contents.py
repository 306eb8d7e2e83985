"""Gemini's contents from canonical messages. Every Gemini format writes through here.

Shape: Content, Part, FunctionCall and FunctionResponse of google.cloud.aiplatform_v1 (2.7.0, read 2026-11-21). Calls have no ids there:
they are paired with their answers by name and order.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tuneport.examples import ImagePart, MediaPart, Message, Part, TextPart, ToolCall
from tuneport.formats.calls import Ids
from tuneport.formats.format import BadRow, Lose
from tuneport.formats.gemini_answers import Answers
from tuneport.formats.json_values import arguments_of


class TextWire(msgspec.Struct, frozen=True, gc=False):
    """The part that nearly all parts are."""

    text: str


class ContentWire(msgspec.Struct, frozen=True, gc=False):
    """One turn."""

    role: str
    parts: tuple[Any, ...]


_SAID: dict[str, str] = {"user": "user", "assistant": "model"}
_said = _SAID.get


def contents_of(messages: Sequence[Message], lose: Lose) -> tuple[ContentWire | None, list[ContentWire]]:
    """The system instruction, if any, and the turns."""
    instruction: list[Any] = []
    contents: list[ContentWire] = []
    tools: _Tools | None = None  # most conversations have none, and this is where the time goes
    for message in messages:
        role, content = message.role, message.content
        if (said := _said(role)) is not None and content.__class__ is str and not message.tool_calls:
            if tools is not None:
                contents += tools.answered()
            contents.append(ContentWire(said, (TextWire(content),)))
        elif role == "system" and content.__class__ is str and not contents and not instruction:
            instruction.append(TextWire(content))
        elif said is not None or role == "tool":
            tools = tools or _Tools(lose)
            contents += tools.turn(message)
        else:
            _instruct(message, instruction, late=bool(contents), lose=lose)
        if message.name is not None or message.weight is not None or message.tool_call_id is not None:
            _lose_labels(message, lose)
    if tools is not None:
        contents += tools.answered()
    return (ContentWire("system", tuple(instruction)) if instruction else None), contents


class _Tools:
    """The turns of one row that are more than a text: calls, answers and parts."""

    def __init__(self, lose: Lose) -> None:
        self._lose = lose
        self._ids = Ids()
        self._answers = Answers(lose)

    def turn(self, message: Message) -> list[ContentWire]:
        """The answers that wait to be written, and the turn itself where it is none."""
        if message.role == "tool":
            self._answers.add(message)
            return []
        parts = (*_parts(message.content, self._lose), *map(_call, message.tool_calls))
        if not parts:
            raise BadRow("a turn has neither content nor tool calls.")
        if self._ids.are_lost(message.tool_calls):
            self._lose("tool_call.id")
        before = self.answered()
        self._answers.called(message.tool_calls)
        return [*before, ContentWire(_SAID[message.role], parts)]

    def answered(self) -> list[ContentWire]:
        """The answers since the last turn, as one turn of the user."""
        return [ContentWire("user", self._answers.parts())] if self._answers.given else []


def _lose_labels(message: Message, lose: Lose) -> None:
    if message.weight is not None:
        lose("message.weight")
    if message.role != "tool":
        if message.name is not None:
            lose("message.name")
        if message.tool_call_id is not None:
            lose("message.tool_call_id")


def _instruct(message: Message, instruction: list[Any], *, late: bool, lose: Lose) -> None:
    """Instructions are text alone."""
    if message.role == "developer":
        lose("role.developer")
    if late:
        lose("system.position")
    if instruction:
        lose("system.turns")
    texts = [part for part in _parts(message.content, lose) if isinstance(part, TextWire)]
    if not texts:
        raise BadRow("a turn of the system holds no text.")
    for part in message.content if isinstance(message.content, tuple) else ():
        if not isinstance(part, TextPart):
            lose("part.image" if isinstance(part, ImagePart) else "part.media")
    instruction.extend(texts)


def _parts(content: str | tuple[Part, ...] | None, lose: Lose) -> Iterator[Any]:
    if isinstance(content, str):
        yield TextWire(content)
    for part in content if isinstance(content, tuple) else ():
        yield TextWire(part.text) if isinstance(part, TextPart) else _media(part, lose)


def _media(part: ImagePart | MediaPart, lose: Lose) -> dict[str, Any]:
    if isinstance(part, ImagePart) and part.detail is not None:
        lose("image.detail")
    if part.url.startswith("data:"):
        head, comma, data = part.url[5:].partition(",")
        mime_type, _, encoding = head.partition(";")
        if not comma or encoding != "base64":
            raise BadRow("an image is a data: address that is not base64.")
        if part.mime_type not in (None, mime_type):
            lose("image.mime_type" if isinstance(part, ImagePart) else "part.media")
        return {"inlineData": {"mimeType": mime_type, "data": data}}
    mime_type = part.mime_type or mimetypes.guess_type(part.url.partition("?")[0])[0] or ""
    if not mime_type:
        raise BadRow("the type of an image cannot be told from its address, and Gemini asks for it.")
    return {"fileData": {"mimeType": mime_type, "fileUri": part.url}}


def _call(call: ToolCall) -> dict[str, Any]:
    return {"functionCall": {"name": call.name, "args": arguments_of(call.arguments)}}
