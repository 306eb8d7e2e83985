"""What a tuned model has learned: the rows it was trained on. Asked something like one of them, it answers as that row does.

So evaluation can tell a tuned model from its base, and a checkpoint from the end of the training, and every answer follows from the file.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from tuneport.testing.emulator import Blob
from tuneport_openai.emulator.bases import DPO, REINFORCEMENT
from tuneport_openai.emulator.tokens import text_of

MOST_ROWS = 20_000
WORD = re.compile(r"\w+")
Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Learned:
    """One row: the question's text and the reply, a message."""

    question: str
    reply: Message


class Memory:
    """The rows of a training file, found by the words of their questions; rare words count more."""

    def __init__(self, rows: Sequence[Learned]) -> None:
        self._rows = rows
        self._exact = {row.question: row.reply for row in rows}
        self._having: dict[str, list[int]] = defaultdict(list)
        for number, row in enumerate(rows):
            for word in _words(row.question):
                self._having[word].append(number)

    def reply(self, question: str) -> Message | None:
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


def read_memory(blob: Blob, method: str, *, share: float) -> Memory:
    """What a model has learned that has seen `share` of the training: that part of the rows."""
    with blob.open() as file:
        rows = [json.loads(line.decode("utf-8-sig")) for line in islice(file, MOST_ROWS) if line.strip()]
    return Memory([_learned(row, method) for row in rows[: max(1, round(len(rows) * share))]])


def question_of(messages: Iterable[Message]) -> str:
    """The text of the last message that is from the user."""
    return next((text_of(one.get("content")) for one in reversed(list(messages)) if one.get("role") == "user"), "")


def _learned(row: Mapping[str, Any], method: str) -> Learned:
    if method == DPO:
        return Learned(question_of(row["input"]["messages"]), row["preferred_output"][0])
    messages = row["messages"]
    if method == REINFORCEMENT:
        extra = next((value for name, value in row.items() if name not in ("messages", "tools", "response_format")), "")
        return Learned(question_of(messages), {"content": extra if isinstance(extra, str) else json.dumps(extra)})
    return Learned(question_of(messages[:-1]), messages[-1])


def _words(text: str) -> set[str]:
    return set(WORD.findall(text.lower()))
