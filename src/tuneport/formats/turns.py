"""Conversations of text alone, for formats that have no place for parts, names, weights or tools."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tuneport.examples import ChatExample, ImagePart, Message, Part, PreferenceExample, PromptExample, TextPart
from tuneport.formats.format import BadRow, Lose


class Turn(NamedTuple):
    """`role` is system, user or assistant."""

    role: str
    text: str


def plain_text(content: str | tuple[Part, ...] | None, lose: Lose) -> str:
    """The text of a message. Raises BadRow where there is none."""
    if isinstance(content, str):
        return content
    texts = [part.text for part in content or () if isinstance(part, TextPart)]
    if not texts:
        raise BadRow("a turn holds no text.")
    if len(texts) > 1:
        lose("message.parts")
    for part in content or ():
        if not isinstance(part, TextPart):
            lose("part.image" if isinstance(part, ImagePart) else "part.media")
    return "".join(texts)


def plain_turns(messages: Iterable[Message], lose: Lose) -> list[Turn]:
    """The turns as they stand, a developer as the system. Raises BadRow for calls of tools and their answers."""
    turns = []
    for message in messages:
        if message.tool_calls or message.role == "tool":
            raise BadRow("the row calls a tool, which is no text.")
        lose_labels(message, lose)
        if message.role == "developer":
            lose("role.developer")
        turns.append(Turn("system" if message.role == "developer" else message.role, plain_text(message.content, lose)))
    return turns


def lose_labels(message: Message, lose: Lose) -> None:
    """What stands beside the text of a message."""
    if message.name is not None:
        lose("message.name")
    if message.weight is not None:
        lose("message.weight")
    if message.tool_call_id is not None:
        lose("message.tool_call_id")


def system_first(turns: Sequence[Turn], lose: Lose) -> tuple[str | None, list[Turn]]:
    """All that the system says, and the other turns."""
    said = [place for place, turn in enumerate(turns) if turn.role == "system"]
    if len(said) > 1:
        lose("system.turns")
    if said and said[-1] >= len(said):
        lose("system.position")
    rest = [turn for turn in turns if turn.role != "system"]
    return ("\n\n".join(turns[place].text for place in said) if said else None), rest


def exchange(chat: ChatExample, lose: Lose) -> tuple[str | None, str, str]:
    """System text if any, question and answer of a conversation of one exchange. Raises BadRow for any other."""
    system, rest = system_first(plain_turns(chat.messages, lose), lose)
    if [turn.role for turn in rest] != ["user", "assistant"]:
        raise BadRow("the conversation is not one user turn and one assistant turn.")
    lose_tools(chat, lose)
    return system, rest[0].text, rest[1].text


def lose_tools(example: ChatExample | PreferenceExample | PromptExample, lose: Lose) -> None:
    """The tools that are declared."""
    if example.tools:
        lose("tools")
    lose_parallel(example, lose)


def lose_parallel(example: ChatExample | PreferenceExample | PromptExample, lose: Lose) -> None:
    """Whether tools may be called at once."""
    if example.parallel_tool_calls is not None:
        lose("parallel_tool_calls")
