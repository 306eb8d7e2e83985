"""The chat API that vendors and engines share: what is asked, and what an answer says."""

from __future__ import annotations

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


def test_an_answer_tells_its_text_its_end_and_its_tokens() -> None:
    said = {
        "choices": [{"message": {"content": "refund"}, "finish_reason": "length"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 2},
    }
    found = prediction_of(said)
    assert (found.text, found.finish, found.tokens) == ("refund", "length", (7, 2))


def test_calls_of_tools_are_told_as_references_are() -> None:
    call = {"function": {"name": "find", "arguments": '{"id": 1}'}}
    message = {"content": [{"type": "text", "text": "One moment."}], "tool_calls": [call]}
    assert answer_of({"choices": [{"message": message}]}) == 'One moment.\nfind({"id": 1})'


@pytest.mark.parametrize("said", [{}, {"choices": []}, {"choices": ["no"]}, {"choices": None}])
def test_an_answer_without_a_choice_cannot_be_read(said: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="without a choice"):
        prediction_of(said)


def test_a_piece_of_a_stream_adds_its_text_and_one_that_only_counts_adds_nothing() -> None:
    assert delta_of({"choices": [{"delta": {"content": "re"}}]}) == "re"
    assert delta_of({"choices": [{"delta": {"role": "assistant"}}]}) == ""
    assert delta_of({"choices": [], "usage": {"prompt_tokens": 3}}) == ""
