"""What a dataset is made of: one pass, counts only."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tuneport.examples import ChatExample, Example, LabelledExample, Message, PreferenceExample
from tuneport.reference import MAX_LABELS, is_label_like, reference


@dataclass(frozen=True, slots=True)
class Spread:
    """Least, median, most and sum of a count per row."""

    least: int
    median: int
    most: int
    total: int

    @classmethod
    def of(cls, counts: Iterable[int]) -> Spread:
        ordered = sorted(counts) or [0]
        return cls(ordered[0], ordered[len(ordered) // 2], ordered[-1], sum(ordered))

    def text(self) -> str:
        """For people."""
        if self.least == self.most:
            return f"{self.least:,}"
        return f"{self.least:,} to {self.most:,}, median {self.median:,}, {self.total:,} in all"


@dataclass(frozen=True, slots=True)
class Statistics:
    """A dataset in numbers. `labels` are the answers with their counts where they read like labels, the commonest first; else empty."""

    rows: int
    kinds: Mapping[str, int]
    turns: Spread
    asked: Spread
    answered: Spread
    labels: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; characters are of text only."""
        return {
            "rows": self.rows,
            "kinds": dict(self.kinds),
            "turns": asdict(self.turns),
            "characters_asked": asdict(self.asked),
            "characters_answered": asdict(self.answered),
            "labels": dict(self.labels),
        }


def measure(rows: Iterable[Example]) -> Statistics:
    """Counts every row. Raises DatasetError at the first that cannot be read."""
    kinds: Counter[str] = Counter()
    answers: Counter[str] = Counter()
    turns, asked, answered = array("Q"), array("Q"), array("Q")
    for row in rows:
        said = reference(row) or ""
        messages = _messages(row)
        kinds[str(row.__struct_config__.tag)] += 1
        turns.append(len(messages))
        answered.append(len(said))
        asked.append(max(0, sum(len(message.text) for message in messages) - len(said)))
        if said and len(answers) <= MAX_LABELS:
            answers[said] += 1
    labelled = len(answers) <= MAX_LABELS and is_label_like(list(answers.elements()))
    labels = dict(sorted(answers.items(), key=lambda pair: (-pair[1], pair[0]))) if labelled else {}
    return Statistics(len(turns), dict(kinds), Spread.of(turns), Spread.of(asked), Spread.of(answered), labels)


def _messages(row: Example) -> tuple[Message, ...]:
    if isinstance(row, LabelledExample):
        return (Message("user", row.text or ""), Message("assistant", row.label or ""))
    if isinstance(row, PreferenceExample):
        return row.prompt + row.chosen
    if isinstance(row, ChatExample):
        return row.messages
    return (*row.messages, Message("assistant", row.reference or ""))
