"""TRL unpaired preference (KTO): `{"prompt": …, "completion": …, "label": true}`, texts or lists of messages; the label says wanted or not.

Shape: TRL 1.16 (read 2026-11-21).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tuneport.examples import ChatExample, Example, Message
from tuneport.formats.extras import with_extra
from tuneport.formats.format import BadRow, Decoded, Format, Lose, Row
from tuneport.formats.hf_messages import PlainMessages, from_messages, tools_of
from tuneport.formats.image_columns import IMAGE_KEYS, beside, into_column
from tuneport.formats.json_values import kind_of
from tuneport.formats.recast import as_chat, lose_earlier
from tuneport.formats.repeated_keys import plain_keys
from tuneport.formats.sides import answer_start, asked_of, bare, certain, is_side, pictures_of, side_of, tool_keys, turns_of
from tuneport.formats.texts import share


class _Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    prompt: str
    completion: str
    label: bool


class _Messages(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    prompt: PlainMessages
    completion: tuple[Message]
    label: bool


_KNOWN = frozenset({"prompt", "completion", "label", "tools"})
_BESIDE_MESSAGES = _KNOWN | IMAGE_KEYS
_LABELS = {"true": True, "false": False, "1": True, "0": False}
_text_lines = msgspec.json.Decoder(_Texts).decode_lines
_message_lines = msgspec.json.Decoder(_Messages).decode_lines


def sniff(rows: Sequence[Row]) -> float:
    """Rows with a prompt, a completion and a label that is true or false."""
    return share(rows, [_is_side(row, "prompt") and _is_side(row, "completion") and _label(row) is not None for row in rows], 0.97)


def _is_side(row: Row, key: str) -> bool:
    return is_side(row, key, text=True) or is_side(row, key, text=False)


def _label(row: Row) -> bool | None:
    """Tables write it as text, some people as 1 and 0."""
    value = row.get("label")
    return _LABELS.get(str(value).lower()) if isinstance(value, bool | int | str) else None


def decode_texts(data: bytes) -> Decoded:
    """Rows of two texts."""
    rows = _text_lines(data)
    return Decoded([_of_texts(row) for row in rows], 3 * len(rows))


def _of_texts(row: _Texts) -> ChatExample:
    return ChatExample(_exchange(certain(row.prompt), certain(row.completion)), style="completion", desirable=row.label)


def _exchange(prompt: str, completion: str) -> tuple[Message, ...]:
    return Message("user", prompt), Message("assistant", completion)


def decode_messages(data: bytes) -> Decoded:
    """Rows of messages of text, with one answer to one last turn of the user."""
    rows = _message_lines(data)
    least = 3 * len(rows) + plain_keys([side for row in rows for side in (row.prompt, row.completion)])
    return Decoded([_plain(row) for row in rows], least)


def _plain(row: _Messages) -> ChatExample:
    if row.prompt[-1].role != "user" or row.completion[0].role != "assistant":
        raise msgspec.ValidationError("a boundary that needs care")
    return ChatExample(row.prompt + row.completion, desirable=row.label)


def read(row: Row, lose: Lose) -> ChatExample:
    """Unknown keys go to `extra`; those inside messages are told."""
    images = pictures_of(row, ("prompt", "completion"), lose)
    prompt, completion = side_of(row, "prompt", lose, images=images), side_of(row, "completion", lose)
    label = _label(row)
    if label is None:
        raise BadRow('the key "label" is missing.' if "label" not in row else f'"label" is {kind_of(row["label"])}, not true or false.')
    tools = tools_of(row["tools"], lose) if row.get("tools") else ()
    texts = isinstance(prompt, str) and isinstance(completion, str)
    extra = {key: value for key, value in row.items() if key not in (_KNOWN if texts else _BESIDE_MESSAGES)}
    if isinstance(prompt, str) and isinstance(completion, str):
        return ChatExample(_exchange(prompt, completion), tools, style="completion", desirable=label, extra=extra)
    asked = asked_of(prompt, images)
    messages = asked + turns_of(completion, "assistant")
    if answer_start(messages) != len(asked):
        lose("prompt.boundary")
    return ChatExample(messages, tools, desirable=label, extra=extra)


def write(example: Example, lose: Lose) -> Any:
    """A conversation to learn from is a wanted one; the completion is what follows the last turn of the user."""
    chat = example if isinstance(example, ChatExample) else as_chat(example, lose)
    start = answer_start(chat.messages)
    prompt, completion = chat.messages[:start], chat.messages[start:]
    if chat.desirable is None:
        lose_earlier(prompt, lose)
    texts = (bare(prompt, "user"), bare(completion, "assistant")) if chat.style == "completion" and not chat.tools else (None, None)
    row: dict[str, Any]
    if texts[0] is None or texts[1] is None:
        if chat.style != "chat":
            lose("style")
        asked, images = into_column(from_messages(prompt, lose))
        row, known = {"prompt": asked, "completion": from_messages(completion, lose), **beside(images)}, _BESIDE_MESSAGES
    else:
        row, known = {"prompt": texts[0], "completion": texts[1]}, _KNOWN
    row |= {"label": chat.desirable is not False, **tool_keys(chat, lose)}
    return with_extra(row, chat.extra, known=known, lose=lose)


TRL_KTO = Format(
    name="trl-kto",
    summary='TRL unpaired preference (KTO): {"prompt": …, "completion": …, "label": true}, texts or lists of messages',
    kinds=("chat",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode_texts, decode_messages),
)
