"""What TRL calls standard and conversational: the prompt, the completion and both answers of a row are texts, or lists of messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from tuneport.examples import ChatExample, Message, PreferenceExample, PromptExample
from tuneport.formats.format import BadRow, Lose, Row
from tuneport.formats.hf_messages import messages_of, tools_text
from tuneport.formats.image_columns import images_of, marked
from tuneport.formats.json_values import kind_of, unpacked
from tuneport.formats.repeated_keys import refuse_repeated_keys
from tuneport.formats.turns import lose_parallel

Side = str | tuple[Message, ...]


def pictures_of(row: Row, keys: Sequence[str], lose: Lose) -> tuple[str, ...]:
    """The addresses of the pictures beside a row; none where these keys hold texts alone, which have no place for them. Raises BadRow."""
    return () if all(is_side(row, key, text=True) for key in keys) else images_of(row, lose)


def side_of(row: Row, key: str, lose: Lose, *, images: Sequence[str] = ()) -> Side:
    """The text or the messages under `key`, these with `images`; messages also as JSON text, which tables have. Raises BadRow."""
    if key not in row:
        raise BadRow(f'the key "{key}" is missing.')
    value = unpacked_messages(row[key])
    if isinstance(value, str):
        return value
    if isinstance(row[key], str):
        refuse_repeated_keys(row[key].encode(), value)
    if not isinstance(value, list | tuple):
        raise BadRow(f"{key}: expected a text or a list of messages, got {kind_of(value)}.")
    return messages_of(value, key, lose, images=images)


def unpacked_messages(value: Any) -> Any:
    """A list of messages from its JSON text; any other value as it is."""
    if not isinstance(value, str) or not value.startswith("["):
        return value
    found = unpacked(value)
    return found if isinstance(found, list) and found and all("role" in each for each in found) else value


def is_side(row: Row, key: str, *, text: bool) -> bool:
    """Whether the key holds a text, or else messages."""
    value = unpacked_messages(row.get(key))
    return isinstance(value, str) if text else isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def turns_of(side: Side, role: Any) -> tuple[Message, ...]:
    """A text as one message of `role`."""
    return (Message(role, side),) if isinstance(side, str) else side


def asked_of(prompt: Side, images: Sequence[str]) -> tuple[Message, ...]:
    """The messages of a prompt; a text as one of the user, which pictures come before."""
    asked = turns_of(prompt, "user")
    return marked(asked, images) if images and isinstance(prompt, str) else asked


def bare(messages: Sequence[Message], role: str) -> str | None:
    """The text of a list that is one message of `role` with nothing beside its text; None for any other list, and for a text that would
    be read as messages."""
    if len(messages) != 1 or messages[0].role != role or not isinstance(messages[0].content, str):
        return None
    text = messages[0].content
    return text if messages[0] == Message(messages[0].role, text) and unpacked_messages(text) is text else None


def certain(text: str) -> str:
    """The text of a decoded row. Raises msgspec.ValidationError for one that may be messages in a table."""
    if text[:1] == "[":
        raise msgspec.ValidationError("a text or messages")
    return text


def tool_keys(example: ChatExample | PreferenceExample | PromptExample, lose: Lose) -> dict[str, str]:
    """The tools as they stand beside the sides."""
    lose_parallel(example, lose)
    text = tools_text(example.tools)
    return {} if text is None else {"tools": text}


def answer_start(messages: Sequence[Message]) -> int:
    """Where what follows the last turn of the user begins: at the first answer there. Raises BadRow where no prompt or answer is."""
    asked = max((place for place, message in enumerate(messages) if message.role not in ("assistant", "tool")), default=-1)
    start = next((place for place in range(asked + 1, len(messages)) if messages[place].role == "assistant"), None)
    if start is None:
        raise BadRow("the row does not end with an answer of the assistant.")
    refuse_no_prompt(messages[:start])
    return start


def refuse_no_prompt(messages: Sequence[Message]) -> None:
    """Chat templates that are to end with a prompt want the last turn to be of the user, the assistant or a tool."""
    if not messages or messages[-1].role in ("system", "developer"):
        raise BadRow("the row has no turn of the user before the answer.")
