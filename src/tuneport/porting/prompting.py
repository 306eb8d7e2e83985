"""The untuned base under a prompt that is made of training rows: what the tune has to be better than to be worth it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

from tuneport.errors import DatasetError
from tuneport.examples import ChatExample, Example, Message
from tuneport.reference import as_chat, labels_prompt, reference

MOST_CHARS = 8_000
"""Of all examples in a prompt together: small models have little room."""
_LOOKED_AT = 1_000


def shots_from(rows: Iterable[Example], *, count: int) -> tuple[ChatExample, ...]:
    """Up to `count` conversations of text, with different answers as long as there are some."""
    fitting = [chat for chat in map(as_chat, islice(rows, _LOOKED_AT)) if _is_text(chat)]
    new: list[ChatExample] = []
    again: list[ChatExample] = []
    seen: set[str | None] = set()
    for chat in fitting:
        (again if reference(chat) in seen else new).append(chat)
        seen.add(reference(chat))
    chosen: list[ChatExample] = []
    room = MOST_CHARS
    for chat in (*new, *again):
        size = sum(len(message.text) for message in chat.messages)
        if len(chosen) < count and size <= room:
            chosen.append(chat)
            room -= size
    return tuple(chosen)


def instruction(rows: Iterable[Example]) -> str | None:
    """The labels to choose from, where the answers are labels."""
    try:
        return labels_prompt([row for row in rows if reference(row) is not None])
    except DatasetError:
        return None


def under_prompt(rows: Sequence[Example], *, shots: Sequence[ChatExample], system: str | None) -> list[Example]:
    """Each row after the shots, its own system turn first, as a conversation that ends with its reference."""
    return [_prompted(as_chat(row, system=system), shots) for row in rows]


def _prompted(chat: ChatExample, shots: Sequence[ChatExample]) -> ChatExample:
    first = [message for message in chat.messages[:1] if message.role in ("system", "developer")]
    told = [message for shot in shots for message in shot.messages if message.role in ("user", "assistant")]
    return msgspec.structs.replace(chat, messages=(*first, *map(_plain, told), *chat.messages[len(first) :]))


def _plain(message: Message) -> Message:
    return Message(message.role, message.text)


def _is_text(chat: ChatExample) -> bool:
    plain = all(isinstance(message.content, str) and not message.tool_calls and message.role != "tool" for message in chat.messages)
    return plain and chat.messages[-1:] != () and chat.messages[-1].role == "assistant" and bool(reference(chat))
