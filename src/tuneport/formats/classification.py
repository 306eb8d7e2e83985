"""Classification: one `{"text": "…", "label": "…"}` a row; `category` and `intent` are read as labels too."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tuneport.examples import Example, LabelledExample
from tuneport.formats.extras import others, with_extra
from tuneport.formats.format import BadRow, Decoded, Format, Lose, Row
from tuneport.formats.json_values import kind_of
from tuneport.formats.recast import as_labelled
from tuneport.formats.texts import are_texts, share, text_of, usual


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    text: str
    label: str


_KNOWN = frozenset({"text", "label"})
SPELLINGS = ({"label": "category"}, {"label": "intent"})
_lines = msgspec.json.Decoder(_Row).decode_lines


def sniff(rows: Sequence[Row]) -> float:
    """Rows of a text with a label that is no fraction."""
    return share(rows, [are_texts(row, "text") and isinstance(row.get("label"), str | int) for row in rows], 0.85)


def decode(data: bytes) -> Decoded:
    """Rows without other keys."""
    rows = _lines(data)
    return Decoded([LabelledExample(row.text, label=row.label) for row in rows], 2 * len(rows))


def read(row: Row, lose: Lose) -> LabelledExample:
    """A label that is a number or true or false is taken as the text that JSON writes for it."""
    key = next((spelling["label"] for spelling in SPELLINGS if spelling["label"] in row), "label") if "label" not in row else "label"
    row = usual(row, SPELLINGS)
    if "label" not in row:
        raise BadRow('the key "label" is missing.')
    label = row["label"]
    if isinstance(label, bool | int):
        label = str(label).lower()
    if not isinstance(label, str):
        raise BadRow(f'"{key}" is {kind_of(label)}, not a string.')
    return LabelledExample(text_of(row, "text"), label=label, extra=others(row, _KNOWN))


def write(example: Example, lose: Lose) -> object:
    """A conversation of one text and one answer is a text with a label. A row with a score has none."""
    row = as_labelled(example, lose)
    if row.label is None:
        raise BadRow("the row has a score instead of a label.")
    if row.text is None:
        raise BadRow("the row is an image with a label, which classification of text cannot hold.")
    return with_extra(_Row(row.text, row.label), row.extra, known=_KNOWN, lose=lose)


CLASSIFICATION = Format(
    name="classification",
    summary='text and label: {"text": "…", "label": "…"} (also category, intent)',
    kinds=("labelled",),
    sniff=sniff,
    read=read,
    write=write,
    decode=(decode,),
    spellings=SPELLINGS,
)
