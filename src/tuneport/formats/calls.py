"""Which call of a tool an answer answers, where formats say it by id, by name or by order alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from tuneport.examples import Message, ToolCall
from tuneport.formats.format import BadRow


class Waiting:
    """The calls that are not answered yet. A turn that calls again starts anew."""

    def __init__(self) -> None:
        self._calls: list[ToolCall] = []

    def called(self, calls: Sequence[ToolCall]) -> None:
        """The assistant calls tools."""
        self._calls = list(calls)

    def answered(self, call_id: str | None) -> ToolCall | None:
        """The call with that id, or without one the first that waits; None where there is none."""
        for place, call in enumerate(self._calls):
            if call_id is None or call.id == call_id:
                return self._calls.pop(place)
        return None

    def named(self, name: str) -> ToolCall | None:
        """The first call of that name."""
        found = next((call for call in self._calls if call.name == name), None)
        if found is not None:
            self._calls.remove(found)
        return found

    def first_named(self, name: str) -> ToolCall | None:
        """Likewise; it goes on waiting."""
        return next((call for call in self._calls if call.name == name), None)


def our_id(number: int) -> str:
    """The id that the calls of a conversation get from us where they have none, counted from 1."""
    return f"call_{number}"


class Ids:
    """Tells whether ids say more than the order of the calls does."""

    def __init__(self) -> None:
        self._number = 0

    def are_lost(self, calls: Sequence[ToolCall]) -> bool:
        """Whether one of these, the next calls of the conversation, has another id than ours."""
        start = self._number + 1
        self._number += len(calls)
        return any(call.id not in (None, our_id(number)) for number, call in enumerate(calls, start))


def with_ids(messages: Sequence[Message]) -> Sequence[Message]:
    """The messages with ids of ours, `call_1` and so on, for calls that have none. Raises BadRow for an answer that cannot be paired."""
    if all(call.id for message in messages for call in message.tool_calls) and all(
        message.tool_call_id for message in messages if message.role == "tool"
    ):
        return messages
    return list(_numbered(messages))


def _numbered(messages: Sequence[Message]) -> Iterator[Message]:
    taken = {call.id for message in messages for call in message.tool_calls}
    free = (name for name in (our_id(number) for number in range(1, 1 << 30)) if name not in taken)
    waiting = Waiting()
    for message in messages:
        if message.tool_calls:
            calls = tuple(call if call.id else ToolCall(call.name, call.arguments, next(free)) for call in message.tool_calls)
            waiting.called(calls)
            yield msgspec.structs.replace(message, tool_calls=calls)
        elif message.role == "tool":
            call = waiting.answered(message.tool_call_id or None)
            if call is None and not message.tool_call_id:
                raise BadRow("a tool's answer does not say which call it answers.")
            yield message if call is None else msgspec.structs.replace(message, tool_call_id=call.id)
        else:
            yield message
