"""What an export is asked in its check: rows of the user's, held-out rows of the job, rows it learned from, or ten fixed questions."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tuneport.errors import TuneportError
from tuneport.examples import ChatExample, Example, Message
from tuneport_local.jobs.trained import ADAPTER, MODEL

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


def of_job(trained: Path, purpose: str) -> tuple[Example, ...]:
    """Up to ten of the rows that the job of `trained` (its adapter, model or a checkpoint) has for 'train' or 'validation'; none where it
    has none, or where they are no conversations."""
    job = trained.parent if trained.name in (ADAPTER, MODEL) else trained.parent.parent
    file = job / "data" / f"{purpose}.jsonl"
    if not file.is_file() or not file.stat().st_size:
        return ()
    from tuneport.dataset import Dataset

    try:
        return tuple(Dataset.read(file).take(MOST))
    except TuneportError:
        return ()


def question(example: Example) -> ChatExample:
    """The row as a conversation up to the answer."""
    from tuneport.reference import as_chat

    chat = as_chat(example)
    messages = chat.messages[:-1] if chat.messages and chat.messages[-1].role == "assistant" else chat.messages
    return msgspec.structs.replace(chat, messages=messages)
