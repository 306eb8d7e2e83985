"""When two Examples mean the same, and what is left of one when losses that were told are taken away."""

from __future__ import annotations

import json
import mimetypes
from collections.abc import Callable, Sequence
from typing import Any

from msgspec.structs import replace

from tuneport.examples import (
    ChatExample,
    Example,
    ImagePart,
    LabelledExample,
    MediaPart,
    Message,
    Part,
    PreferenceExample,
    PromptExample,
    TextPart,
    Tool,
    ToolCall,
    kind_of_example,
)
from tuneport.formats.calls import Waiting
from tuneport.formats.recast import number_text, recast

Messages = tuple[Message, ...]
Change = Callable[[Messages], Messages]


def same(before: Example, after: Example, told: set[str]) -> tuple[Example, Example]:
    """Both, reduced to what must be equal."""
    lost = set(told)
    if kind_of_example(before) != kind_of_example(after):
        before = recast(before, kind_of_example(after), lost.add)
    return left(before, lost, other=after), left(after, lost, other=before)


Spoken = ChatExample | PreferenceExample | PromptExample


def left(example: Example, told: set[str], *, other: Example) -> Example:
    """What is left of the meaning."""
    extra = {key: value for key, value in example.extra.items() if value not in (None, "") and f"extra.{key}" not in told}
    example = replace(example, extra=extra)
    return _labelled(example, told, other) if isinstance(example, LabelledExample) else _spoken(example, told, other)


def _labelled(example: LabelledExample, told: set[str], other: Example) -> LabelledExample:
    if "score.spelling" in told and example.label is not None:
        example = replace(example, label=number_text(float(example.label)))
    if isinstance(other, LabelledExample) and other.score is not None and example.label is not None:
        example = replace(example, label=None, score=float(example.label))
    return example


def _spoken(example: Spoken, told: set[str], other: Example) -> Spoken:
    changes: list[Change] = [_usual]
    if "tool_call.id" in told or not (_has_ids(example) and _has_ids(other)):
        changes.append(_numbered)
    for change in changes + [CHANGES[kind] for kind in CHANGES if kind in told]:
        example = _changed(example, change)
    tools = () if "tools" in told else tuple(_tool(tool, told) for tool in example.tools)
    example = replace(
        example,
        tools=tools,
        style="chat" if "style" in told else example.style,
        parallel_tool_calls=None if "parallel_tool_calls" in told else example.parallel_tool_calls,
    )
    if isinstance(example, ChatExample):
        return _chat(example, told)
    if isinstance(example, PromptExample) and "score.spelling" in told and example.reference is not None:
        return replace(example, reference=_spelled(example.reference))
    return _pair(example, told) if isinstance(example, PreferenceExample) else example


def _chat(example: ChatExample, told: set[str]) -> ChatExample:
    if example.desirable or "desirable" in told:
        example = replace(example, desirable=None)
    if "prompt.boundary" in told:
        joined = Message("assistant", "".join(message.text for message in example.messages))
        example = replace(example, messages=(joined,), style="text")
    return example


def _pair(example: PreferenceExample, told: set[str]) -> PreferenceExample:
    if "scores" in told or (example.chosen_score, example.rejected_score) == (1, 0):
        example = replace(example, chosen_score=None, rejected_score=None)
    if "prompt.boundary" in told:
        whole = [example.prompt + answer for answer in (example.chosen, example.rejected)]
        if example.style == "completion":
            whole = [(Message("assistant", "".join(message.text for message in messages)),) for messages in whole]
        example = replace(example, prompt=(), chosen=whole[0], rejected=whole[1])
    return example


def _tool(tool: Tool, told: set[str]) -> Tool:
    if "tool.strict" in told:
        tool = replace(tool, strict=None)
    return replace(tool, parameters=_without_nulls(tool.parameters)) if "tool.null" in told else tool


def _has_ids(example: Example) -> bool:
    if isinstance(example, LabelledExample):
        return True
    messages = _all(example)
    return all(call.id for message in messages for call in message.tool_calls) and all(
        message.tool_call_id for message in messages if message.role == "tool"
    )


