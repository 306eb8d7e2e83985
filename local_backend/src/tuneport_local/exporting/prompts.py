"""What an export is asked in its check: rows of the user's, held-out rows of the job, or ten fixed questions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tuneport.errors import TuneportError
from tuneport.examples import ChatExample, Message
from tuneport_local.trained import ADAPTER, MODEL

MOST = 10

_FIXED = (
    "What is the capital of Portugal?",
    "Write one sentence about the sea.",
    "How many days does a leap year have?",
    "I lost my card. What should I do?",
    "Name three colours.",
    "Translate 'good morning' into French.",
    "What is 17 + 25?",
    "Give me a short recipe for pancakes.",
    "Is water heavier than oil?",
    "Sum up in one line: The train was late because of snow.",
)


def fixed() -> tuple[ChatExample, ...]:
    """Ten questions of different kinds; the same for every export."""
    return tuple(ChatExample((Message("user", question),)) for question in _FIXED)


def held_out(trained: Path) -> tuple[ChatExample, ...]:
    """Up to ten of the validation rows of the job that `trained` (its adapter, model or a checkpoint) lies in; none where it has none."""
    job = trained.parent if trained.name in (ADAPTER, MODEL) else trained.parent.parent
    file = job / "data" / "validation.jsonl"
    if not file.is_file():
        return ()
    from tuneport.dataset import Dataset
    from tuneport.reference import as_chat

    try:
        return tuple(as_chat(row) for row in Dataset.read(file).take(MOST))
    except TuneportError:  # rows of a kind that is no conversation: there are the fixed ones
        return ()


def asked(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The conversation up to the answer."""
    return tuple(messages[:-1]) if messages and messages[-1].role == "assistant" else tuple(messages)
