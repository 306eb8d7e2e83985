"""Regression: one `{"text": "…", "score": 0.5}` a row; the score is a finite number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec

from tuneport.examples import Example, LabelledExample
from tuneport.formats.extras import others, with_extra
from tuneport.formats.format import BadRow, Decoded, Format, Lose, Row
from tuneport.formats.json_values import kind_of
from tuneport.formats.recast import as_labelled, number_text
from tuneport.formats.texts import are_texts, share, text_of


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    text: str
    score: float


_KNOWN = frozenset({"text", "score"})
_lines = msgspec.json.Decoder(_Row).decode_lines


def sniff(rows: Sequence[Row]) -> float:
    """Rows of a text with a number, perhaps as text, and no label."""
    return share(rows, [are_texts(row, "text") and number_in(row.get("score")) is not None and "label" not in row for row in rows], 0.9)


def number_in(value: Any) -> float | None:
    """The number, also from the text that a table has for it; None for anything else, infinity included."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def decode(data: bytes) -> Decoded:
    """Rows without other keys."""
    rows = _lines(data)
    return Decoded([LabelledExample(row.text, score=row.score) for row in rows], 2 * len(rows))


def read(row: Row, lose: Lose) -> LabelledExample:
    """Other keys go to `extra`."""
    if "score" not in row:
        raise BadRow('the key "score" is missing.')
    score = number_in(row["score"])
    if score is None:
        raise BadRow(f'"score" is {kind_of(row["score"])}, not a finite number.')
    return LabelledExample(text_of(row, "text"), score=score, extra=others(row, _KNOWN))


def write(example: Example, lose: Lose) -> object:
    """A conversation whose answer is a number, or a text whose label is one, has that number as its score."""
    row = as_labelled(example, lose)
    if row.text is None:
        raise BadRow("the row is an image, which regression on text cannot hold.")
    score = row.score if row.label is None else number_in(row.label)
    if score is None or not math.isfinite(score):
        raise BadRow("the row has no score, and its label or answer is not a finite number.")
    if row.label is not None and number_text(score) != row.label:
        lose("score.spelling")
    return with_extra(_Row(row.text, score), row.extra, known=_KNOWN, lose=lose)


REGRESSION = Format(
    name="regression",
    summary='text and score: {"text": "…", "score": 0.5}',
    kinds=("labelled",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode,),
)
