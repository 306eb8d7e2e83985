"""What an emulated tune has learned: the rows it was trained on. Asked something like one of them, it answers as that row does.

So evaluation can tell a tuned model from its base and a checkpoint from the end of the training, and a copy that was tuned on the same rows
elsewhere gives the same answers.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

WORD = re.compile(r"\w+")
R = TypeVar("R")
"""What a reply is at the vendor."""


@dataclass(frozen=True)  # with slots, typing could not make one through an alias in Python 3.11
class Learned(Generic[R]):
    """One row: the text of its question, and the reply."""

    question: str
    reply: R


class Memory(Generic[R]):
    """Rows found by the words of their questions; rare words count more. Of `rows` the first `share` was seen."""

    def __init__(self, rows: Sequence[Learned[R]], *, share: float = 1.0) -> None:
        self._rows = rows[: max(1, round(len(rows) * share))]
        self._exact = {row.question: row.reply for row in self._rows}
        self._having: dict[str, list[int]] = defaultdict(list)
        for number, row in enumerate(self._rows):
            for word in _words(row.question):
                self._having[word].append(number)

    def reply(self, question: str) -> R | None:
        """The reply of the row whose question is the same, or else nearest; None where no word is known."""
        if question in self._exact:
            return self._exact[question]
        scores: Counter[int] = Counter()
        for word in sorted(_words(question)):
            numbers = self._having.get(word, [])
            for number in numbers:
                scores[number] += 1000 // len(numbers)
        if not scores:
            return None
        best = max(scores.values())
        return self._rows[min(number for number, score in scores.items() if score == best)].reply

    def part(self, share: float) -> Memory[R]:
        """What had been learned when that share of the training was done."""
        return Memory(self._rows, share=share)


def _words(text: str) -> set[str]:
    return set(WORD.findall(text.lower()))
