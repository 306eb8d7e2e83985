"""What tools answer, in Gemini's form: all answers to one turn's calls stand in one turn of the user, in the order of the calls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuneport.examples import Message, ToolCall
from tuneport.formats.calls import Waiting
from tuneport.formats.format import BadRow, Lose
from tuneport.formats.json_values import json_text, object_of
from tuneport.formats.turns import plain_text


class Answers:
    """Gathers consecutive answers. Readers pair them by name: where that would pair others, `tool.pairing` is lost."""

    def __init__(self, lose: Lose) -> None:
        self._lose = lose
        self._calls: Sequence[ToolCall] = ()
        self._waiting = Waiting()
        self._places: list[int] = []
        self._parts: list[Any] = []

    @property
    def given(self) -> bool:
        """Whether there are answers to write."""
        return bool(self._parts)

    def called(self, calls: Sequence[ToolCall]) -> None:
        """The assistant calls tools."""
        if calls:
            self._calls = calls
            self._waiting.called(calls)

    def add(self, message: Message) -> None:
        """One answer of a tool. Raises BadRow when nothing says which."""
        call = self._waiting.answered(message.tool_call_id)
        name = message.name if call is None else call.name
        if name is None:
            raise BadRow("a tool's answer cannot be paired with a call, and Gemini asks for the name of what was called.")
        if call is None and (message.tool_call_id is not None or self._waiting.first_named(name)):
            self._lose("tool.pairing")
        if message.name not in (None, name):
            self._lose("message.name")
        self._places.append(len(self._calls) if call is None else next(at for at, each in enumerate(self._calls) if each is call))
        self._parts.append({"functionResponse": {"name": name, "response": self._response(plain_text(message.content, self._lose))}})

    def _response(self, text: str) -> dict[str, Any]:
        """A JSON object as it is; any other text under `output`, the name that the API documents for it."""
        value = object_of(text)
        if value is None or (value.keys() == {"output"} and isinstance(value["output"], str)):
            return {"output": text}
        if json_text(value) != text:
            self._lose("tool.spelling")
        return value

    def parts(self) -> tuple[Any, ...]:
        """All answers since the last time, in the order of the calls."""
        answered = {place: self._calls[place].name for place in self._places if place < len(self._calls)}
        for place, call in enumerate(self._calls):
            if self._waiting.first_named(call.name) is call and any(at > place and name == call.name for at, name in answered.items()):
                self._lose("tool.pairing")
        if self._places != sorted(self._places):
            self._lose("tool.order")
        parts = tuple(part for _, part in sorted(zip(self._places, self._parts, strict=True), key=lambda pair: pair[0]))
        self._places, self._parts = [], []
        return parts


def answer_text(response: dict[str, Any]) -> str:
    """The inverse of what is written."""
    plain = response.keys() == {"output"} and isinstance(response["output"], str)
    text: str = response["output"] if plain else json_text(response)
    return text