def _all(example: ChatExample | PreferenceExample | PromptExample) -> Messages:
    return example.prompt + example.chosen + example.rejected if isinstance(example, PreferenceExample) else example.messages


def _changed(example: Any, change: Change) -> Any:
    if not isinstance(example, PreferenceExample):
        return replace(example, messages=change(example.messages))
    # the answers continue the prompt, so that pairing and numbering go on from it
    prompt = change(example.prompt)
    return replace(
        example,
        prompt=prompt,
        chosen=change(example.prompt + example.chosen)[len(prompt) :],
        rejected=change(example.prompt + example.rejected)[len(prompt) :],
    )


def _each(change: Callable[[Message], Message]) -> Change:
    return lambda messages: tuple(map(change, messages))


def _usual(messages: Messages) -> Messages:
    """Differences in spelling that mean nothing."""
    waiting, found = Waiting(), []
    for message in messages:
        if message.role in ("system", "developer") and message.content == "":
            continue
        spelled = replace(message, content=_content(message), tool_calls=tuple(map(_call, message.tool_calls)))
        if spelled.tool_calls:
            waiting.called(spelled.tool_calls)
        call = waiting.answered(message.tool_call_id) if message.role == "tool" else None
        if call is not None and call.name == message.name:
            spelled = replace(spelled, name=None)
        if message.role == "assistant" and message.weight == 1:
            spelled = replace(spelled, weight=None)
        found.append(spelled)
    return tuple(found)


def _content(message: Message) -> Any:
    content = message.content
    if message.tool_calls and content == "":
        return None
    if isinstance(content, tuple):
        content = tuple(_image(part) if isinstance(part, ImagePart) else part for part in content)
        if len(content) == 1 and isinstance(content[0], TextPart):
            return content[0].text
    return content


def _image(part: ImagePart) -> ImagePart:
    head = part.url[5:].partition(";")[0] if part.url.startswith("data:") else mimetypes.guess_type(part.url)[0]
    return replace(part, mime_type=None) if part.mime_type == head else part


def _call(call: ToolCall) -> ToolCall:
    return replace(call, arguments=_canonical(call.arguments))


def _canonical(text: str) -> str:
    try:
        return json.dumps(json.loads(text), sort_keys=True)
    except ValueError:
        return text


def _numbered(messages: Messages) -> Messages:
    """Calls by their place in the conversation, answers by the call they are paired with."""
    waiting, found, number = Waiting(), [], 0
    named: list[tuple[ToolCall, str]] = []
    for message in messages:
        if message.tool_calls:
            # pairing goes by the old ids; the new ones are remembered beside them
            waiting.called(message.tool_calls)
            named = [(call, f"#{number + place}") for place, call in enumerate(message.tool_calls, 1)]
            number += len(named)
            found.append(replace(message, tool_calls=tuple(replace(call, id=name) for call, name in named)))
        elif message.role == "tool":
            call = waiting.answered(message.tool_call_id)
            found.append(replace(message, tool_call_id=next((name for old, name in named if old is call), None)))
        else:
            found.append(message)
    return tuple(found)


def _system_first(messages: Messages) -> Messages:
    said = "".join(message.text for message in messages if message.role in ("system", "developer")).replace("\n", "")
    rest = tuple(message for message in messages if message.role not in ("system", "developer"))
    return (Message("system", said), *rest) if said else rest


def _without_parts(kind: type) -> Change:
    def change(message: Message) -> Message:
        if not isinstance(message.content, tuple):
            return message
        kept = tuple(part for part in message.content if not isinstance(part, kind))
        return replace(message, content=kept[0].text if len(kept) == 1 and isinstance(kept[0], TextPart) else kept)

    return _each(change)


