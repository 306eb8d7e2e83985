"""Chat completions, graders, and what is said of bases: requests as the API spells them, and answers as they come."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from tuneport_openai.failure import OPEN
from tuneport_openai.wire.bases import closing
from tuneport_openai.wire.chats import chat_body
from tuneport_openai.wire.dialect import Dialect, compatible
from tuneport_openai.wire.graders import grader_body

from tuneport.errors import RecipeError, UsageError
from tuneport.examples import ImagePart, MediaPart, Message, TextPart, Tool, ToolCall
from tuneport.graders import MultiGrader, NumericAnswer, PythonGrader, RegexCheck, ScoreModel, StringCheck, TextSimilarity
from tuneport.provider import Generation

USER = Message("user", "hello")


# --- asking ----------------------------------------------------------------------------------------------------------------------------


def test_a_question_is_the_messages_and_how_to_answer() -> None:
    assert chat_body([Message("system", "be brief"), USER], model="ft:x", generation=Generation(max_tokens=5)) == {
        "model": "ft:x",
        "messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}],
        "max_completion_tokens": 5,
        "temperature": 0.0,
    }


def test_whatever_is_said_of_the_generation_is_asked_for() -> None:
    generation = Generation(max_tokens=9, temperature=0.5, top_p=0.9, seed=3, stop=("\n",))
    body = chat_body([USER], model="m", generation=generation, dialect=compatible("mine"))
    assert {key: value for key, value in body.items() if key not in ("model", "messages")} == {
        "max_tokens": 9,
        "temperature": 0.5,
        "top_p": 0.9,
        "seed": 3,
        "stop": ["\n"],
    }


def test_tools_calls_and_images_are_asked_in_openais_form_and_weights_are_not() -> None:
    messages = [
        Message("user", (TextPart("look"), ImagePart("https://example.com/a.png", detail="low"))),
        Message("assistant", None, (ToolCall("find", "{}", "call_9"),), weight=0),
        Message("tool", "found", tool_call_id="call_9"),
    ]
    body = chat_body(messages, model="m", generation=Generation(), tools=[Tool("find", "finds")])
    assert body["messages"][0]["content"][1] == {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "low"}}
    assert body["messages"][1] == {
        "role": "assistant",
        "tool_calls": [{"id": "call_9", "type": "function", "function": {"name": "find", "arguments": "{}"}}],
    }
    assert body["messages"][2] == {"role": "tool", "content": "found", "tool_call_id": "call_9"}
    assert body["tools"] == [{"type": "function", "function": {"name": "find", "description": "finds"}}]
    assert messages[1].weight == 0


def test_what_cannot_be_asked_is_refused_and_not_left_out() -> None:
    video = Message("user", (TextPart("look"), MediaPart("gs://bucket/a.mp4", "video/mp4")))
    for messages in ([video], [Message("user", None)], []):
        with pytest.raises(UsageError):
            chat_body(messages, model="m", generation=Generation())
    with pytest.raises(UsageError, match="4 at most"):
        chat_body([USER], model="m", generation=Generation(stop=("a", "b", "c", "d", "e")))


# --- answers ---------------------------------------------------------------------------------------------------------------------------


# --- graders ---------------------------------------------------------------------------------------------------------------------------


def test_each_grader_has_the_apis_form() -> None:
    assert grader_body(StringCheck(operation="ilike")) == {
        "type": "string_check",
        "name": "string_check",
        "input": "{{sample.output_text}}",
        "reference": "{{item.reference}}",
        "operation": "ilike",
    }
    assert grader_body(TextSimilarity(metric="rouge_l"))["evaluation_metric"] == "rouge_l"
    assert grader_body(PythonGrader(source="def grade(sample, item): return 1.0", image_tag="2025-05-08")) == {
        "type": "python",
        "name": "python",
        "source": "def grade(sample, item): return 1.0",
        "image_tag": "2025-05-08",
    }
    judge = ScoreModel(model="gpt-4.1", messages=({"role": "user", "content": "score"},), range=(0, 10), sampling={"temperature": 0.0})
    assert grader_body(judge) == {
        "type": "score_model",
        "name": "score_model",
        "model": "gpt-4.1",
        "input": [{"role": "user", "content": "score"}],
        "range": [0.0, 10.0],
        "sampling_params": {"temperature": 0.0},
    }


@pytest.mark.parametrize(
    ("grader", "right", "wrong"),
    [(RegexCheck(pattern=r"#### -?\d+\s*$"), "so\n#### 4", "4"), (NumericAnswer(), "it is 4.0", "5")],
    ids=["regex", "numeric"],
)
def test_graders_that_the_api_has_not_go_as_python_code_that_scores_alike(grader: Any, right: str, wrong: str) -> None:
    body, world = grader_body(grader), dict[str, Any]()
    exec(body["source"], world)

    assert (body["type"], body["name"]) == ("python", grader.name)
    for text, expected in ((right, 1.0), (wrong, 0.0)):
        assert world["grade"]({"output_text": text, "output_json": None}, {"reference": "#### 4"}) == expected


def test_several_graders_are_a_map_by_name_with_their_formula() -> None:
    body = grader_body(
        MultiGrader(name="both", graders={"exact": StringCheck(), "near": TextSimilarity(name="mine")}, formula="exact + near")
    )
    assert (body["type"], body["name"], body["calculate_output"]) == ("multi", "both", "exact + near")
    assert {key: grader["name"] for key, grader in body["graders"].items()} == {"exact": "exact", "near": "mine"}


def test_a_python_grader_of_256_kb_is_refused() -> None:
    with pytest.raises(RecipeError, match="256,000"):
        grader_body(PythonGrader(source="#" * 256_000))
    assert grader_body(PythonGrader(source="#" * 255_999))["type"] == "python"


# --- a closing platform ----------------------------------------------------------------------------------------------------------------


def test_a_closed_platform_is_told_with_its_dates_and_where_the_same_data_can_go() -> None:
    said = closing(on=date(2026, 11, 21), base="gpt-4.1-mini")
    for part in ("2026-05-07", "2027-01-06", "2027-01-14"):
        assert part in said.sentence
    for part in ("azure:gpt-4.1-mini-2025-04-14 (the same model)", "tuneport quote"):
        assert part in said.remedy
    assert "openai:" not in said.remedy


def test_without_a_base_the_sentence_is_about_one_that_is_still_trained() -> None:
    assert "2027-01-06" in closing(on=date(2026, 11, 21)).sentence
    assert "no new jobs since 2027-01-06" in closing(on=date(2027, 1, 8)).sentence


def test_where_no_end_is_known_nothing_is_said() -> None:
    assert closing(on=date(2026, 11, 21), dialect=Dialect("somebody")) == OPEN
    assert closing(on=date(2026, 11, 21), dialect=compatible("nebius")) == OPEN
