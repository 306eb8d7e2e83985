"""Alpaca: `{"instruction": "…", "input": "…", "output": "…", "system": "…", "history": [["…", "…"], …]}`.

Instruction and input are one prompt to whoever trains on them; they are joined by a line end, as LLaMA-Factory does, which also learns the
answers of the history and takes `<image>` in the texts for the pictures under `images` (its data format, read 2026-11-21).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tuneport.examples import ChatExample, Example, Message
from tuneport.formats.extras import others, with_extra
from tuneport.formats.format import BadRow, Decoded, Format, Lose, Row
from tuneport.formats.image_columns import IMAGE_KEYS, Address, images_of, into_marks, marked
from tuneport.formats.json_values import convert
from tuneport.formats.recast import as_chat
from tuneport.formats.texts import are_texts, optional_text, share, text_of
from tuneport.formats.turns import Turn, lose_tools, plain_turns, system_first


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    instruction: str
    output: str
    input: str | None = None
    system: str | None = None
    history: list[tuple[str, str]] | None = None
    images: Sequence[Address] | None = None


class _Written(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    instruction: str
    input: str | None
    output: str
    system: str | None = None
    history: Sequence[tuple[str, str]] = ()
    images: list[str] = []


_KNOWN = frozenset(_Row.__struct_fields__) | IMAGE_KEYS
_lines = msgspec.json.Decoder(_Row).decode_lines


def sniff(rows: Sequence[Row]) -> float:
    """Rows with an instruction and an output."""
    return share(rows, [are_texts(row, "instruction", "output") for row in rows], 0.95)


def decode(data: bytes) -> Decoded:
    """Rows without other keys."""
    rows = _lines(data)
    least = 2 * len(rows) + sum((row.input is not None) + (row.system is not None) for row in rows)
    least += sum((row.history is not None) + (row.images is not None) for row in rows)
    try:
        return Decoded([ChatExample(_messages(row)) for row in rows], least)
    except BadRow as error:
        raise msgspec.ValidationError(str(error)) from None


def _messages(row: _Row) -> tuple[Message, ...]:
    asked = Message("user", f"{row.instruction}\n{row.input}" if row.input else row.instruction)
    answered = Message("assistant", row.output)
    if not row.system and not row.history and not row.images:
        return (asked, answered)
    messages = [Message("system", row.system)] if row.system else []
    for question, answer in row.history or ():
        messages += (Message("user", question), Message("assistant", answer))
    messages += (asked, answered)
    return marked(messages, row.images) if row.images else tuple(messages)


def read(row: Row, lose: Lose) -> ChatExample:
    """Other keys go to `extra`."""
    history = convert(row["history"], list[tuple[str, str]]) if row.get("history") else None
    asked, answered = text_of(row, "instruction"), text_of(row, "output")
    found = _Row(asked, answered, optional_text(row, "input"), optional_text(row, "system"), history, images_of(row, lose))
    return ChatExample(_messages(found), extra=others(row, _KNOWN))


def write(example: Example, lose: Lose) -> Any:
    """Questions and answers in turn, the last of which are instruction and output; pictures stand beside them."""
    chat = as_chat(example, lose)
    if chat.style != "chat":
        lose("style")
    lose_tools(chat, lose)
    messages, images = into_marks(chat.messages, lose)
    system, turns = system_first(plain_turns(messages, lose), lose)
    *history, (question, answer) = _exchanges(turns)
    return with_extra(_Written(question, "", answer, system or None, history, images), chat.extra, known=_KNOWN, lose=lose)


def _exchanges(turns: Sequence[Turn]) -> list[tuple[str, str]]:
    expected = ["user", "assistant"] * (len(turns) // 2)
    if not turns or [turn.role for turn in turns] != expected:
        raise BadRow("the conversation is not questions of the user and answers of the assistant in turn.")
    return [(turns[place].text, turns[place + 1].text) for place in range(0, len(turns), 2)]


ALPACA = Format(
    name="alpaca",
    summary='Alpaca: {"instruction": "…", "input": "…", "output": "…", "system": "…", "history": […]}',
    kinds=("chat",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode,),
    nested=("history",),
)
