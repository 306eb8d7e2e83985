"""The material of a parity report: what each held-out row asks, what is right, and what the old and the new model said to it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tuneport.errors import UsageError
from tuneport.examples import Example
from tuneport.exchange import question
from tuneport.model import Prediction
from tuneport.reference import reference


@dataclass(frozen=True, slots=True)
class Said:
    """One answer. `latency_s` is from the request to the whole answer, None where nobody took the time."""

    prediction: Prediction = field(repr=False)
    latency_s: float | None = None

    @classmethod
    def of(cls, text: str, *, finish: str = "stop", latency_s: float | None = None) -> Said:
        """An answer of which nothing but the text is known."""
        return cls(Prediction(text, finish=finish), latency_s)

    @property
    def failed(self) -> bool:
        """Whether the server could not answer: wrong for every metric of text, and the same as no other answer."""
        return self.prediction.finish == "error"

    @property
    def text(self) -> str:
        """What it says: the label where the server gave one, else the text; nothing where it failed."""
        if self.failed:
            return ""
        return self.prediction.text if self.prediction.label is None else self.prediction.label

    @property
    def tokens(self) -> tuple[int, int] | None:
        """(prompt, completion); None where the server did not count."""
        return self.prediction.tokens if any(self.prediction.tokens) else None


@dataclass(frozen=True, slots=True)
class ParityRow:
    """One held-out row. `number` tells it from the others (its line, from 1). An answer that is None was never had: the row is left out of
    what needs it. `prompted` is what an untuned base said under a prompt with examples."""

    number: int
    question: str = field(repr=False)
    reference: str | None = field(default=None, repr=False)
    old: Said | None = None
    new: Said | None = None
    prompted: Said | None = None


def rows_of(examples: Iterable[tuple[int, Example]]) -> tuple[ParityRow, ...]:
    """Rows without answers from (line, example), as `Dataset.numbered` gives them."""
    return tuple(ParityRow(line, question(example), reference(example)) for line, example in examples)


def archived_rows(records: Iterable[Mapping[str, Any]]) -> tuple[ParityRow, ...]:
    """Rows with the old model's answers, from the lines of an archive's `answers-….jsonl`. Raises UsageError for a line of another kind."""
    found = []
    for place, record in enumerate(records, start=1):
        if not {"line", "question", "answer"} <= record.keys():
            raise UsageError(
                f"line {place} of the archived answers has no 'line', 'question' or 'answer'.", remedy="Archive the model anew."
            )
        found.append(ParityRow(int(record["line"]), str(record["question"]), record.get("reference"), old=_archived(record)))
    return tuple(found)


def _archived(record: Mapping[str, Any]) -> Said:
    tokens = (int(record.get("prompt_tokens") or 0), int(record.get("completion_tokens") or 0))
    return Said(Prediction(str(record["answer"]), finish=str(record.get("finish") or "stop"), tokens=tokens))


def answered(
    rows: Sequence[ParityRow],
    *,
    old: Sequence[Said | None] | None = None,
    new: Sequence[Said | None] | None = None,
    prompted: Sequence[Said | None] | None = None,
) -> tuple[ParityRow, ...]:
    """The rows with these answers, in their order; what is not given stays as it is. Raises UsageError when the numbers do not fit."""
    given = {"old": old, "new": new, "prompted": prompted}
    for name, answers in given.items():
        if answers is not None and len(answers) != len(rows):
            raise UsageError(f"{len(answers)} answers ({name}) were given to {len(rows)} rows, so none can be matched to its row.")
    return tuple(
        replace(
            row,
            old=row.old if old is None else old[place],
            new=row.new if new is None else new[place],
            prompted=row.prompted if prompted is None else prompted[place],
        )
        for place, row in enumerate(rows)
    )
