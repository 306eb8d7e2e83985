"""ShareGPT: `{"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", …}], "system": "…", "tools": "[…]"}`.

Calls are turns of `function_call` whose value is JSON, answers of tools turns of `observation` (LLaMA-Factory's data format, read
2026-11-21). Turns must alternate there, so calls that are made at once and answered are written one after another. Pictures stand under
`images`, and `<image>` in the texts. Rows with role and content in place of from and value are read too.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from tuneport.examples import ChatExample, Example
from tuneport.formats.extras import others, with_extra
from tuneport.formats.format import BadRow, Decoded, Format, Lose, Row
from tuneport.formats.hf_messages import tools_of
from tuneport.formats.image_columns import IMAGE_KEYS, Address, images_of, into_marks, marked
from tuneport.formats.json_values import kind_of
from tuneport.formats.recast import as_chat
from tuneport.formats.sharegpt_turns import Said, Turn, is_turn, messages_of, said, tools_text, turns_of
from tuneport.formats.texts import optional_text, share, usual
from tuneport.formats.turns import lose_parallel


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    conversations: Annotated[list[Turn], msgspec.Meta(min_length=1)]
    system: str | None = None
    tools: str | None = None
    images: list[Address] | None = None


class _Written(msgspec.Struct, frozen=True, omit_defaults=True):
    conversations: Sequence[Turn]
    tools: str | None = None
    images: list[str] = []


_KNOWN = frozenset(_Row.__struct_fields__) | IMAGE_KEYS
SPELLINGS = ({"conversations": "conversation"},)
_lines = msgspec.json.Decoder(_Row).decode_lines


def sniff(rows: Sequence[Row]) -> float:
    """Rows of turns that say who they are from."""
    return share(rows, [_talks(row.get("conversations")) for row in rows], 0.97)


def _talks(turns: Any) -> bool:
    return isinstance(turns, list) and bool(turns) and all(map(is_turn, turns))


def decode(data: bytes) -> Decoded:
    """Rows in the first spelling without other keys."""
    rows = _lines(data)
    least = sum(1 + 2 * len(row.conversations) for row in rows)
    least += sum((row.system is not None) + (row.tools is not None) + (row.images is not None) for row in rows)
    try:
        return Decoded([_decoded(row) for row in rows], least)
    except BadRow as error:
        raise msgspec.ValidationError(str(error)) from None


def _decoded(row: _Row) -> ChatExample:
    messages = messages_of([(turn.speaker, turn.value) for turn in row.conversations], row.system, _refuse)
    if row.images:
        messages = marked(messages, row.images)
    return ChatExample(messages, tools_of(row.tools, _refuse)) if row.tools else ChatExample(messages)


def _refuse(kind: str) -> None:
    raise msgspec.ValidationError(kind)


def read(row: Row, lose: Lose) -> ChatExample:
    """Unknown keys go to `extra`; those inside turns are told."""
    row = usual(row, SPELLINGS)
    turns = row.get("conversations")
    if not isinstance(turns, list) or not turns:
        raise BadRow(
            f"conversations: expected a list of turns, got {kind_of(turns)}."
            if "conversations" in row and turns != []
            else 'the key "conversations" is missing or empty.'
        )
    spoken: list[Said] = [said(turn, f"conversations[{place}]", lose) for place, turn in enumerate(turns)]
    messages = messages_of(spoken, optional_text(row, "system"), lose)
    images = images_of(row, lose)
    if images:
        messages = marked(messages, images)
    tools = tools_of(row["tools"], lose) if row.get("tools") else ()
    return ChatExample(messages, tools, extra=others(row, _KNOWN))


def write(example: Example, lose: Lose) -> Any:
    """In the first spelling; what the system says is the first turn, and pictures stand beside the turns."""
    chat = as_chat(example, lose)
    if chat.style != "chat":
        lose("style")
    lose_parallel(chat, lose)
    messages, images = into_marks(chat.messages, lose)
    row = _Written(turns_of(messages, lose), tools_text(chat.tools, lose), images)
    return with_extra(row, chat.extra, known=_KNOWN, lose=lose)


SHAREGPT = Format(
    name="sharegpt",
    summary='ShareGPT: {"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}], "tools": "[…]"}',
    kinds=("chat",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode,),
    nested=("conversations",),
    spellings=SPELLINGS,
)
