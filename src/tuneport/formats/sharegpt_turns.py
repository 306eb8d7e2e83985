"""ShareGPT's turns, from and to canonical messages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from tuneport.examples import Message, Role, Tool, ToolCall
from tuneport.formats.calls import Ids, Waiting
from tuneport.formats.format import BadRow, Lose
from tuneport.formats.json_values import arguments_of, json_text, kind_of, unpacked_once
from tuneport.formats.turns import lose_labels, plain_text


class Turn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One turn in the spelling that is written."""

    speaker: str = msgspec.field(name="from")
    value: str


Said = tuple[str, str]
"""Who speaks, and what."""

_ROLES: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "chatgpt": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "developer",
    "observation": "tool",
    "tool": "tool",
    "function_response": "tool",
}
_SPEAKERS: dict[str, str] = {"user": "human", "assistant": "gpt", "tool": "observation"}
_CALLS = frozenset({"function_call", "tool_call"})
_SPELLINGS = (("from", "value"), ("role", "content"))


def is_turn(turn: Any) -> bool:
    """Whether it says who speaks and what, in either spelling."""
    return isinstance(turn, dict) and any(isinstance(turn.get(who), str) and what in turn for who, what in _SPELLINGS)


def said(turn: Any, place: str, lose: Lose) -> Said:
    """Who says what. Raises BadRow; other keys that hold something are told."""
    if not isinstance(turn, dict):
        raise BadRow(f"{place}: expected an object, got {kind_of(turn)}.")
    who, what = _SPELLINGS[0] if "from" in turn else _SPELLINGS[1]
    speaker, value = turn.get(who), turn.get(what)
    if not isinstance(speaker, str) or not isinstance(value, str):
        raise BadRow(f"{place}: needs who it is from and a value, both texts.")
    for key in sorted(turn.keys() - {who, what}):
        if turn[key] not in (None, "", [], {}):
            lose(f"turn.{key}")
    return speaker, value


def messages_of(turns: Sequence[Said], system: str | None, lose: Lose) -> tuple[Message, ...]:
    """The messages, those of the key `system` first. Raises BadRow."""
    messages = [Message("system", system)] if system else []
    for place, (speaker, value) in enumerate(turns):
        role = _ROLES.get(speaker)
        if role is not None:
            messages.append(Message(role, value))
        elif speaker in _CALLS:
            messages.append(Message("assistant", None, _calls(value, f"conversations[{place}]", lose)))
        else:
            raise BadRow(f"conversations[{place}].from: must be human, gpt, system, function_call or observation.")
    return tuple(messages)


def _calls(value: str, place: str, lose: Lose) -> tuple[ToolCall, ...]:
    found = unpacked_once(value)
    calls = tuple(_call(each, lose) for each in ([found] if isinstance(found, dict) else found if isinstance(found, list) else []))
    if not calls or None in calls:
        raise BadRow(f'{place}.value: a function_call is JSON such as {{"name": "…", "arguments": {{…}}}}.')
    return tuple(call for call in calls if call is not None)


def _call(call: dict[str, Any], lose: Lose) -> ToolCall | None:
    name, arguments = call.get("name"), call.get("arguments", {})
    if not isinstance(name, str) or not isinstance(arguments, dict | str):
        return None
    for key in sorted(call.keys() - {"name", "arguments"}):
        lose(f"tool_call.{key}")
    return ToolCall(name, arguments if isinstance(arguments, str) else json_text(arguments))


def turns_of(messages: Sequence[Message], lose: Lose) -> list[Turn]:
    """The turns. Raises BadRow for what they cannot say."""
    if not messages:
        raise BadRow("there are no messages.")
    first, rest = _instructions(messages, lose)
    return first + list(_turns(rest, lose))


def _instructions(messages: Sequence[Message], lose: Lose) -> tuple[list[Turn], list[Message]]:
    """All that the system says as one turn, before the others."""
    places = [place for place, message in enumerate(messages) if message.role in ("system", "developer")]
    if len(places) > 1:
        lose("system.turns")
    if places and places[-1] >= len(places):
        lose("system.position")
    for place in places:
        lose_labels(messages[place], lose)
        if messages[place].role == "developer":
            lose("role.developer")
    texts = [plain_text(messages[place].content, lose) for place in places]
    rest = [message for message in messages if message.role not in ("system", "developer")]
    return ([Turn("system", "\n\n".join(texts))] if texts else []), rest


def _turns(messages: Sequence[Message], lose: Lose) -> Iterator[Turn]:
    place, ids = 0, Ids()
    while place < len(messages):
        message = messages[place]
        place += 1
        if message.weight is not None:
            lose("message.weight")
        if message.role == "tool":
            _lose_orphan(message, lose)
            yield Turn("observation", plain_text(message.content, lose))
        elif not message.tool_calls:
            lose_labels(message, lose)
            yield Turn(_SPEAKERS[message.role], plain_text(message.content, lose))
        else:
            if ids.are_lost(message.tool_calls):
                lose("tool_call.id")
            end = next((at for at in range(place, len(messages)) if messages[at].role != "tool"), len(messages))
            yield from _called(message, messages[place:end], lose)
            place = end


def _lose_orphan(answer: Message, lose: Lose) -> None:
    """An answer that does not follow a call says nothing of which it answers."""
    if answer.tool_call_id is not None:
        lose("tool.pairing")
    if answer.name is not None:
        lose("message.name")


def _called(message: Message, answers: Sequence[Message], lose: Lose) -> Iterator[Turn]:
    if message.name is not None:
        lose("message.name")
    if message.content:
        lose("tool_call.text")
    calls = [json_text({"name": call.name, "arguments": arguments_of(call.arguments)}) for call in message.tool_calls]
    texts = _answers(message.tool_calls, answers, lose)
    if len(texts) > 1:
        lose("tool_call.parallel")
    if len(calls) > 1 and not texts:
        yield Turn("function_call", f"[{','.join(calls)}]")
        return
    if texts and len(texts) != len(calls):
        raise BadRow("calls that are made at once are not answered one each.")
    for place, call in enumerate(calls):
        yield Turn("function_call", call)
        if texts:
            yield Turn("observation", texts[place])


def _answers(calls: Sequence[ToolCall], answers: Sequence[Message], lose: Lose) -> list[str]:
    """The texts of the answers in the order of the calls."""
    waiting, placed = Waiting(), []
    waiting.called(calls)
    for answer in answers:
        call = waiting.answered(answer.tool_call_id)
        if call is None:
            raise BadRow("a tool's answer does not belong to a call of the turn before it.")
        if answer.name not in (None, call.name):
            lose("message.name")
        if answer.weight is not None:
            lose("message.weight")
        placed.append((next(at for at, each in enumerate(calls) if each is call), plain_text(answer.content, lose)))
    if placed != sorted(placed, key=lambda pair: pair[0]):
        lose("tool.order")
    return [text for _, text in sorted(placed, key=lambda pair: pair[0])]


def tools_text(tools: Sequence[Tool], lose: Lose) -> str | None:
    """The functions bare, as JSON text; None for none."""
    if not tools:
        return None
    if any(tool.strict is not None for tool in tools):
        lose("tool.strict")
    functions = [{"name": tool.name, "description": tool.description, "parameters": tool.parameters} for tool in tools]
    return json_text([{key: value for key, value in function.items() if value is not None} for function in functions])
