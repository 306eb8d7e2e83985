"""What a row asks and what it answers, whatever its kind: what duplicates and labels are told by."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from tuneport.examples import ChatExample, Example, LabelledExample, Message, PreferenceExample, TextPart


def question(example: Example) -> str:
    """Everything before the last answer, roles, calls and image addresses included."""
    if isinstance(example, LabelledExample):
        return example.text or example.image or ""
    if isinstance(example, PreferenceExample):
        return _said(example.prompt)
    messages = example.messages
    if isinstance(example, ChatExample) and messages and messages[-1].role == "assistant":
        messages = messages[:-1]
    return _said(messages)


def answer(example: Example) -> str | None:
    """The last answer: text, or calls of tools, or label, or score; None where a row has none."""
    if isinstance(example, LabelledExample):
        return example.label if example.label is not None else str(example.score)
    if isinstance(example, PreferenceExample):
        return _said(example.chosen)
    if isinstance(example, ChatExample):
        last = example.messages[-1] if example.messages else None
        return None if last is None or last.role != "assistant" else _content(last)
    return example.reference


def _said(messages: Iterable[Message]) -> str:
    return "\n".join(f"{message.role}: {_content(message)}" for message in messages)


def _content(message: Message) -> str:
    if message.content.__class__ is str and not message.tool_calls:
        return message.content
    if message.content is None or isinstance(message.content, str):
        parts = [message.content or ""]
    else:
        parts = [part.text if isinstance(part, TextPart) else part.url for part in message.content]
    return "\n".join(parts + [f"{call.name}({call.arguments})" for call in message.tool_calls])


def normalised(text: str) -> str:
    """Without differences of white space and letter case."""
    return " ".join(text.split()).casefold()


def digest(text: str, *, seed: int = 0) -> int:
    """64 bits of the text. Two texts share them by accident about once in 10^19 pairs."""
    return digest_of_bytes(text.encode("utf-8", "surrogatepass"), seed=seed)


def digest_of_bytes(data: bytes, *, seed: int = 0) -> int:
    """Likewise of bytes."""
    return int.from_bytes(blake2b(data, digest_size=8, key=str(seed).encode()[:64]).digest(), "big")
