"""What Gemini is asked for one answer, and what its answer says: pure."""

from __future__ import annotations

from typing import Any

import pytest
from tuneport_vertex.adapter.asking import _after_thoughts, without_thoughts
from tuneport_vertex.wire.asking import delta_of, least_thinking, prediction_of, question, why_silent

from tuneport.errors import UsageError
from tuneport.examples import ImagePart, Message, TextPart, Tool, ToolCall
from tuneport.provider import Generation

SHORT = Generation(max_tokens=20)


def answer(*parts: dict[str, Any], finish: str | None = "STOP", **usage: int) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": list(parts)}}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": usage}


def test_a_conversation_goes_as_the_training_rows_do() -> None:
    asked = question([Message("system", "Be brief."), Message("user", "Where?")], generation=SHORT, base="gemini-3.5-flash")
    assert asked.contents == [{"role": "user", "parts": [{"text": "Where?"}]}]
    assert asked.config["systemInstruction"] == {"role": "system", "parts": [{"text": "Be brief."}]}
    assert (asked.config["maxOutputTokens"], asked.config["temperature"]) == (20, 0.0)
    assert not {"topP", "seed", "stopSequences", "tools"} & asked.config.keys()


def test_calls_their_answers_images_and_tools_go_in_geminis_form() -> None:
    messages = [
        Message("user", (TextPart("What is it?"), ImagePart("gs://b/cat.png"))),
        Message("assistant", None, (ToolCall("look", '{"deep": true}'),)),
        Message("tool", '{"found": "cat"}', name="look"),
    ]
    tools = [Tool("look", "Looks.", {"type": "object", "properties": {"deep": {"type": "boolean"}}})]
    asked = question(messages, generation=SHORT, base=None, tools=tools)
    assert asked.contents[0]["parts"][1] == {"fileData": {"mimeType": "image/png", "fileUri": "gs://b/cat.png"}}
    assert asked.contents[1]["parts"] == [{"functionCall": {"name": "look", "args": {"deep": True}}}]
    assert asked.contents[2] == {"role": "user", "parts": [{"functionResponse": {"name": "look", "response": {"found": "cat"}}}]}
    assert asked.config["tools"][0]["functionDeclarations"][0]["name"] == "look"


def test_settings_of_an_answer_are_sent_where_they_say_something() -> None:
    generation = Generation(max_tokens=9, temperature=0.5, top_p=0.9, seed=2**40 + 3, stop=("\n", "END"))
    config = question([Message("user", "x")], generation=generation, base=None).config
    assert (config["topP"], config["seed"], config["stopSequences"]) == (0.9, 3, ["\n", "END"])


def test_more_stop_strings_than_gemini_takes_are_refused() -> None:
    with pytest.raises(UsageError, match="6 stop strings; Gemini takes 5"):
        question([Message("user", "x")], generation=Generation(stop=tuple("abcdef")), base=None)


def test_a_conversation_that_cannot_be_said_is_refused_without_its_words() -> None:
    with pytest.raises(UsageError, match="cannot be asked") as refused:
        question([Message("tool", "secret words")], generation=SHORT, base=None)
    assert "secret words" not in str(refused.value)


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ("gemini-3.5-flash", {"thinkingLevel": "MINIMAL"}),
        ("publishers/google/models/gemini-3.1-flash-lite", {"thinkingLevel": "MINIMAL"}),
        ("gemini-3-pro", {"thinkingLevel": "LOW"}),
        ("gemini-2.5-flash", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", {"thinkingBudget": 128}),
        ("gemini-2.0-flash-001", None),
        ("qwen/qwen3@qwen3-8b", None),
        (None, None),
    ],
)
def test_each_generation_is_told_in_its_own_way_to_think_least(base: str | None, told: dict[str, Any] | None) -> None:
    assert least_thinking(base) == told
    assert "thinkingConfig" not in question([Message("user", "x")], generation=SHORT, base=base, thinking="usual").config


def test_thoughts_are_no_part_of_the_answer_but_of_what_it_costs() -> None:
    usage = {"promptTokenCount": 5, "candidatesTokenCount": 2, "thoughtsTokenCount": 40}
    said = answer({"text": "Let me see …", "thought": True}, {"text": "re"}, {"text": "fund"}, **usage)
    found = prediction_of(said)
    assert (found.text, found.finish, found.tokens) == ("refund", "stop", (5, 42))


def test_an_answer_that_only_thought_says_so() -> None:
    said = answer({"text": "Hm", "thought": True}, finish="MAX_TOKENS", thoughtsTokenCount=20)
    assert prediction_of(said).finish == "length"
    assert "20 tokens that were allowed went into thoughts" in why_silent(said)


def test_a_call_of_a_tool_is_told_as_references_are() -> None:
    said = answer({"text": "One moment."}, {"functionCall": {"name": "find", "args": {"id": 1}}, "thoughtSignature": "abc="})
    found = prediction_of(said)
    assert (found.text, found.finish) == ('One moment.\nfind({"id":1})', "tool_calls")


@pytest.mark.parametrize("finish", ["SAFETY", "PROHIBITED_CONTENT", "A_WORD_OF_TOMORROW"])
def test_what_was_stopped_by_a_filter_has_no_usable_answer(finish: str) -> None:
    said = {"candidates": [{"finishReason": finish}]}
    assert (prediction_of(said).text, prediction_of(said).finish) == ("", "error")
    assert finish in why_silent(said)


def test_a_prompt_that_was_blocked_has_no_answer_and_says_why() -> None:
    said = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}
    assert (prediction_of(said).finish, prediction_of(said).tokens) == ("error", (4, 0))
    assert "SAFETY" in why_silent(said)


def test_an_empty_answer_that_simply_ended_is_an_empty_answer() -> None:
    said = {"candidates": [{"finishReason": "STOP", "content": {"role": "model"}}]}
    assert (prediction_of(said).text, prediction_of(said).finish, why_silent(said)) == ("", "stop", "")


@pytest.mark.parametrize("said", [{"candidates": "no"}, {"candidates": [3]}, answer({"text": 5})])
def test_an_answer_of_another_shape_cannot_be_read(said: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"without a candidate|expected a string"):
        prediction_of(said)


def test_a_piece_of_a_stream_adds_neither_thoughts_nor_calls() -> None:
    assert delta_of(answer({"text": "Hm", "thought": True}, {"text": "re"}, {"functionCall": {"name": "x"}}, finish=None)) == "re"
    assert delta_of({"usageMetadata": {"promptTokenCount": 3}}) == ""


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (["<think>Hm", "m</think>", "\n\nrefund"], "refund"),
        (["<", "think>x</think>y", "z"], "yz"),
        (["refund", " it"], "refund it"),
        (["<thanks>"], "<thanks>"),
        (["<think>never done"], ""),
    ],
)
def test_thoughts_that_an_open_model_writes_out_are_left_out_of_a_stream_too(pieces: list[str], said: str) -> None:
    assert "".join(_after_thoughts(iter(pieces))).lstrip() == said
    assert without_thoughts("".join(pieces)) == said
