"""Gemini: `{"systemInstruction": …, "contents": [{"role": "user" | "model", "parts": […]}], "tools": […]}`.

Shape: Vertex AI, supervised fine-tuning data for Gemini (facts of 2026-11-21). Both spellings of keys are read, camelCase is written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from tuneport.examples import ChatExample, Example, Tool
from tuneport.formats.extras import with_extra
from tuneport.formats.format import BadRow, Decoded, Format, Lose, Row
from tuneport.formats.gemini_contents import ContentWire, contents_of
from tuneport.formats.gemini_decoding import Instruction, PlainTurn, Rich, RichTurn, plain_messages, turn_keys
from tuneport.formats.gemini_tools import from_tools, tools_of
from tuneport.formats.gemini_turns import messages_of
from tuneport.formats.recast import as_chat
from tuneport.formats.texts import share
from tuneport.formats.turns import lose_parallel


class _PlainRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    contents: Annotated[tuple[PlainTurn, ...], msgspec.Meta(min_length=1)]
    system_instruction: Instruction | None = msgspec.field(default=None, name="systemInstruction")


class _RichRow(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    contents: Annotated[list[RichTurn], msgspec.Meta(min_length=1)]
    system_instruction: Instruction | None = msgspec.field(default=None, name="systemInstruction")
    tools: list[Any] = []


class _Written(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    contents: list[ContentWire]
    system_instruction: ContentWire | None = msgspec.field(default=None, name="systemInstruction")
    tools: list[Any] = []


_KNOWN = frozenset({"contents", "systemInstruction", "system_instruction", "tools"})
_plain_lines = msgspec.json.Decoder(_PlainRow).decode_lines
_rich_lines = msgspec.json.Decoder(_RichRow).decode_lines


def sniff(rows: Sequence[Row]) -> float:
    """Rows with contents that are turns and no completions to choose between."""
    return share(rows, [isinstance(row.get("contents"), list) and "completions" not in row for row in rows], 0.95)


def decode_plain(data: bytes) -> Decoded:
    """Rows of turns that are one text each."""
    rows = _plain_lines(data)
    least = len(rows) + turn_keys([row.system_instruction for row in rows], [row.contents for row in rows])
    return Decoded([ChatExample(plain_messages(row.system_instruction, row.contents)) for row in rows], least)


def decode(data: bytes) -> Decoded:
    """Rows with calls, answers, media and tools too."""
    rows = _rich_lines(data)
    return Decoded([ChatExample(Rich().messages(row.system_instruction, row.contents), _tools(row.tools)) for row in rows], rows=rows)


def _tools(tools: list[Any]) -> tuple[Tool, ...]:
    try:
        return tools_of(tools, refuse) if tools else ()
    except BadRow as error:
        raise msgspec.ValidationError(str(error)) from None


def refuse(kind: str) -> None:
    """A row that loses something is not clean."""
    raise msgspec.ValidationError(kind)


def read(row: Row, lose: Lose) -> ChatExample:
    """Unknown keys go to `extra`; those inside turns are told."""
    if "contents" not in row:
        raise BadRow('the key "contents" is missing.')
    messages = messages_of(row.get("systemInstruction", row.get("system_instruction")), row["contents"], lose)
    tools = tools_of(row["tools"], lose) if row.get("tools") else ()
    return ChatExample(messages, tools, extra={key: value for key, value in row.items() if key not in _KNOWN})


def write(example: Example, lose: Lose) -> Any:
    """Unknown keys that were read are written again."""
    chat = as_chat(example, lose)
    instruction, contents = contents_of(chat.messages, lose)
    if not contents:
        raise BadRow("a row of instructions alone has no turn that Gemini could learn.")
    if chat.style != "chat":
        lose("style")
    if chat.parallel_tool_calls is not None:
        lose_parallel(chat, lose)
    row = _Written(contents, instruction, from_tools(chat.tools, lose)) if chat.tools else _Written(contents, instruction)
    return row if not chat.extra else with_extra(row, chat.extra, known=_KNOWN, lose=lose)


GEMINI = Format(
    name="gemini",
    summary='Gemini: {"systemInstruction": …, "contents": [{"role": "user", "parts": [{"text": "…"}]}, …], "tools": […]}',
    kinds=("chat",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode_plain, decode),
    nested=("systemInstruction", "system_instruction", "contents", "tools"),
)
