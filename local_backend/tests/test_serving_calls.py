"""How an answer's text is split into words, thoughts and calls, and a request into what is computed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tuneport_local.rows.rendering import Template
from tuneport_local.serving.calls import Piece, Reader, Speech, speech_of
from tuneport_local.serving.request import ChatRequest, Refusal, read_request
from tuneport_local.serving.wire import Call
from tuneport_local.serving.words import Words, silent_tokens

from .tiny import CHATML, CHATML_WITH_TOOLS, tiny_tokenizer

HERMES = (
    "{% if tools %}<|im_start|>system\n{% for tool in tools %}{{ tool | tojson }}{% endfor %}<|im_end|>\n{% endif %}"
    "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}"
    '{% for call in message.tool_calls or [] %}\n<tool_call>\n{"name": "{{ call.function.name }}", "arguments": '
    "{{ call.function.arguments | tojson }}}\n</tool_call>{% endfor %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
BARE = HERMES.replace("\\n<tool_call>\\n", "").replace("\n<tool_call>\n", "").replace("\n</tool_call>", "")
TOOLS: list[dict[str, Any]] = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
CALL = '{"name": "f", "arguments": {"a": 1}}'


def speech(template: str, *, kind: str = "llama") -> Speech:
    tokenizer = tiny_tokenizer(template=template)
    return speech_of(tokenizer, kind, ends=Template.of(tokenizer).end_tokens)


def read(speech: Speech, pieces: Iterable[str], *, tools: list[dict[str, Any]] = TOOLS) -> tuple[str, str, list[tuple[str, Any]]]:
    """(words, thoughts, calls) of an answer that comes in these pieces."""
    reader = Reader(speech, prompt="<|im_start|>assistant\n", tools=tools)
    found = [part for piece in pieces for part in reader.feed(piece)] + list(reader.end())
    texts = ["".join(part.text for part in found if isinstance(part, Piece) and part.kind == kind) for kind in ("content", "thoughts")]
    return texts[0], texts[1], [(part.name, json.loads(part.arguments)) for part in found if isinstance(part, Call)]


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    ("template", "call"),
    [(HERMES, f"<tool_call>\n{CALL}\n</tool_call>"), (CHATML_WITH_TOOLS, '<tool_call>f {"a": 1}</tool_call>')],
)
def test_a_call_is_read_as_the_chat_template_writes_it(template: str, call: str, *, at_once: bool) -> None:
    text = f"One moment.\n{call}\n{call}"
    words, _, calls = read(speech(template), [text] if at_once else text)
    assert (words.strip(), calls) == ("One moment.", [("f", {"a": 1})] * 2)


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize(
    "broken", ["<tool_call>\n{oh no}\n</tool_call>", '<tool_call>\n{"name": "f", "arg', "<tool_call>\n[1]\n</tool_call>"]
)
def test_a_call_that_cannot_be_read_is_told_as_words_and_nothing_is_lost(broken: str, *, at_once: bool) -> None:
    text = f"Hello {broken} there"
    words, _, calls = read(speech(HERMES), [text] if at_once else text)
    assert words == text
    assert calls == []


def test_nothing_is_a_call_where_no_tools_were_shown() -> None:
    assert read(speech(HERMES), f"<tool_call>\n{CALL}\n</tool_call>", tools=[]) == (f"<tool_call>\n{CALL}\n</tool_call>", "", [])


def test_what_transformers_knows_of_a_kind_of_model_tells_its_thoughts_apart() -> None:
    found = speech(HERMES, kind="qwen3")
    text = f"<think>\nHm.\n</think>\n\nHello.\n<tool_call>\n{CALL}\n</tool_call>"
    words, thoughts, calls = read(found, text)
    assert (words.strip(), thoughts.strip(), calls) == ("Hello.", "Hm.", [("f", {"a": 1})])
    assert [part.strip() for part in read(found, "<think>\nHm.\n</think>\n\nHello.", tools=[])[:2]] == ["Hello.", "Hm."]


def test_tools_need_a_template_that_shows_them_and_calls_that_can_be_told_from_words() -> None:
    assert not speech(CHATML).tools
    assert not speech(BARE).tools
    assert speech(HERMES).json_marks == ("<tool_call>", "</tool_call>")
    assert speech(CHATML_WITH_TOOLS).json_marks is None


@pytest.mark.parametrize("text", ["Where is my card? Yes, 12 – née Zoë 🙂 漢字", "🙂🙂", " lead", "one\n\ntwo\t"])
def test_the_pieces_of_a_text_add_up_whatever_its_characters(text: str) -> None:
    tokenizer = tiny_tokenizer()
    words = Words(tokenizer)
    tokens = tokenizer(text, add_special_tokens=False).input_ids
    pieces = [words.add(token) for token in tokens]
    assert "".join(pieces) + words.rest() == text
    assert "\ufffd" not in "".join(pieces)


@pytest.mark.parametrize(
    ("stop", "left"), [(("card",), "Where is my "), (("my card? Y", "zzz"), "Where is "), (("nowhere",), "Where is my card? Yes")]
)
def test_nothing_of_a_stop_string_is_told(stop: tuple[str, ...], left: str) -> None:
    tokenizer = tiny_tokenizer()
    words = Words(tokenizer, stop=stop)
    told = "".join(words.add(token) for token in tokenizer("Where is my card? Yes", add_special_tokens=False).input_ids)
    assert told + words.rest() == left
    assert words.stopped == (left != "Where is my card? Yes")


def test_control_tokens_are_no_words() -> None:
    tokenizer = tiny_tokenizer()
    words = Words(tokenizer, silent=silent_tokens(tokenizer))
    ids = tokenizer("Yes", add_special_tokens=False).input_ids
    assert "".join(map(words.add, [1, *ids, 2])) + words.rest() == "Yes"
    assert silent_tokens(tokenizer, spoken="<|im_start|>") == {0, 2}


def request(**more: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "?"}], **more}).encode()


def test_what_is_left_out_is_as_it_is_at_openai() -> None:
    found = read_request(request())
    assert (found.generation.temperature, found.generation.top_p, found.generation.stop, found.max_tokens) == (1.0, 1.0, (), None)
    assert not found.stream
    assert not found.one_call


def test_an_earlier_answer_may_be_sent_back_as_it_came() -> None:
    earlier = {
        "role": "assistant",
        "content": "!",
        "refusal": None,
        "annotations": [],
        "audio": None,
        "function_call": None,
        "tool_calls": None,
    }
    asked = [{"role": "user", "content": "?"}, earlier, {"role": "user", "content": "?"}]
    assert [message.role for message in read_request(request(messages=asked)).messages] == ["user", "assistant", "user"]


def test_settings_without_effect_are_taken_and_those_that_change_the_answer_are_not() -> None:
    read_request(
        request(user="u", store=False, metadata={"a": "b"}, frequency_penalty=0, n=1, logprobs=False, response_format={"type": "text"})
    )
    for setting in (
        {"logit_bias": {"5": 1}},
        {"presence_penalty": 1},
        {"reasoning_effort": "high"},
        {"modalities": ["audio"]},
        {"seed": 1.5},
    ):
        with pytest.raises(Refusal) as caught:
            read_request(request(**setting))
        assert (caught.value.status, caught.value.param) == (400, next(iter(setting)))


def test_a_stop_string_that_would_keep_everybody_waiting_is_refused() -> None:
    assert read_request(request(stop="z" * 500)).generation.stop == ("z" * 500,)
    with pytest.raises(Refusal, match="more than 500 characters"):
        read_request(request(stop=["a", "z" * 501]))


@pytest.mark.parametrize(("asked", "drawn"), [(1e-50, 0.0), (1e-38, 0.0), (0, 0.0), (0.01, 0.01)])
def test_a_temperature_that_no_number_can_be_divided_by_is_none(asked: float, drawn: float) -> None:
    assert read_request(request(temperature=asked)).generation.temperature == drawn


def test_the_smaller_of_two_limits_holds() -> None:
    assert read_request(request(max_tokens=9, max_completion_tokens=5)).max_tokens == 5


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
MESSAGE = st.fixed_dictionaries(
    {"role": JSON | st.sampled_from(["user", "assistant", "tool"])}, optional={"content": JSON, "tool_calls": JSON}
)
NAMES = ("tools", "stop", "seed", "temperature", "tool_choice", "stream_options", "n", "response_format", "functions")
SETTINGS = dict.fromkeys(NAMES, JSON)


def outcome(body: bytes) -> ChatRequest | Refusal:
    try:
        return read_request(body)
    except Refusal as refusal:
        return refusal


@given(st.fixed_dictionaries({"model": JSON | st.just("m"), "messages": JSON | st.lists(MESSAGE, max_size=3)}, optional=SETTINGS))
def test_whatever_json_is_sent_is_a_request_or_is_refused(body: dict[str, Any]) -> None:
    found = outcome(json.dumps(body).encode())
    assert found.messages if isinstance(found, ChatRequest) else (found.status == 400 and found.message)


@given(st.binary(max_size=40))
def test_whatever_bytes_are_sent_are_refused(body: bytes) -> None:
    assert isinstance(outcome(body), Refusal)


def test_a_refusal_never_repeats_what_was_said() -> None:
    for wrong in ({"role": "user", "content": {"secret": "words"}}, {"role": "secret words", "content": "?"}, {"content": "secret words"}):
        with pytest.raises(Refusal) as caught:
            read_request(request(messages=[wrong]))
        assert "secret" not in caught.value.message
