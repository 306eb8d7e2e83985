"""TRL preference: `{"prompt": …, "chosen": …, "rejected": …}`, all three texts or lists of messages; and without a prompt, which both
answers then begin with.

Shape: TRL 1.16 (read 2026-11-21). `score_chosen` and `score_rejected` are those of UltraFeedback's binarized sets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from tuneport.examples import Example, Message, PreferenceExample, Style
from tuneport.formats.extras import with_extra
from tuneport.formats.format import BadRow, Decoded, Format, Lose, Row
from tuneport.formats.hf_messages import PlainMessages, from_messages, tools_of
from tuneport.formats.image_columns import IMAGE_KEYS, beside, into_column
from tuneport.formats.recast import as_preference
from tuneport.formats.repeated_keys import plain_keys
from tuneport.formats.shared_prompt import shared_messages, shared_text
from tuneport.formats.sides import asked_of, bare, certain, is_side, pictures_of, refuse_no_prompt, side_of, tool_keys, turns_of
from tuneport.formats.texts import share


class _Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    prompt: str
    chosen: str
    rejected: str


class _Messages(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    prompt: PlainMessages
    chosen: PlainMessages
    rejected: PlainMessages


class _SharedTexts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    chosen: str
    rejected: str


class _SharedMessages(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    chosen: PlainMessages
    rejected: PlainMessages


_SCORES = ("score_chosen", "score_rejected")
_KNOWN = frozenset({"prompt", "chosen", "rejected", "tools", *_SCORES})
_text_lines = msgspec.json.Decoder(_Texts).decode_lines
_message_lines = msgspec.json.Decoder(_Messages).decode_lines
_shared_text_lines = msgspec.json.Decoder(_SharedTexts).decode_lines
_shared_message_lines = msgspec.json.Decoder(_SharedMessages).decode_lines


def has_answers(row: Row) -> bool:
    """Whether both answers are there, as texts or as messages."""
    return all(is_side(row, key, text=True) or is_side(row, key, text=False) for key in ("chosen", "rejected"))


def sniff(rows: Sequence[Row]) -> float:
    """Rows with a prompt and both answers."""
    return share(rows, ["prompt" in row and has_answers(row) for row in rows], 0.97)


def sniff_shared(rows: Sequence[Row]) -> float:
    """Rows with both answers and no prompt."""
    return share(rows, ["prompt" not in row and has_answers(row) for row in rows], 0.9)


def decode_texts(data: bytes) -> Decoded:
    """Rows of three texts."""
    rows = _text_lines(data)
    return Decoded([_of_texts(certain(row.prompt), certain(row.chosen), certain(row.rejected)) for row in rows], 3 * len(rows))


def _of_texts(prompt: str, chosen: str, rejected: str) -> PreferenceExample:
    return PreferenceExample(
        (Message("user", prompt),), (Message("assistant", chosen),), (Message("assistant", rejected),), style="completion"
    )


def decode_messages(data: bytes) -> Decoded:
    """Rows of messages of text."""
    rows = _message_lines(data)
    sides = [side for row in rows for side in (row.prompt, row.chosen, row.rejected)]
    return Decoded([PreferenceExample(row.prompt, row.chosen, row.rejected) for row in rows], 3 * len(rows) + plain_keys(sides))


def decode_shared_texts(data: bytes) -> Decoded:
    """Rows of two texts with the same beginning."""
    rows = _shared_text_lines(data)
    return Decoded([_shared_texts(certain(row.chosen), certain(row.rejected)) for row in rows], 2 * len(rows))


def _shared_texts(chosen: str, rejected: str) -> PreferenceExample:
    length = shared_text(chosen, rejected)
    return _of_texts(chosen[:length], chosen[length:], rejected[length:])


def decode_shared_messages(data: bytes) -> Decoded:
    """Rows of two lists of messages of text with the same beginning."""
    rows = _shared_message_lines(data)
    sides = [side for row in rows for side in (row.chosen, row.rejected)]
    return Decoded([_shared(row.chosen, row.rejected) for row in rows], 2 * len(rows) + plain_keys(sides))


def _shared(chosen: tuple[Message, ...], rejected: tuple[Message, ...]) -> PreferenceExample:
    length = shared_messages(chosen, rejected)
    return PreferenceExample(chosen[:length], chosen[length:], rejected[length:])


def read(row: Row, lose: Lose) -> PreferenceExample:
    """A prompt in text before answers that are whole conversations, as UltraFeedback has it, is found in them again."""
    images = pictures_of(row, ("prompt", "chosen", "rejected"), lose)
    prompt = side_of(row, "prompt", lose, images=images)
    chosen, rejected = side_of(row, "chosen", lose), side_of(row, "rejected", lose)
    if isinstance(prompt, str) and isinstance(chosen, str) and isinstance(rejected, str):
        return _with_keys(_of_texts(prompt, chosen, rejected), row, lose)
    asked, better, worse = asked_of(prompt, images), turns_of(chosen, "assistant"), turns_of(rejected, "assistant")
    if all(answer[: len(asked)] == asked for answer in (better, worse)) and len(asked) < min(len(better), len(worse)):
        better, worse = better[len(asked) :], worse[len(asked) :]
    return _with_keys(PreferenceExample(asked, better, worse), row, lose)


def read_shared(row: Row, lose: Lose) -> PreferenceExample:
    """The prompt is what both answers begin with."""
    images = pictures_of(row, ("chosen", "rejected"), lose)
    chosen, rejected = (side_of(row, key, lose, images=images) for key in ("chosen", "rejected"))
    if isinstance(chosen, str) and isinstance(rejected, str):
        return _with_keys(_shared_texts(chosen, rejected), row, lose)
    if isinstance(chosen, str) or isinstance(rejected, str):
        raise BadRow("chosen and rejected: one is a text, the other a list of messages.")
    return _with_keys(_shared(chosen, rejected), row, lose)


def _with_keys(pair: PreferenceExample, row: Row, lose: Lose) -> PreferenceExample:
    if row.keys() == {"prompt", "chosen", "rejected"}:
        return pair
    tools = tools_of(row["tools"], lose) if row.get("tools") else ()
    scores = [row.get(key) for key in _SCORES]
    better, worse = (_score(value) for value in scores)
    kept = {key for key, value in zip(_SCORES, scores, strict=True) if value is not None and _score(value) is None}
    extra = {key: value for key, value in row.items() if key not in _known(pair.style) or key in kept}
    return msgspec.structs.replace(pair, tools=tools, chosen_score=better, rejected_score=worse, extra=extra)


def _known(style: Style) -> frozenset[str]:
    """Beside texts there is no place for pictures, so that a key for them is any other key."""
    return _KNOWN if style == "completion" else _KNOWN | IMAGE_KEYS


def _score(value: Any) -> float | None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if number else None


def write(example: Example, lose: Lose) -> Any:
    """Three texts where the row is of that style, else three lists."""
    pair = as_preference(example)
    texts = _texts(pair, lose)
    if texts is None:
        refuse_no_prompt(pair.prompt)
        asked, images = into_column(from_messages(pair.prompt, lose))
        chosen, rejected = from_messages(pair.chosen, lose), from_messages(pair.rejected, lose)
        row: dict[str, Any] = {"prompt": asked, "chosen": chosen, "rejected": rejected, **beside(images)}
    else:
        row = dict(zip(("prompt", "chosen", "rejected"), texts, strict=True))
    known = _taken(pair, style="chat" if texts is None else "completion")
    return with_extra({**row, **_keys(pair, lose)}, pair.extra, known=known, lose=lose)


def write_shared(example: Example, lose: Lose) -> Any:
    """The prompt at the head of both answers. Where they go on alike, it will be read as longer: `prompt.boundary` is lost."""
    pair = as_preference(example)
    texts = _texts(pair, lose)
    if texts is None:
        return _shared_messages_row(pair, lose)
    chosen, rejected = texts[0] + texts[1], texts[0] + texts[2]
    if shared_text(chosen, rejected) != len(texts[0]):
        lose("prompt.boundary")
    return with_extra(
        {"chosen": chosen, "rejected": rejected, **_keys(pair, lose)}, pair.extra, known=_taken(pair, style="completion"), lose=lose
    )


def _shared_messages_row(pair: PreferenceExample, lose: Lose) -> Any:
    refuse_no_prompt(pair.prompt)
    own = len(pair.prompt)
    chosen, images = into_column(from_messages(pair.prompt + pair.chosen, lose), until=own)
    rejected, _ = into_column(from_messages(pair.prompt + pair.rejected, lose), until=own)
    if shared_messages(msgspec.to_builtins(chosen), msgspec.to_builtins(rejected)) != own:
        lose("prompt.boundary")
    row = {"chosen": chosen, "rejected": rejected, **beside(images), **_keys(pair, lose)}
    return with_extra(row, pair.extra, known=_taken(pair, style="chat"), lose=lose)


def _texts(pair: PreferenceExample, lose: Lose) -> tuple[str, str, str] | None:
    if pair.style != "completion":
        return None
    prompt, chosen, rejected = bare(pair.prompt, "user"), bare(pair.chosen, "assistant"), bare(pair.rejected, "assistant")
    if prompt is None or chosen is None or rejected is None or pair.tools:
        lose("style")
        return None
    return prompt, chosen, rejected


def _keys(pair: PreferenceExample, lose: Lose) -> dict[str, Any]:
    scores = zip(_SCORES, (pair.chosen_score, pair.rejected_score), strict=True)
    return {**tool_keys(pair, lose), **{key: score for key, score in scores if score is not None}}


def _taken(pair: PreferenceExample, *, style: Style) -> frozenset[str]:
    """A score of another kind that was kept as an extra may go back under its name."""
    free = {key for key in _SCORES if key in pair.extra and _score(pair.extra[key]) is None}
    return _known(style) - free if pair.chosen_score is None and pair.rejected_score is None else _known(style)


TRL_PREFERENCE = Format(
    name="trl-preference",
    summary='TRL preference: {"prompt": …, "chosen": …, "rejected": …}, texts or lists of messages',
    kinds=("preference",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode_texts, decode_messages),
)
TRL_IMPLICIT_PREFERENCE = Format(
    name="trl-implicit-preference",
    summary='TRL preference, implicit prompt: {"chosen": …, "rejected": …}, which begin with the same prompt',
    kinds=("preference",),
    sniff=sniff_shared,
    read=read_shared,
    write=write_shared,
    decode=(decode_shared_texts, decode_shared_messages),
)
