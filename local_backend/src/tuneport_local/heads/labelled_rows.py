"""Rows with a label or a score as they are trained on: a text as the model takes texts, without a chat template, or a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from tuneport.errors import DatasetError
from tuneport.examples import ChatExample, Example, LabelledExample
from tuneport.formats.format import BadRow
from tuneport_local.heads.head import Head
from tuneport_local.rows.rendering import RenderedRow, Template


@dataclass(frozen=True, slots=True)
class LabelledRow:
    """`text` are its tokens, `picture` the bytes of its file; it has one of them. `said` is its label or score, as the data have it."""

    text: RenderedRow | None
    picture: bytes
    said: str | float
    line: int

    @property
    def quoted(self) -> bool:
        """Whether its words hold control tokens of the model, which were read as plain text."""
        return self.text is not None and self.text.quoted

    @property
    def sequences(self) -> tuple[RenderedRow, ...]:
        """Its tokens; a picture has none."""
        return () if self.text is None else (self.text,)

    @property
    def trained_tokens(self) -> int:
        """None: what is learned is no token."""
        return 0

    @property
    def teaches(self) -> bool:
        """Every row with a label does."""
        return True

    @property
    def beside(self) -> bytes:
        """What it is beside its tokens."""
        return repr(self.said).encode() + self.picture

    def cut(self, tokens: int) -> LabelledRow:
        """Its first `tokens` tokens; the token that ends a text of its kind stays where there is one."""
        if self.text is None or len(self.text.input_ids) <= tokens:
            return self
        ids = self.text.input_ids
        return replace(self, text=RenderedRow((*ids[: tokens - 1], ids[-1]), (False,) * tokens, self.line, self.text.quoted))


class Labelled:
    """Texts and pictures with a label or a score. Raises DatasetError for what cannot be one."""

    needed = "a label or a score"

    def render(self, example: Example, tokenizer: Any, *, template: Template | None, line: int) -> LabelledRow:
        if not isinstance(example, LabelledExample):
            kind = example.__struct_config__.tag
            raise DatasetError(f"line {line}: a {kind} row; a head needs texts or images with a label or a score.", line=line)
        said = example.label if example.label is not None else example.score
        if said is None or said == "" or (isinstance(said, float) and not isfinite(said)):
            raise DatasetError(f"line {line}: the row has no label and no finite score.", line=line)
        if example.image is not None:
            return LabelledRow(None, _bytes_of(example.image, line), said, line)
        assert template is not None, "texts are rendered with what their tokenizer makes of control tokens"
        return LabelledRow(as_text(example.text or "", tokenizer, template=template, line=line), b"", said, line)


LABELLED = Labelled()


def as_text(text: str, tokenizer: Any, *, template: Template, line: int) -> RenderedRow:
    """The text as the model takes texts, between the tokens that it expects around them; control tokens in its words are plain text.

    Raises DatasetError for a text that says nothing.
    """
    if not text.strip():
        raise DatasetError(f"line {line}: the text is empty.", line=line, remedy="Remove the row.")
    ids = tokenizer(text, split_special_tokens=True).input_ids
    return RenderedRow(tuple(ids), (False,) * len(ids), line, template.control.stands_in([text]))


def asked(example: Example) -> tuple[str | None, str | None]:
    """The text or the address of the picture that is to be labelled. Raises BadRow for a row that is neither."""
    from tuneport.formats.recast import as_labelled

    if isinstance(example, ChatExample) and example.style == "text" and len(example.messages) == 1:
        return example.messages[0].text, None
    if isinstance(example, ChatExample) and (not example.messages or example.messages[-1].role != "assistant"):
        raise BadRow("the row ends without an answer; a text to be labelled stands under the key text, or before its answer.")
    row = as_labelled(example, lambda _: None)
    return row.text, row.image


def as_learned(example: Example, *, method: str) -> LabelledExample:
    """The row as `method` learns from it. Raises BadRow for one that cannot have a label, or a score."""
    from tuneport.formats.recast import as_labelled, number_text
    from tuneport.formats.regression import number_in

    row = as_labelled(example, lambda _: None)
    if method == "classify":
        label = row.label if row.label is not None or row.score is None else number_text(row.score)
        return LabelledExample(row.text, row.image, label)
    score = row.score if row.label is None else number_in(row.label)
    if score is None:
        raise BadRow("the row has no score, and its label or answer is no number; method regress needs one.")
    return LabelledExample(row.text, row.image, score=score)


def refuse_unknown_labels(rows: Sequence[LabelledRow], head: Head, *, name: str) -> None:
    """Raises DatasetError, with their lines, for rows whose label no training row has."""
    from tuneport_local.rows.prepared import named_lines

    strange = [row.line for row in rows if head.labels and row.said not in head.labels]
    if strange:
        count = len({row.said for row in rows if row.said not in head.labels})
        raise DatasetError(
            f"{name}: {count} {'label stands' if count == 1 else 'labels stand'} in none of the training rows: {named_lines(strange)}.",
            line=strange[0],
            remedy="Add rows with it to train on, or leave these out.",
        )


def target_of(row: LabelledRow, head: Head) -> int | float:
    """What the head is to give for the row: the place of its label, or its score in units of the spread."""
    if head.labels:
        return head.labels.index(str(row.said))
    return (float(row.said) - head.centre) / head.spread


def _bytes_of(address: str, line: int) -> bytes:
    from tuneport_local.rows.pictures import bytes_of

    try:
        return bytes_of(address)
    except BadRow as error:
        raise DatasetError(f"line {line}: {error}", line=line) from None