def _joined(message: Message) -> Message:
    """Texts that stand beside one another as one; empty ones as none."""
    if not isinstance(message.content, tuple):
        return message
    kept: list[Part] = []
    for part in message.content:
        if isinstance(part, TextPart) and kept and isinstance(kept[-1], TextPart):
            kept[-1] = TextPart(kept[-1].text + part.text)
        elif not isinstance(part, TextPart) or part.text:
            kept.append(part)
    return replace(message, content=tuple(kept) if any(not isinstance(part, TextPart) for part in kept) else message.text)


def _parts(change: Callable[[ImagePart], ImagePart]) -> Change:
    def changed(message: Message) -> Message:
        if not isinstance(message.content, tuple):
            return message
        return replace(message, content=tuple(change(part) if isinstance(part, ImagePart) else part for part in message.content))

    return _each(changed)


def _in_order(messages: Messages) -> Messages:
    """Neighbouring answers sorted by what they answer."""
    found: list[Message] = []
    for message in messages:
        place = len(found)
        while message.role == "tool" and place and found[place - 1].role == "tool" and _number(found[place - 1]) > _number(message):
            place -= 1
        found.insert(place, message)
    return tuple(found)


def _number(message: Message) -> tuple[int, str]:
    return len(message.tool_call_id or ""), message.tool_call_id or ""


def _one_by_one(messages: Messages) -> Messages:
    found: list[Message] = []
    for place, message in enumerate(messages):
        answers = [each for each in _tail(messages[place + 1 :]) if len(message.tool_calls) > 1]
        if message.role == "tool" and found and found[-1].role == "tool" and message in found:
            continue
        if len(answers) < 2:
            if message not in found or message.role != "tool":
                found.append(message)
            continue
        for call in message.tool_calls:
            found.append(replace(message, content=None, tool_calls=(call,)))
            found += [answer for answer in answers if answer.tool_call_id == call.id]
    return tuple(found)


def _tail(messages: Sequence[Message]) -> list[Message]:
    answers: list[Message] = []
    for message in messages:
        if message.role != "tool":
            break
        answers.append(message)
    return answers


def _spelled(text: str) -> str:
    try:
        return number_text(float(text))
    except ValueError:
        return text


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(inner) for key, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _calls(change: Callable[[ToolCall], ToolCall]) -> Change:
    return _each(lambda message: replace(message, tool_calls=tuple(map(change, message.tool_calls))))


CHANGES: dict[str, Change] = {
    "tool.order": lambda messages: _in_order(_numbered(messages)),
    "tool_call.text": _each(lambda message: replace(message, content=None) if message.tool_calls else message),
    "tool_call.null": _calls(lambda call: replace(call, arguments=_canonical(json.dumps(_without_nulls(json.loads(call.arguments)))))),
    "tool_call.parallel": lambda messages: _numbered(_one_by_one(_numbered(messages))),
    "tool.pairing": _each(lambda message: replace(message, tool_call_id=None, name=None) if message.role == "tool" else message),
    "tool.spelling": _each(lambda message: replace(message, content=_canonical(message.text)) if message.role == "tool" else message),
    "score.spelling": _each(lambda message: replace(message, content=_spelled(message.text)) if message.role == "assistant" else message),
    "message.name": _each(lambda message: replace(message, name=None)),
    "message.weight": _each(lambda message: replace(message, weight=None)),
    "message.tool_call_id": _each(lambda message: message if message.role == "tool" else replace(message, tool_call_id=None)),
    "answers.earlier": _each(lambda message: replace(message, weight=None)),
    "part.image": _without_parts(ImagePart),
    "part.media": _without_parts(MediaPart),
    "message.parts": _each(_joined),
    "image.detail": _parts(lambda part: replace(part, detail=None)),
    "image.mime_type": _parts(lambda part: replace(part, mime_type=None)),
    "role.developer": _each(lambda message: replace(message, role="system") if message.role == "developer" else message),
    "system": lambda messages: tuple(message for message in messages if message.role not in ("system", "developer")),
    "system.turns": _system_first,
    "system.position": _system_first,
}
"""What each loss takes from messages; the others concern the row."""
