"""PaLM 2: one `{"input_text": "…", "output_text": "…"}` a row. The models are retired; their files are not (facts of 2026-11-21)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tuneport.examples import ChatExample, Example, Message
from tuneport.formats.extras import others, with_extra
from tuneport.formats.format import Decoded, Format, Lose, Row
from tuneport.formats.recast import as_chat
from tuneport.formats.texts import are_texts, share, text_of
from tuneport.formats.turns import exchange


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    input_text: str
    output_text: str


_KNOWN = frozenset(_Row.__struct_fields__)
_lines = msgspec.json.Decoder(_Row).decode_lines


def sniff(rows: Sequence[Row]) -> float:
    """Rows that have both as texts."""
    return share(rows, [are_texts(row, "input_text", "output_text") for row in rows], 0.95)


def decode(data: bytes) -> Decoded:
    """Rows without other keys."""
    rows = _lines(data)
    return Decoded([_example(row.input_text, row.output_text) for row in rows], 2 * len(rows))


def _example(prompt: str, completion: str) -> ChatExample:
    return ChatExample((Message("user", prompt), Message("assistant", completion)), style="completion")


def read(row: Row, lose: Lose) -> ChatExample:
    """Other keys go to `extra`."""
    example = _example(text_of(row, "input_text"), text_of(row, "output_text"))
    return ChatExample(example.messages, style="completion", extra=others(row, _KNOWN))


def write(example: Example, lose: Lose) -> object:
    """One user turn and one assistant turn; what the system says has no place."""
    chat = as_chat(example, lose)
    system, prompt, completion = exchange(chat, lose)
    if system is not None:
        lose("system")
    if chat.style != "completion":
        lose("style")
    return with_extra(_Row(prompt, completion), chat.extra, known=_KNOWN, lose=lose)


PALM = Format(
    name="palm",
    summary='PaLM 2: {"input_text": "…", "output_text": "…"}',
    kinds=("chat",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode,),
)
