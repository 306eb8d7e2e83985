"""Clean rows of Gemini's turns, decoded in blocks. Whatever is not clean is left to gemini_turns.py, which gives the same messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from tuneport.examples import Message, Part, TextPart, ToolCall
from tuneport.formats.calls import Waiting, our_id
from tuneport.formats.gemini_answers import answer_text
from tuneport.formats.gemini_turns import content_of, file_part, inline_part
from tuneport.formats.json_values import json_text


class TextOnly(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    text: str


class PlainTurn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A turn of one text, as nearly all are."""

    parts: tuple[TextOnly]
    role: Literal["user", "model"] | UnsetType = UNSET


class Instruction(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    parts: Annotated[tuple[TextOnly, ...], msgspec.Meta(min_length=1)]
    role: str | UnsetType = UNSET


_ROLES: dict[str | UnsetType, Literal["user", "assistant"]] = {"user": "user", "model": "assistant", UNSET: "user"}


def turn_keys(instructions: Iterable[Instruction | None], turns: Iterable[Sequence[PlainTurn]]) -> int:
    """How many keys there are in turns of one text, and in instructions under their key."""
    said = sum([2 + (turn.role is not UNSET) for row in turns for turn in row])
    return said + sum([2 + len(each.parts) + (each.role is not UNSET) for each in instructions if each is not None])


def plain_messages(instruction: Instruction | None, turns: tuple[PlainTurn, ...]) -> tuple[Message, ...]:
    """The messages of a row of text alone."""
    messages = [Message(_ROLES[turn.role], turn.parts[0].text) for turn in turns]
    return tuple(messages) if instruction is None else (_system(instruction), *messages)


def _system(instruction: Instruction) -> Message:
    return Message("system", content_of([TextPart(part.text) for part in instruction.parts]))


class _Call(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    name: str
    args: dict[str, Any] = {}
    id: str = ""


class _Answer(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    name: str
    response: dict[str, Any] = {}
    id: str = ""


MimeType = Annotated[str, msgspec.Meta(min_length=1)]


class _Inline(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    mime_type: MimeType
    data: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    mime_type: MimeType
    file_uri: str


class _Part(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True, rename="camel"):
    """Exactly one of its fields; `_said` refuses any other number."""

    text: str | None = None
    function_call: _Call | None = None
    function_response: _Answer | None = None
    inline_data: _Inline | None = None
    file_data: _File | None = None


class RichTurn(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A turn with calls, answers and media."""

    parts: Annotated[list[_Part], msgspec.Meta(min_length=1)]
    role: Literal["user", "model"] | UnsetType = UNSET


class Rich:
    """The messages of one row: calls are numbered, answers paired with them. Raises msgspec.ValidationError for what needs care."""

    def __init__(self) -> None:
        self._calls = 0
        self._waiting = Waiting()

    def messages(self, instruction: Instruction | None, turns: list[RichTurn]) -> tuple[Message, ...]:
        """All messages, in order."""
        messages = [] if instruction is None else [_system(instruction)]
        for turn in turns:
            only = turn.parts[0].text if len(turn.parts) == 1 else None
            if only is not None and _single(turn.parts[0]):
                messages.append(Message(_ROLES[turn.role], only))
            elif turn.role == "model":
                messages.append(self._model(turn.parts))
            else:
                messages += self._user(turn.parts)
        return tuple(messages)

    def _model(self, parts: list[_Part]) -> Message:
        calls = tuple(self._call(part.function_call) for part in parts if part.function_call is not None)
        said = [_said(part) for part in parts if part.function_call is None]
        if calls:
            if any(part.function_call is None for part in parts[len(said) :]):
                raise msgspec.ValidationError("a part after a call")
            self._waiting.called(calls)
        return Message("assistant", content_of(said) if said else None, calls)

    def _call(self, call: _Call) -> ToolCall:
        self._calls += 1
        return ToolCall(call.name, json_text(call.args), call.id or our_id(self._calls))

    def _user(self, parts: list[_Part]) -> list[Message]:
        messages = [self._answer(part.function_response) for part in parts if part.function_response is not None]
        rest = [_said(part) for part in parts if part.function_response is None]
        return [*messages, Message("user", content_of(rest))] if rest else messages

    def _answer(self, answer: _Answer) -> Message:
        call = (self._waiting.answered(answer.id) if answer.id else None) or self._waiting.named(answer.name)
        text = answer_text(answer.response)
        return Message("tool", text, (), None, answer.name) if call is None else Message("tool", text, (), call.id)


def _single(part: _Part) -> bool:
    return (
        sum(value is not None for value in (part.text, part.function_call, part.function_response, part.inline_data, part.file_data)) == 1
    )


def _said(part: _Part) -> Part:
    if not _single(part):
        raise msgspec.ValidationError("not one thing in a part")
    if part.text is not None:
        return TextPart(part.text)
    if part.inline_data is not None:
        return inline_part(part.inline_data.mime_type, part.inline_data.data)
    if part.file_data is not None:
        return file_part(part.file_data.mime_type, part.file_data.file_uri)
    raise msgspec.ValidationError("a call or an answer in a turn of another role")
