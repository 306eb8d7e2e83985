"""The chat API that vendors and engines share: what is asked, and what an answer says."""

from __future__ import annotations

from typing import Any

import pytest

from tuneport.chat_completions import answer_of, asked, delta_of, prediction_of
from tuneport.errors import UsageError
from tuneport.examples import MediaPart, Message, TextPart, ToolCall


def test_messages_are_asked_as_openai_spells_them_without_the_weights_of_training() -> None:
    messages = [Message("user", "Where?"), Message("assistant", None, (ToolCall("find", '{"id":1}', "call_9"),), weight=0)]
    first, second = asked([*messages, Message("tool", "there", tool_call_id="call_9")])[:2]
    assert first == {"role": "user", "content": "Where?"}
    assert second["tool_calls"][0]["function"] == {"name": "find", "arguments": '{"id":1}'}
    assert "weight" not in second


def test_media_that_the_api_has_no_form_for_are_refused_before_anything_is_sent() -> None:
    with pytest.raises(UsageError, match="audio, video or a document"):
        asked([Message("user", (TextPart("Hear:"), MediaPart("gs://b/x.mp4", "video/mp4")))])


def completion(message: Any, *, finish: Any = "stop", **more: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}], **more}


def test_an_answer_is_its_text_how_it_ended_and_its_tokens() -> None:
    said = prediction_of(
        completion({"role": "assistant", "content": "hi"}, finish="length", usage={"prompt_tokens": 7, "completion_tokens": 2})
    )
    assert (said.text, said.finish, said.tokens) == ("hi", "length", (7, 2))


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": None}, ""),
        ({"content": None, "refusal": "I cannot."}, "I cannot."),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "ab"),
        ({"content": None, "tool_calls": [{"id": "c", "function": {"name": "find", "arguments": '{"x": 1}'}}]}, 'find({"x": 1})'),
        ({"content": "so:", "tool_calls": [{"function": {"name": "find", "arguments": "{}"}}]}, "so:\nfind({})"),
        ({}, ""),
        (None, ""),
    ],
)
def test_an_answer_is_read_in_every_form_that_it_comes_in(message: Any, text: str) -> None:
    assert answer_of(completion(message)) == text


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        ("stop", "stop"),
        ("tool_calls", "tool_calls"),
        ("function_call", "tool_calls"),
        ("content_filter", "error"),
        (None, "stop"),
        ("eos", "stop"),
    ],
)
def test_how_an_answer_ended_has_our_words(word: str | None, finish: str) -> None:
    assert prediction_of(completion({"content": "x"}, finish=word)).finish == finish


@pytest.mark.parametrize("broken", [{}, {"choices": []}, {"choices": None}, {"choices": ["x"]}, {"error": {"message": "x"}}])
def test_an_answer_without_a_choice_cannot_be_read(broken: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="without a choice"):
        prediction_of(broken)


def test_the_pieces_of_a_stream_make_the_answer() -> None:
    chunks = [
        {"choices": [{"delta": {"role": "assistant", "content": ""}}]},
        {"choices": [{"delta": {"content": "hel"}}]},
        {"choices": [{"delta": {"content": "lo"}, "finish_reason": None}]},
        {"choices": [{"delta": {}, "finish_reason": "stop"}]},
        {"choices": [], "usage": {"total_tokens": 3}},
        {},
    ]
    assert "".join(map(delta_of, chunks)) == "hello"
