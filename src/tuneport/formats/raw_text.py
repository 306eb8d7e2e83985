"""Plain text: one `{"text": "…"}` a row, learned from its first token (TRL's language-modelling form)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tuneport.examples import ChatExample, Example, Message
from tuneport.formats.extras import others, with_extra
from tuneport.formats.format import BadRow, Decoded, Format, Lose, Row
from tuneport.formats.recast import as_chat
from tuneport.formats.texts import are_texts, share, text_of
from tuneport.formats.turns import exchange, lose_tools, plain_turns


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    text: str


_KNOWN = frozenset({"text"})
_LABELS = frozenset({"label", "score", "category", "intent"})
_lines = msgspec.json.Decoder(_Row).decode_lines


def sniff(rows: Sequence[Row]) -> float:
    """Rows of a text without a label. Other keys make it doubtful."""
    fits = [are_texts(row, "text") and not row.keys() & _LABELS for row in rows]
    return max(share(rows, fits, 0.5), share(rows, [fit and len(row) == 1 for fit, row in zip(fits, rows, strict=True)], 0.9))


def decode(data: bytes) -> Decoded:
    """Rows without other keys."""
    rows = _lines(data)
    return Decoded([ChatExample((Message("assistant", row.text),), style="text") for row in rows], len(rows))


def read(row: Row, lose: Lose) -> ChatExample:
    """Other keys go to `extra`."""
    return ChatExample((Message("assistant", text_of(row, "text")),), style="text", extra=others(row, _KNOWN))


def write(example: Example, lose: Lose) -> object:
    """Raw text, and prompt and completion run together; a conversation needs a model's template first, so it is refused."""
    chat = as_chat(example, lose)
    if chat.style == "chat":
        raise BadRow("a conversation is no raw text without a model's chat template.")
    return with_extra(_Row(_text(chat, lose)), chat.extra, known=_KNOWN, lose=lose)


def _text(chat: ChatExample, lose: Lose) -> str:
    if chat.style == "text":
        turns = plain_turns(chat.messages, lose)
        if [turn.role for turn in turns] != ["assistant"]:
            raise BadRow("the row is not one text.")
        lose_tools(chat, lose)
        return turns[0].text
    system, prompt, completion = exchange(chat, lose)
    if system is not None:
        lose("system")
    lose("prompt.boundary")
    return prompt + completion


TEXT = Format(
    name="text",
    summary='plain text: {"text": "…"}',
    kinds=("chat",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode,),
)
