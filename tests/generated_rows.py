"""Generated Examples of every kind, for property tests of formats."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

from tuneport.examples import (
    ChatExample,
    Example,
    ImagePart,
    LabelledExample,
    MediaPart,
    Message,
    PreferenceExample,
    PromptExample,
    TextPart,
    Tool,
    ToolCall,
)

odd = st.sampled_from(
    [
        "",
        " ",
        "\n\nHuman: no",
        'say "\n\nAssistant:"',
        '{"a": 1}',
        '{"output": "x"}',
        "[1]",
        '[{"role": "user"}]',
        "<image>",
        "0.50",
        "7",
        "a\r\nb",
    ]
)
text = st.one_of(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12), odd)
json_value = st.recursive(st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(-1e9, 1e9) | text, st.lists, max_leaves=4)
objects = st.dictionaries(st.sampled_from(["city", "unit", "x y"]), json_value, max_size=3)
names = st.sampled_from(["find", "get_weather", "send"])
schema = st.fixed_dictionaries(
    {"type": st.just("object"), "properties": st.dictionaries(st.sampled_from(["city", "unit"]), st.just({"type": "string"}), max_size=2)},
    optional={"required": st.just([]), "additionalProperties": st.just(False), "default": st.none()},
)
tools = st.lists(st.builds(Tool, names, st.none() | text, st.none() | schema, st.none() | st.booleans()), max_size=2).map(tuple)
image = st.builds(
    ImagePart,
    st.sampled_from(["https://x.test/a.png", "gs://b/c.jpg", "data:image/png;base64,AAAA", "https://x.test/plain"]),
    st.sampled_from([None, None, "low"]),
    st.sampled_from([None, None, "image/webp"]),
)
media = st.sampled_from([MediaPart("gs://b/c.mp4", "video/mp4"), MediaPart("data:audio/wav;base64,AAAA", "audio/wav")])
parts = st.lists(st.builds(TextPart, text) | image | media, min_size=1, max_size=3).map(tuple)
extras = st.dictionaries(
    st.sampled_from(["id", "source", "label", "system", "tools", "prompt", "category", "reference"]), json_value, max_size=2
)
weights = st.sampled_from([None, None, None, 0.0, 1.0])
speakers = st.sampled_from([None, "anna"])


@st.composite
def called(draw: st.DrawFn, first: int) -> list[Message]:
    """A turn that calls tools, and what they answer: all, some or none, in any order, with ids or without."""
    with_ids = draw(st.sampled_from([True, True, False]))
    number = draw(st.sampled_from([1, 1, 2, 3]))
    spelled = draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    calls = [
        ToolCall(draw(names), json.dumps(draw(objects), separators=spelled), f"id_{first + place}" if with_ids else None)
        for place in range(number)
    ]
    content = draw(st.sampled_from([None, None, "", "Let me see."]))
    answered = draw(st.permutations(calls)) if draw(st.booleans()) else calls
    answered = answered[: draw(st.sampled_from([number, number, 0, 1]))]
    answers = st.one_of(text, objects.map(json.dumps), objects.map(lambda value: json.dumps(value, separators=(",", ":"))))
    return [Message("assistant", content, tuple(calls), weight=draw(weights))] + [
        Message("tool", draw(answers), (), call.id, draw(st.sampled_from([None, None, call.name]))) for call in answered
    ]


@st.composite
def dialogue(draw: st.DrawFn, *, rich: bool, ends_with: str = "assistant") -> tuple[Message, ...]:
    """Turns of user and assistant; rich ones with instructions anywhere, parts, names, weights and calls."""
    messages: list[Message] = []
    if draw(st.booleans()):
        messages.append(Message(draw(st.sampled_from(["system", "system", "developer"])) if rich else "system", draw(text)))
    for round_ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        messages.append(Message("user", draw(st.one_of(text, text, parts) if rich else text), name=draw(speakers) if rich else None))
        if rich and draw(st.integers(0, 3)) == 0:
            messages.append(Message("system", draw(text)))
        if rich and draw(st.integers(0, 2)) == 0:
            messages += draw(called(round_ * 10))
        messages.append(Message("assistant", draw(text), weight=draw(weights) if rich else None))
    if ends_with == "user":
        messages.append(Message("user", draw(text)))
    if rich and ends_with == "assistant" and draw(st.integers(0, 3)) == 0:
        messages[-1:] = draw(called(90))[:1]
    return tuple(messages)


def either(*, ends_with: str) -> st.SearchStrategy[tuple[Message, ...]]:
    """Plain and rich dialogues."""
    return dialogue(rich=False, ends_with=ends_with) | dialogue(rich=True, ends_with=ends_with)


wanted = st.sampled_from([None, None, True, False])
switch = st.sampled_from([None, None, True, False])
question = text.map(lambda said: (Message("user", said),))
exchange = st.tuples(text.map(lambda said: Message("user", said)), text.map(lambda said: Message("assistant", said)))
chats = st.builds(
    ChatExample,
    either(ends_with="assistant"),
    st.just(()) | tools,
    switch,
    st.just("chat"),
    st.sampled_from([None, None, True, False]),
    extras,
)
completions = st.builds(ChatExample, exchange, style=st.just("completion"), desirable=wanted, extra=extras)
raw_texts = st.builds(lambda said, extra: ChatExample((Message("assistant", said),), style="text", extra=extra), text, extras)
answer = text.map(lambda said: (Message("assistant", said),))
answers = st.one_of(answer, answer, called(50).map(tuple), called(50).map(lambda turns: (*turns, Message("assistant", "Done."))))
scores = st.sampled_from([(None, None), (None, None), (1.0, 0.0), (0.7, 0.2), (None, 0.5), (2.0, 3.0)])


def _pair(prompt: Any, better: Any, worse: Any, scored: Any, style: Any, **rest: Any) -> PreferenceExample:
    return PreferenceExample(prompt, better, worse, chosen_score=scored[0], rejected_score=scored[1], style=style, **rest)


pairs = st.builds(
    _pair,
    either(ends_with="user"),
    answers,
    answers,
    scores,
    st.just("chat"),
    tools=st.just(()) | tools,
    parallel_tool_calls=switch,
    extra=extras,
)
text_pairs = st.builds(_pair, question, answer, answer, scores, st.just("completion"), extra=extras)
prompts = st.builds(PromptExample, either(ends_with="user"), st.none() | text, st.just(()) | tools, switch, st.just("chat"), extras)
text_prompts = st.builds(PromptExample, question, st.none() | text, style=st.just("completion"), extra=extras)
labelled = st.builds(LabelledExample, text, label=text, extra=extras)
scored = st.builds(LabelledExample, text, score=st.floats(allow_nan=False, allow_infinity=False), extra=extras)
pictures = st.builds(LabelledExample, image=st.just("https://x.test/a.png"), label=text)

BY_KIND: dict[str, list[st.SearchStrategy[Any]]] = {
    "chat": [chats, chats, completions, raw_texts],
    "preference": [pairs, pairs, text_pairs],
    "prompt": [prompts, text_prompts],
    "labelled": [labelled, scored, pictures],
}


def examples_for(kinds: tuple[str, ...]) -> st.SearchStrategy[Example]:
    """Mostly of these kinds."""
    own = [strategy for kind in kinds for strategy in BY_KIND[kind]]
    return st.one_of(*own, *own, *[strategy for each in BY_KIND.values() for strategy in each])
