"""The conversations in a row, whatever its kind, and the texts in them: what all ways of counting share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from tuneport.examples import (
    ChatExample,
    Example,
    ImagePart,
    LabelledExample,
    Message,
    PreferenceExample,
    TextPart,
    Tool,
)


def messages_of(example: Example) -> tuple[Message, ...]:
    """All messages of the row, each once. A text with its label is what it becomes for a chat model: a question and an answer."""
    if isinstance(example, PreferenceExample):
        return example.prompt + example.chosen + example.rejected
    if isinstance(example, LabelledExample):
        asked = (ImagePart(example.image),) if example.image is not None else example.text or ""
        said = example.label if example.label is not None else f"{example.score or 0:g}"
        return (Message("user", asked), Message("assistant", said))
    return example.messages


def tools_of(example: Example) -> tuple[Tool, ...]:
    """The tools that the row offers."""
    return () if isinstance(example, LabelledExample) else example.tools


def is_raw(example: Example) -> bool:
    """Whether the row is put before a model as it is, without the marks of a conversation."""
    return not isinstance(example, LabelledExample) and example.style != "chat"


def texts_of(example: Example) -> Iterator[str]:
    """Every text of the row that a model reads: what is said, names, calls and tools."""
    for message in messages_of(example):
        yield message.text
        if message.name:
            yield message.name
        for call in message.tool_calls:
            yield call.name
            yield call.arguments
    for tool in tools_of(example):
        try:
            yield msgspec.json.encode(tool).decode()
        except RecursionError:  # deeper than any file that can be read
            yield f"{tool.name} {tool.description}"


def unusual(example: Example) -> tuple[str, ...]:
    """What the row holds that is no conversation of texts, by name: tools, images, media, pair."""
    if example.__class__ is ChatExample and not example.tools and _all_text(example.messages):
        return ()
    messages = messages_of(example)
    parts = [part for message in messages if isinstance(message.content, tuple) for part in message.content]
    found = {
        "tools": bool(tools_of(example)) or any(message.tool_calls or message.role == "tool" for message in messages),
        "images": any(isinstance(part, ImagePart) for part in parts),
        "media": any(not isinstance(part, TextPart | ImagePart) for part in parts),
        "pair": isinstance(example, PreferenceExample),
    }
    return tuple(name for name, there in found.items() if there)


def _all_text(messages: Sequence[Message]) -> bool:
    return all(message.content.__class__ is str and not message.tool_calls and message.role != "tool" for message in messages)
