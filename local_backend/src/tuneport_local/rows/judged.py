"""Single answers that people wanted or did not want, as they are trained on. A pair is two of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from tuneport.errors import DatasetError
from tuneport.examples import ChatExample, Example, PreferenceExample
from tuneport.formats.format import BadRow
from tuneport_local.rows.pairs import answered, sides
from tuneport_local.rows.prepared import PreparedRows, Row
from tuneport_local.rows.rendering import RenderedRow, Template, render


@dataclass(frozen=True, slots=True)
class JudgedRow:
    """One answer, or the two of a pair, each with its prompt before it and learned from its own first token on."""

    answers: tuple[RenderedRow, ...]
    wanted: tuple[bool, ...]

    @property
    def line(self) -> int:
        """The line in its file."""
        return self.answers[0].line

    @property
    def quoted(self) -> bool:
        """Whether its words hold control tokens of the model, which were read as plain text."""
        return any(answer.quoted for answer in self.answers)

    @property
    def sequences(self) -> tuple[RenderedRow, ...]:
        """What of it goes through the model."""
        return self.answers

    @property
    def beside(self) -> bytes:
        """What it is beside its tokens: wanted or not."""
        return bytes(self.wanted)

    @property
    def trained_tokens(self) -> int:
        """Tokens of its answers."""
        return sum(answer.trained_tokens for answer in self.answers)

    @property
    def teaches(self) -> bool:
        """Whether each answer has tokens; those of a pair not the same ones."""
        return all(answer.teaches for answer in self.answers) and len({answer.input_ids for answer in self.answers}) == len(self.answers)

    def cut(self, tokens: int) -> JudgedRow:
        """The first `tokens` tokens of each answer with its prompt."""
        return replace(self, answers=tuple(answer.cut(tokens) for answer in self.answers))

    @property
    def apart(self) -> tuple[JudgedRow, ...]:
        """Each answer by itself."""
        return tuple(JudgedRow((answer,), (wanted,)) for answer, wanted in zip(self.answers, self.wanted, strict=True))


class Judged:
    """Rows of one answer that is marked as wanted or not, and pairs."""

    needed = "an answer that can be learned"

    def render(self, example: Example, tokenizer: Any, *, template: Template, line: int) -> JudgedRow:
        try:
            marked = _marked(example)
        except BadRow as error:
            raise DatasetError(f"line {line}: {error}", line=line) from None
        if not marked:
            what = "a chat row without its mark" if isinstance(example, ChatExample) else f"a {example.__struct_config__.tag} row"
            raise DatasetError(f"line {line}: {what}; method kto needs answers that are marked as wanted or not, or pairs.", line=line)
        answers = tuple(render(chat, tokenizer, template=template, line=line) for chat, _ in marked)
        return JudgedRow(answers, tuple(wanted for _, wanted in marked))


JUDGED = Judged()


def each_answer(prepared: PreparedRows[Row]) -> PreparedRows[Row]:
    """The same with one answer a row."""
    return replace(prepared, rows=tuple(answer for row in prepared.rows if isinstance(row, JudgedRow) for answer in row.apart))


def refuse_one_sided(rows: Sequence[JudgedRow], *, name: str) -> None:
    """Raises DatasetError when all answers are wanted, or none is."""
    wanted = sum(row.wanted[0] for row in rows)
    if wanted in (0, len(rows)):
        which, other = ("wanted", "unwanted") if wanted else ("unwanted", "wanted")
        raise DatasetError(
            f"{name}: all {len(rows)} answers are {which} ones; method kto learns from the difference.",
            remedy=f"Add rows with {other} answers, or train with method sft." if wanted else f"Add rows with {other} answers.",
        )


def _marked(example: Example) -> tuple[tuple[ChatExample, bool], ...]:
    """The conversations of a row, each with whether its last answer is wanted. Nothing before that answer is learned."""
    if isinstance(example, PreferenceExample):
        better, worse = sides(example)
        return (better, True), (worse, False)
    if isinstance(example, ChatExample) and example.desirable is not None:
        return ((msgspec.structs.replace(example, messages=answered(example.messages)), example.desirable),)
    return ()
