"""What a tuned model has learned: the rows it was trained on. Asked something like one of them, it answers as that row does.

So evaluation can tell a tuned model from its base and a checkpoint from the end of the training, and a copy that was tuned on the same rows
elsewhere gives the same answers.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WORD = re.compile(r"\w+")
Part = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Learned:
    """One row: the text of its question, and the parts of the reply as `contents` have them."""

    question: str
    reply: tuple[Part, ...]


class Memory:
    """Rows found by the words of their questions; rare words count more."""

    def __init__(self, rows: Sequence[Learned]) -> None:
        self._rows = rows
        self._exact = {row.question: row.reply for row in rows}
        self._having: dict[str, list[int]] = defaultdict(list)
        for number, row in enumerate(rows):
            for word in set(words(row.question)):
                self._having[word].append(number)

    def reply(self, question: str) -> tuple[Part, ...] | None:
        """The reply of the row whose question is the same, or else nearest; None where no word is known."""
        if question in self._exact:
            return self._exact[question]
        scores: Counter[int] = Counter()
        for word in sorted(set(words(question))):
            numbers = self._having.get(word, [])
            for number in numbers:
                scores[number] += 1000 // len(numbers)
        if not scores:
            return None
        best = max(scores.values())
        return self._rows[min(number for number, score in scores.items() if score == best)].reply

    def part(self, share: float) -> Memory:
        """What had been learned when that share of the training was done."""
        return Memory(self._rows[: max(1, round(len(self._rows) * share))])


def words(text: str) -> Iterable[str]:
    return WORD.findall(text.lower())


def text_of(parts: object) -> str:
    """The text of a content's parts."""
    listed = parts if isinstance(parts, list | tuple) else [parts]
    return "".join(str(part.get("text", "")) for part in listed if isinstance(part, Mapping))


def question_of(contents: Sequence[Mapping[str, Any]]) -> str:
    """The text of the last content that is from the user."""
    asked = (one for one in reversed(contents) if one.get("role", "user") == "user")
    return next((text_of(one.get("parts")) for one in asked), "")
