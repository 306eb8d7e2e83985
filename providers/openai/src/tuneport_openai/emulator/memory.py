"""What a tuned model has learned: the rows it was trained on. Asked something like one of them, it answers as that row does.

So evaluation can tell a tuned model from its base, and a checkpoint from the end of the training, and every answer follows from the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

from tuneport.testing.emulator import Blob, recall
from tuneport_openai.emulator.bases import DPO, REINFORCEMENT
from tuneport_openai.emulator.tokens import text_of

MOST_ROWS = 20_000
Message = Mapping[str, Any]


Learned = recall.Learned[Message]
"""A row with the message that is its reply."""
Memory = recall.Memory[Message]


def read_memory(blob: Blob, method: str, *, share: float) -> Memory:
    """What a model has learned that has seen `share` of the training: that part of the rows."""
    with blob.open() as file:
        rows = [json.loads(line.decode("utf-8-sig")) for line in islice(file, MOST_ROWS) if line.strip()]
    return Memory([_learned(row, method) for row in rows], share=share)


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
