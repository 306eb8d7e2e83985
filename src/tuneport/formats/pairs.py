"""Rows that are a question and an answer under two names: which names, and the Example they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from tuneport.examples import ChatExample, Example, Message
from tuneport.formats.format import BadRow
from tuneport.formats.lines import kind_of

CANONICAL = ("prompt", "completion", "text", "label", "system")
"""The names that `columns` may map."""

_RECOGNISED = (("prompt", "completion"), ("text", "label"), ("text", "category"), ("text", "intent"))


@dataclass(frozen=True, slots=True)
class Pair:
    """The names of a row's question, answer and, if there is one, system turn. A text with a label is learned as a conversation."""

    question: str
    answer: str
    system: str | None = None
    style: Literal["chat", "completion"] = "completion"

    @property
    def names(self) -> frozenset[str]:
        """All names that are used."""
        return frozenset(name for name in (self.question, self.answer, self.system) if name is not None)

    def example(self, row: Mapping[str, Any]) -> ChatExample:
        """The row as one user and one assistant turn; other names go to `extra`. Raises BadRow."""
        system = _text(row, self.system) if self.system is not None and row.get(self.system) not in (None, "") else None
        turns = (Message("user", _text(row, self.question)), Message("assistant", _text(row, self.answer)))
        extra = {name: value for name, value in row.items() if name not in self.names and value not in (None, "")}
        return ChatExample(turns if system is None else (Message("system", system), *turns), style=self.style, extra=extra)


def _text(row: Mapping[str, Any], name: str) -> str:
    if name not in row:
        raise BadRow(f'the key "{name}" is missing.')
    value = row[name]
    if not isinstance(value, str):
        raise BadRow(f'"{name}" is {kind_of(value)}, not a string.')
    return value


def pair_of(columns: Mapping[str, str], names: Iterable[str] = ()) -> Pair | None:
    """The pair that `columns` names, else the one recognised among `names`, else None."""
    for question, answer in _RECOGNISED[:2]:
        if question in columns or answer in columns:
            return Pair(columns.get(question, question), columns.get(answer, answer), columns.get("system", "system"), _style(question))
    present = frozenset(names)
    for question, answer in _RECOGNISED:
        if question in present and answer in present:
            return Pair(question, answer, columns.get("system", "system"), _style(question))
    return None


def _style(question: str) -> Literal["chat", "completion"]:
    return "completion" if question == "prompt" else "chat"


def turns(example: Example) -> tuple[str, str, tuple[str, ...], str | None]:
    """Question, answer, kinds of loss and system text of a row that a pair can hold. Raises BadRow for any other."""
    if not isinstance(example, ChatExample):
        raise BadRow(f"a {example.__struct_config__.tag} row cannot be written as prompt and completion.")
    messages = example.messages
    if [message.role for message in messages] not in (["user", "assistant"], ["system", "user", "assistant"]):
        raise BadRow("a conversation that is not one user turn and one assistant turn cannot be written as prompt and completion.")
    system = messages[0].text if messages[0].role == "system" else None
    return messages[-2].text, messages[-1].text, _lost(example), system


def _lost(example: ChatExample) -> tuple[str, ...]:
    lost = {"style"} if example.style != "completion" else set()
    for message in example.messages:
        lost |= {f"message.{key}" for key in _MESSAGE_KEYS if getattr(message, key) not in (None, ())}
        if isinstance(message.content, tuple):
            lost.add("message.parts")
    if example.tools:
        lost.add("tools")
    if example.parallel_tool_calls is not None:
        lost.add("parallel_tool_calls")
    return tuple(sorted(lost))


_MESSAGE_KEYS = ("name", "weight", "tool_calls", "tool_call_id")
