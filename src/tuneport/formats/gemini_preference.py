"""Gemini preference: `{"contents": […], "completions": [{"score": 1, "completion": {"role": "model", "parts": […]}}, …]}`.

Shape: Vertex AI preference tuning (facts of 2026-11-21) and GeminiPreferenceExample of google-genai (3.4.0): no tools. Of more than two
completions the best and the worst are kept. Scores 1 and 0 say no more than which is better, and are read as none.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from tuneport.examples import Example, Message, PreferenceExample
from tuneport.formats.extras import with_extra
from tuneport.formats.format import BadRow, Decoded, Format, Lose, Row
from tuneport.formats.gemini_contents import ContentWire, contents_of
from tuneport.formats.gemini_decoding import Instruction, PlainTurn, plain_messages, turn_keys
from tuneport.formats.gemini_turns import messages_of
from tuneport.formats.recast import as_preference
from tuneport.formats.texts import share
from tuneport.formats.turns import lose_tools


class _Scored(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    score: float
    completion: PlainTurn


class _PlainRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    contents: Annotated[tuple[PlainTurn, ...], msgspec.Meta(min_length=1)]
    completions: tuple[_Scored, _Scored]
    system_instruction: Instruction | None = None


class _CamelRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    contents: Annotated[tuple[PlainTurn, ...], msgspec.Meta(min_length=1)]
    completions: tuple[_Scored, _Scored]
    system_instruction: Instruction | None = msgspec.field(default=None, name="systemInstruction")


class _WrittenScore(msgspec.Struct, frozen=True, gc=False):
    score: float
    completion: ContentWire


class _Written(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    contents: list[ContentWire]
    completions: tuple[_WrittenScore, _WrittenScore]
    system_instruction: ContentWire | None = None


_KNOWN = frozenset({"contents", "completions", "system_instruction", "systemInstruction"})
_lines = msgspec.json.Decoder(_PlainRow).decode_lines
_camel_lines = msgspec.json.Decoder(_CamelRow).decode_lines


def sniff(rows: Sequence[Row]) -> float:
    """Rows with contents and completions."""
    return share(rows, [isinstance(row.get("contents"), list) and isinstance(row.get("completions"), list) for row in rows], 0.98)


def decode(data: bytes) -> Decoded:
    """Rows of two completions whose turns are one text each."""
    return _decoded(_lines(data))


def decode_camel(data: bytes) -> Decoded:
    """Likewise, with `systemInstruction`."""
    return _decoded(_camel_lines(data))


def _decoded(rows: Sequence[_PlainRow] | Sequence[_CamelRow]) -> Decoded:
    turns = [(*row.contents, row.completions[0].completion, row.completions[1].completion) for row in rows]
    least = 6 * len(rows) + turn_keys([row.system_instruction for row in rows], turns)
    return Decoded([_plain_example(row) for row in rows], least)


def _plain_example(row: _PlainRow | _CamelRow) -> PreferenceExample:
    one, other = row.completions
    if one.score == other.score or one.completion.role != "model" or other.completion.role != "model":
        raise msgspec.ValidationError("completions that need care")
    best, worst = (one, other) if one.score > other.score else (other, one)
    prompt = plain_messages(row.system_instruction, row.contents)
    answers = [(Message("assistant", each.completion.parts[0].text),) for each in (best, worst)]
    return PreferenceExample(prompt, answers[0], answers[1], (), None, *_scores(best.score, worst.score))


def _scores(best: float, worst: float) -> tuple[float | None, float | None]:
    return (None, None) if (best, worst) == (1, 0) else (best, worst)


def read(row: Row, lose: Lose) -> PreferenceExample:
    """Unknown keys go to `extra`; completions between the best and the worst are told."""
    for key in ("contents", "completions"):
        if key not in row:
            raise BadRow(f'the key "{key}" is missing.')
    prompt = messages_of(row.get("system_instruction", row.get("systemInstruction")), row["contents"], lose)
    scored = _scored(row["completions"], lose)
    if len(scored) > 2:
        lose("completions")
    (best, chosen), (worst, rejected) = max(scored, key=lambda pair: pair[0]), min(scored, key=lambda pair: pair[0])
    if best == worst:
        raise BadRow("completions: all have the same score, so none is better.")
    extra = {key: value for key, value in row.items() if key not in _KNOWN}
    return PreferenceExample(prompt, chosen, rejected, (), None, *_scores(best, worst), extra=extra)


def _scored(completions: Any, lose: Lose) -> list[tuple[float, tuple[Message, ...]]]:
    if not isinstance(completions, list) or len(completions) < 2:
        raise BadRow("completions: expected a list of at least two.")
    found = []
    for place, each in enumerate(completions):
        score = each.get("score") if isinstance(each, dict) else None
        if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score) or "completion" not in each:
            raise BadRow(f"completions[{place}]: needs a completion and a score that is a number.")
        for key in sorted(each.keys() - {"score", "completion"}):
            lose(f"completions.{key}")
        try:
            answer = messages_of(None, [each["completion"]], lose)
        except BadRow as error:
            raise BadRow(f"completions[{place}]: {error}") from None
        if [message.role for message in answer] != ["assistant"]:
            raise BadRow(f"completions[{place}].completion.role: the role must be model.")
        found.append((float(score), answer))
    return found


def write(example: Example, lose: Lose) -> Any:
    """The better first. Raises BadRow for an answer that is not one turn of the model, and for scores that say the opposite."""
    pair = as_preference(example)
    if pair.style != "chat":
        lose("style")
    lose_tools(pair, lose)
    instruction, contents = contents_of(pair.prompt, lose)
    if not contents:
        raise BadRow("the prompt has no turn of the user.")
    best, worst = _written_scores(pair, lose)
    completions = (_WrittenScore(best, _answer(pair.chosen, lose)), _WrittenScore(worst, _answer(pair.rejected, lose)))
    return with_extra(_Written(contents, completions, instruction), pair.extra, known=_KNOWN, lose=lose)


def _written_scores(pair: PreferenceExample, lose: Lose) -> tuple[float, float]:
    best, worst = pair.chosen_score, pair.rejected_score
    if best is None or worst is None:
        if best is not None or worst is not None:
            lose("scores")
        return 1, 0
    if best <= worst:
        raise BadRow("the better answer's score is not higher than the worse one's.")
    return best, worst


def _answer(messages: Sequence[Message], lose: Lose) -> ContentWire:
    _, contents = contents_of(messages, lose)
    if [message.role for message in messages] != ["assistant"]:
        raise BadRow("an answer is not one turn of the model.")
    return contents[0]


GEMINI_PREFERENCE = Format(
    name="gemini-preference",
    summary='Gemini preference: {"contents": […], "completions": [{"score": 1, "completion": {"role": "model", "parts": […]}}, …]}',
    kinds=("preference",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode, decode_camel),
    nested=("system_instruction", "systemInstruction", "contents", "completions"),
)
