"""Formats: what is read, what is recognised, what survives, and what is said about rows that cannot be read."""

from __future__ import annotations

import base64
import contextlib
import gzip
import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneport.containers.jsonl import JSONL
from tuneport.dataset import Dataset
from tuneport.errors import DatasetError
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
from tuneport.formats import FORMATS, named, recognise
from tuneport.formats.format import BadFile, BadRow
from tuneport.formats.loss_kinds import meaning_of
from tuneport.formats.pairs_table import document
from tuneport.formats.reading import blocks

ROOT = Path(__file__).parents[1]
DATA = ROOT.parent / "shared" / "data"
ROW = {"messages": [{"role": "user", "content": "Where is my card?"}, {"role": "assistant", "content": "card_arrival"}]}
TURNS = (Message("user", "a"), Message("assistant", "b"))
SECRET = "4929-1234-secret"


class Listener:
    """Hears everything and lets reading go on."""

    def __init__(self) -> None:
        self.sentences: dict[int, str] = {}
        self.losses: list[tuple[int, str]] = []

    def bad(self, line: int, sentence: str) -> None:
        self.sentences[line] = sentence

    def lost(self, line: int, kind: str) -> None:
        self.losses.append((line, kind))


def read(data: bytes, format: str = "chat", **columns: str) -> tuple[list[tuple[int, Example]], Listener]:
    heard = Listener()
    raws = JSONL.read(io.BytesIO(data), heard)
    found = blocks(raws, format=named(format), columns=columns, notices=heard)
    return [row for block in found for row in zip(block.lines, block.examples, strict=True)], heard


def one(row: Any, format: str = "chat") -> Any:
    """The Example of one row that loses nothing."""
    rows, heard = read(json.dumps(row).encode(), format)
    assert not heard.sentences
    assert not heard.losses
    return rows[0][1]


def losses_of(row: Any, format: str) -> tuple[Any, list[str]]:
    rows, heard = read(json.dumps(row).encode(), format)
    assert not heard.sentences
    return rows[0][1], [kind for _, kind in heard.losses]


def written(example: Example, format: str) -> tuple[Any, list[str]]:
    """The row as JSON has it, and what was lost."""
    lost: list[str] = []
    row = named(format).write(example, lost.append)
    return msgspec.json.decode(msgspec.json.encode(row)), sorted(set(lost))


@settings(deadline=None, database=None, max_examples=200)
@given(st.binary(max_size=200) | st.recursive(st.just(ROW) | st.text(max_size=5), st.lists).map(lambda row: json.dumps(row).encode()))
def test_whatever_the_bytes_a_reader_gives_rows_or_sentences_and_never_crashes(data: bytes) -> None:
    for each in FORMATS:
        rows, heard = read(data, each.name)
        assert all(line >= 1 for line, _ in rows)
        assert all(line >= 1 and sentence for line, sentence in heard.sentences.items())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "user", "text", "a", SECRET, "[1]", '[{"role": "user"}]']),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["role", "content", "parts", "text", "from", "value"]), inner)
    ),
    max_leaves=6,
)
KEYS = sorted({key for each in FORMATS for key in (*each.nested, "prompt", "completion", "chosen", "rejected", "label", "text", "score")})
MORE_KEYS = ["input", "preferred_output", "non_preferred_output", "instruction", "output", "input_text", "output_text", "kind", "reference"]


@settings(deadline=None, database=None, max_examples=400)
@given(st.dictionaries(st.sampled_from(KEYS + MORE_KEYS), VALUES, max_size=4))
def test_any_object_is_a_row_or_is_refused_without_its_contents(row: dict[str, Any]) -> None:
    for each in FORMATS:
        _, heard = read(json.dumps(row).encode(), each.name)
        assert SECRET not in heard.sentences.get(1, "")
        assert all(meaning_of(kind) for _, kind in heard.losses)
    with contextlib.suppress(BadFile):
        assert 0 < recognise([row]).confidence <= 1


def test_chat_keeps_tools_calls_images_weights_and_unknown_keys() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"id": 7}'}}
    image = [{"type": "text", "text": "See:"}, {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}}]
    row: dict[str, Any] = {
        "messages": [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": image, "name": "anna"},
            {"role": "assistant", "content": None, "tool_calls": [call], "weight": 0},
            {"role": "tool", "tool_call_id": "call_1", "content": "found"},
            {"role": "assistant", "content": "Here.", "weight": 1},
        ],
        "tools": [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}, "strict": True}}],
        "parallel_tool_calls": False,
        "ticket": 12,
    }
    example = one(row)
    assert example.messages[1] == Message("user", (TextPart("See:"), ImagePart("https://x.test/a.png", "low")), name="anna")
    assert example.messages[2] == Message("assistant", tool_calls=(ToolCall("find", '{"id": 7}', "call_1"),), weight=0)
    assert example.messages[3].tool_call_id == "call_1"
    assert example.tools == (Tool("find", None, {"type": "object"}, True),)
    assert example.parallel_tool_calls is False
    assert example.extra == {"ticket": 12}
    del row["messages"][2]["content"]
    assert written(example, "chat") == (row, [])


def test_chat_says_which_keys_of_a_message_it_does_not_carry_unless_they_hold_nothing() -> None:
    row = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "refusal": None, "reasoning": "c"}]}
    assert losses_of(row, "chat") == (ChatExample(TURNS), ["message.reasoning"])


def test_an_unknown_key_beside_messages_changes_nothing_else_in_the_row() -> None:
    plain, extended = one(ROW), one({**ROW, "source": "mail"})
    assert extended.messages == plain.messages


def test_functions_of_2023_are_read_as_tools_and_written_as_such_with_ids() -> None:
    row = {
        "messages": [
            {"role": "user", "content": "a"},
            {"role": "assistant", "content": None, "function_call": {"name": "find", "arguments": "{}"}},
            {"role": "function", "name": "find", "content": "b"},
        ],
        "functions": [{"name": "find", "parameters": {"type": "object"}}],
    }
    example = one(row)
    assert example.messages[1].tool_calls == (ToolCall("find", "{}"),)
    assert example.messages[2].role == "tool"
    assert example.tools == (Tool("find", None, {"type": "object"}),)
    messages = written(example, "chat")[0]["messages"]
    assert messages[1]["tool_calls"][0]["id"] == messages[2]["tool_call_id"] == "call_1"


@pytest.mark.parametrize(
    ("messages", "sentence"),
    [
        ((), "there are no messages"),
        ((Message("user"),), "neither content nor tool calls"),
        ((Message("user", "a", (ToolCall("f", "{}", "x"),)),), "a turn of the user calls a tool"),
        ((Message("tool", "a"),), "does not say which call it answers"),
        ((Message("assistant", (ImagePart("u"),)),), "a turn of the assistant holds more than text"),
        ((Message("user", (MediaPart("gs://a.mp4", "video/mp4"),)),), "nothing is left of a turn's content"),
    ],
)
def test_what_openai_would_refuse_is_not_written(messages: tuple[Message, ...], sentence: str) -> None:
    with pytest.raises(BadRow, match=sentence):
        written(ChatExample(messages), "chat")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ("{", "not valid JSON"),
        ('{"messages": NaN}', "not valid JSON"),
        (r'{"messages": [{"role": "user", "content": "\ud800"}]}', "not valid JSON"),
        ('{"messages": ' + "[" * 100_000, "nested too deeply"),
        ("[1]", "this one is a list"),
        ("null", "this one is null"),
        (f'{{"text": "{SECRET}"}}', 'the key "messages" is missing'),
        ('{"messages": []}', "messages: must not be empty"),
        (f'{{"messages": "{SECRET}"}}', "messages: expected a list, got a string"),
        (f'{{"messages": [{{"role": "{SECRET}", "content": "x"}}]}}', "messages[0].role: the role must be system,"),
        (f'{{"messages": [{{"content": "{SECRET}"}}]}}', 'messages[0]: the key "role" is missing'),
        ('{"messages": [{"role": "user", "content": 4929}]}', "messages[0].content: expected a string or a list, got a number"),
        (f'{{"messages": [{{"role": "user", "content": [{{"type": "{SECRET}"}}]}}]}}', "content[0].type: of a type Tuneport does not read"),
        ('{"messages": [{"role": "user", "content": "x"}], "tools": [{"type": "function"}]}', 'tools[0]: the key "function" is missing'),
    ],
)
def test_a_chat_row_that_cannot_be_read_is_explained_without_its_contents(row: str, sentence: str) -> None:
    good = json.dumps(ROW)
    rows, heard = read(f"{good}\n{row}\n{good}".encode())
    assert [line for line, _ in rows] == [1, 3]
    assert list(heard.sentences) == [2]
    assert sentence in heard.sentences[2]
    assert SECRET not in heard.sentences[2]
    assert "4929" not in heard.sentences[2]


BAD_ROWS: list[tuple[str, Any, str]] = [
    ("azure", {"messages": [{"role": SECRET}]}, "messages[0].role: the role must be"),
    ("azureml", {"messages": SECRET}, "messages: expected a list"),
    ("preference", {"input": SECRET}, "input: expected an object, got a string"),
    ("preference", {"input": {"messages": [{"role": "user", "content": "a"}]}, "preferred_output": []}, "must not be empty"),
    ("preference", {"preferred_output": []}, 'the key "input" is missing'),
    ("preference", {"input": {"messages": []}}, "input: messages: must not be empty"),
    ("reinforcement", {"reference": SECRET}, 'the key "messages" is missing'),
    ("completion", {"prompt": SECRET}, 'the key "completion" is missing'),
    ("completion", {"prompt": "x", "completion": 4929}, '"completion" is a number, not a string'),
    ("gemini", {"contents": SECRET}, "contents: expected a list of turns, got a string"),
    ("gemini", {"contents": [{"role": SECRET, "parts": [{"text": "a"}]}]}, "contents[0].role: the role must be user or model"),
    ("gemini", {"contents": [{"parts": [{"functionCall": {"name": 1}}], "role": "model"}]}, "needs a name and an object of args"),
    ("gemini", {"contents": [{"parts": [{"fileData": {"fileUri": SECRET}}]}]}, "needs a mimeType and a fileUri"),
    ("gemini-preference", {"contents": [{"parts": [{"text": "a"}]}], "completions": [{}]}, "a list of at least two"),
    (
        "gemini-preference",
        {
            "contents": [{"parts": [{"text": "a"}]}],
            "completions": [{"score": 1, "completion": {"role": "model", "parts": [{"text": "a"}]}}] * 2,
        },
        "all have the same score",
    ),
    ("gemini-preference", {"contents": [], "completions": [{"score": SECRET}] * 2}, "contents: must not be empty"),
    ("palm", {"input_text": SECRET}, 'the key "output_text" is missing'),
    ("trl", {"messages": [{"role": "user", "content": {"a": SECRET}}]}, "messages[0].content: expected a string or a list"),
    ("trl", {"messages": [{"role": "user", "content": "a"}], "tools": SECRET}, "tools: expected a list, got a string"),
    (
        "trl-prompt-completion",
        {"prompt": [{"role": "user", "content": "a"}], "completion": SECRET},
        "completion: expected a list of messages",
    ),
    ("trl-preference", {"prompt": "a", "chosen": "b"}, 'the key "rejected" is missing'),
    ("trl-implicit-preference", {"chosen": [{"role": "user", "content": "a"}], "rejected": SECRET}, "one is a text, the other a list"),
    ("trl-kto", {"prompt": "a", "completion": "b", "label": SECRET}, '"label" is a string, not true or false'),
    ("trl-kto", {"prompt": "a", "completion": "b"}, 'the key "label" is missing'),
    ("trl-prompt", {"prompt": 4929}, "prompt: expected a text or a list of messages, got a number"),
    ("alpaca", {"instruction": SECRET}, 'the key "output" is missing'),
    ("alpaca", {"instruction": "a", "output": "b", "history": [[SECRET]]}, "[0]: "),
    ("sharegpt", {"conversations": [{"from": SECRET, "value": "a"}]}, "conversations[0].from: must be human, gpt"),
    ("sharegpt", {"conversations": [{"from": "function_call", "value": SECRET}]}, "a function_call is JSON such as"),
    ("sharegpt", {"conversations": SECRET}, "conversations: expected a list of turns, got a string"),
    (
        "trl",
        {"messages": [{"role": "user", "content": [{"type": "image"}]}]},
        "1 placeholders wait for pictures, and the row has 0 for them",
    ),
    (
        "trl",
        {"messages": [{"role": "user", "content": [{"type": "image"}]}], "images": [SECRET, SECRET]},
        "messages: 1 placeholders wait for pictures, and the row has 2 for them",
    ),
    ("trl", {"messages": [{"role": "user", "content": "a"}], "images": [4929]}, "images[0]: expected an address or an object with bytes"),
    ("trl", {"messages": [{"role": "user", "content": "a"}], "image": {"bytes": SECRET}}, "image[0].bytes: is not base64"),
    ("trl", {"messages": [{"role": "user", "content": "a"}], "image": {"bytes": "QUJD"}}, "image[0].bytes: is no picture in PNG"),
    ("trl", {"messages": [{"role": "user", "content": "a"}], "image": "a", "images": ["b"]}, 'under both "images" and "image"'),
    (
        "trl",
        {"messages": [{"role": "assistant", "content": "a"}], "image": SECRET},
        "no placeholder or text of the user that they belong to",
    ),
    (
        "trl-prompt-completion",
        {"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": [{"type": "image"}]}], "image": "a"},
        "completion: 1 placeholders wait for pictures, and the row has 0",
    ),
    (
        "sharegpt",
        {"conversations": [{"from": "human", "value": "<image><image>"}], "images": [SECRET]},
        'the texts hold <image> 2 times, and the row has 1 pictures under "images"',
    ),
    ("alpaca", {"instruction": "<image>", "output": "<image>", "images": [SECRET]}, "the texts hold <image> 2 times, and the row has 1"),
    ("text", {"text": 4929}, '"text" is a number, not a string'),
    ("classification", {"text": SECRET}, 'the key "label" is missing'),
    ("classification", {"text": "a", "category": [SECRET]}, '"category" is a list, not a string'),
    ("regression", {"text": "a", "score": SECRET}, '"score" is a string, not a finite number'),
    ("regression", {"text": "a", "score": "inf"}, "not a finite number"),
    ("hh", {"chosen": SECRET, "rejected": SECRET}, '"chosen" does not begin with a blank line and "Human:"'),
    ("canonical", {"kind": SECRET}, '"kind" must be chat, preference, prompt or labelled'),
    ("canonical", {"kind": "chat", "messages": [{"role": SECRET}]}, "messages[0].role: the role must be"),
]


@pytest.mark.parametrize(("format", "row", "sentence"), BAD_ROWS, ids=[f"{name}-{place}" for place, (name, _, _) in enumerate(BAD_ROWS)])
def test_a_bad_row_of_any_format_is_explained_without_its_contents(format: str, row: Any, sentence: str) -> None:
    rows, heard = read(json.dumps(row).encode(), format)
    assert rows == []
    assert sentence in heard.sentences[1]
    assert SECRET not in heard.sentences[1]
    assert "4929" not in heard.sentences[1]


def test_every_format_has_a_bad_row_among_those() -> None:
    assert {each.name for each in FORMATS} == {name for name, _, _ in BAD_ROWS} | {"chat"}


def test_a_line_that_is_not_utf8_is_named_with_the_byte() -> None:
    _, heard = read(b'{"messages": [{"role": "user", "content": "caf\xe9"}]}')
    assert "not valid UTF-8 (byte 47 of the line)" in heard.sentences[1]


def test_byte_order_mark_crlf_and_blank_lines_do_not_matter_and_lines_are_counted_as_an_editor_does() -> None:
    row = json.dumps(ROW).encode()
    rows, heard = read(b"\xef\xbb\xbf" + row + b"\r\n\r\n  \n" + row)
    assert [line for line, _ in rows] == [1, 4]
    assert not heard.sentences


def test_azure_is_chat_behind_a_byte_order_mark(tmp_path: Path) -> None:
    Dataset.from_examples([ChatExample(TURNS)]).write(tmp_path / "a.jsonl", format="azure")
    data = (tmp_path / "a.jsonl").read_bytes()
    assert data.startswith(b"\xef\xbb\xbf{")
    assert read(data)[0] == [(1, ChatExample(TURNS))]


def test_azure_ml_holds_text_alone() -> None:
    parts = (Message("developer", "s"), Message("user", (TextPart("a"), TextPart("b"))), Message("assistant", "c", weight=1))
    row, lost = written(ChatExample(parts, (Tool("f"),)), "azureml")
    assert row == {"messages": [{"role": role, "content": text} for role, text in (("system", "s"), ("user", "ab"), ("assistant", "c"))]}
    assert lost == ["message.parts", "message.weight", "role.developer", "tools"]


def test_a_completion_row_is_one_user_and_one_assistant_turn() -> None:
    row = {"prompt": "2+2=", "completion": " 4", "source": "book"}
    assert one(row, "completion") == ChatExample(
        (Message("user", "2+2="), Message("assistant", " 4")), style="completion", extra={"source": "book"}
    )


def test_completion_takes_other_keys_given_as_columns_and_a_system_turn() -> None:
    rows, _ = read(b'{"q": "a", "a": "b", "s": "c"}', "completion", prompt="q", completion="a", system="s")
    assert rows[0][1] == ChatExample((Message("system", "c"), *TURNS), style="completion")


def test_preference_is_read_and_written_as_openai_has_it() -> None:
    row = {
        "input": {"messages": [{"role": "user", "content": "a"}], "tools": [{"type": "function", "function": {"name": "f"}}]},
        "preferred_output": [{"role": "assistant", "content": "b"}],
        "non_preferred_output": [{"role": "assistant", "content": "c"}],
    }
    example = one(row, "preference")
    assert example == PreferenceExample((Message("user", "a"),), (Message("assistant", "b"),), (Message("assistant", "c"),), (Tool("f"),))
    assert written(example, "preference") == (row, [])


def test_an_answer_of_two_messages_is_no_output_at_openai() -> None:
    pair = PreferenceExample((Message("user", "a"),), TURNS[::-1], (Message("assistant", "c"),))
    with pytest.raises(BadRow, match="not one message of the assistant"):
        written(pair, "preference")


def test_reinforcement_keeps_the_reference_and_any_other_key_for_graders() -> None:
    row = {"messages": [{"role": "user", "content": "2+2="}], "reference": "4", "tolerance": 0.1}
    example = one(row, "reinforcement")
    assert example == PromptExample((Message("user", "2+2="),), "4", extra={"tolerance": 0.1})
    assert written(example, "reinforcement") == (row, [])
    structured = {"messages": row["messages"], "reference": {"value": 4}}
    assert written(one(structured, "reinforcement"), "reinforcement") == (structured, [])


def test_a_prompt_that_ends_with_an_answer_is_no_row_of_reinforcement() -> None:
    with pytest.raises(BadRow, match="the last message is not the user's"):
        written(PromptExample(TURNS), "reinforcement")


def test_gemini_reads_both_spellings_and_pairs_answers_with_calls_by_name() -> None:
    contents = [
        {"role": "user", "parts": [{"text": "a"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"x": 1}}}, {"function_call": {"name": "g"}}]},
        {"role": "user", "parts": [{"functionResponse": {"name": "g", "response": {"output": "two"}}}]},
        {"role": "user", "parts": [{"function_response": {"name": "f", "response": {"n": 1}}}, {"text": "and?"}]},
        {"role": "model", "parts": [{"text": "hm", "thought": True}, {"text": "b"}]},
    ]
    example, lost = losses_of({"system_instruction": {"parts": [{"text": "s"}]}, "contents": contents}, "gemini")
    assert lost == ["part.thought"]
    assert example.messages == (
        Message("system", "s"),
        Message("user", "a"),
        Message("assistant", None, (ToolCall("f", '{"x":1}', "call_1"), ToolCall("g", "{}", "call_2"))),
        Message("tool", "two", (), "call_2"),
        Message("tool", '{"n":1}', (), "call_1"),
        Message("user", "and?"),
        Message("assistant", "b"),
    )


def test_two_answers_to_one_call_are_both_written_for_gemini() -> None:
    call = Message("assistant", None, (ToolCall("f", "{}", "x"),))
    messages = (
        Message("user", "a"),
        call,
        Message("tool", "one", (), "x", "f"),
        Message("tool", "two", (), "x", "f"),
        Message("assistant", "b"),
    )
    row, lost = written(ChatExample(messages), "gemini")
    assert [part["functionResponse"]["response"]["output"] for part in row["contents"][2]["parts"]] == ["one", "two"]
    assert "tool.pairing" in lost


def test_of_many_completions_the_best_and_the_worst_are_kept_and_the_others_told() -> None:
    def scored(score: float, text: str) -> dict[str, Any]:
        return {"score": score, "completion": {"role": "model", "parts": [{"text": text}]}}

    row = {"contents": [{"role": "user", "parts": [{"text": "a"}]}], "completions": [scored(0.2, "c"), scored(0.5, "x"), scored(0.9, "b")]}
    example, lost = losses_of(row, "gemini-preference")
    assert example == PreferenceExample(
        (Message("user", "a"),), (Message("assistant", "b"),), (Message("assistant", "c"),), chosen_score=0.9, rejected_score=0.2
    )
    assert lost == ["completions"]


def test_scores_that_contradict_the_order_are_refused() -> None:
    pair = PreferenceExample((Message("user", "a"),), (Message("assistant", "b"),), (Message("assistant", "c"),), (), None, 0.1, 0.2)
    with pytest.raises(BadRow, match="not higher"):
        written(pair, "gemini-preference")


def test_trl_has_arguments_as_objects_and_ignores_the_nulls_that_arrow_adds() -> None:
    row = {
        "messages": [
            {"role": "user", "content": "a", "tool_calls": None},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1, "y": None}}, "id": None}],
            },
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": None}}}],
    }
    example, lost = losses_of(row, "trl")
    assert example.messages[1] == Message("assistant", None, (ToolCall("f", '{"x":1}'),))
    assert example.tools == (Tool("f", None, {"type": "object"}),)
    assert lost == ["tool_call.null", "tool.null"]
    again, lost = written(example, "trl")
    assert again["messages"][1]["tool_calls"][0]["function"]["arguments"] == {"x": 1}
    assert json.loads(again["tools"])[0]["function"]["parameters"] == {"type": "object"}
    assert lost == []


def test_in_prompt_and_completion_only_the_completion_is_learned() -> None:
    prompt = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    row = {"prompt": prompt, "completion": [{"role": "assistant", "content": "d"}]}
    example = one(row, "trl-prompt-completion")
    assert [message.weight for message in example.messages] == [None, 0, None, None]
    assert written(example, "trl-prompt-completion") == (row, [])
    assert written(ChatExample(TURNS * 2), "trl-prompt-completion")[1] == ["answers.earlier"]


def test_a_text_prompt_before_whole_conversations_is_found_in_them() -> None:
    both = [[{"role": "user", "content": "a"}, {"role": "assistant", "content": text}] for text in "bc"]
    row = {"prompt": "a", "chosen": both[0], "rejected": both[1], "score_chosen": 8, "score_rejected": 2.5}
    assert one(row, "trl-preference") == PreferenceExample(
        (Message("user", "a"),), (Message("assistant", "b"),), (Message("assistant", "c"),), chosen_score=8, rejected_score=2.5
    )


def test_an_implicit_prompt_is_what_both_answers_begin_with() -> None:
    example = one({"chosen": "The sky is blue.", "rejected": "The sky is green."}, "trl-implicit-preference")
    assert [example.prompt[0].text, example.chosen[0].text, example.rejected[0].text] == ["The sky is", " blue.", " green."]
    assert written(example, "trl-implicit-preference") == ({"chosen": "The sky is blue.", "rejected": "The sky is green."}, [])


def test_an_unwanted_answer_is_never_taught() -> None:
    unwanted = one({"prompt": "a", "completion": "b", "label": False}, "trl-kto")
    assert unwanted == ChatExample(TURNS, style="completion", desirable=False)
    for name in ("chat", "gemini", "completion", "sharegpt"):
        with pytest.raises(BadRow, match="unwanted"):
            written(unwanted, name)
    assert written(ChatExample(TURNS), "trl-kto")[0]["label"] is True


@pytest.mark.parametrize("format", ["trl-kto", "trl-prompt-completion", "trl-prompt"])
def test_where_only_the_last_answer_is_learned_the_earlier_ones_are_told(format: str) -> None:
    assert written(ChatExample(TURNS * 2), format)[1] == ["answers.earlier"]


def test_alpaca_joins_instruction_and_input_and_learns_its_history() -> None:
    row = {"instruction": "Sum up.", "input": "Text", "output": "b", "system": "s", "history": [["q", "a"]], "id": 3}
    example = one(row, "alpaca")
    assert [(message.role, message.text) for message in example.messages] == [
        ("system", "s"),
        ("user", "q"),
        ("assistant", "a"),
        ("user", "Sum up.\nText"),
        ("assistant", "b"),
    ]
    assert example.extra == {"id": 3}


def test_sharegpt_reads_calls_and_observations_and_the_other_spelling() -> None:
    calls = '[{"name": "f", "arguments": {"x": 1}}, {"name": "g", "arguments": "{}"}]'
    turns = [{"from": "human", "value": "a"}, {"from": "function_call", "value": calls}, {"from": "observation", "value": "c"}]
    example = one({"conversations": turns, "system": "s", "tools": '[{"name": "f"}]'}, "sharegpt")
    assert example.messages == (
        Message("system", "s"),
        Message("user", "a"),
        Message("assistant", None, (ToolCall("f", '{"x":1}'), ToolCall("g", "{}"))),
        Message("tool", "c"),
    )
    assert example.tools == (Tool("f"),)
    other = {"conversation": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}
    assert one(other, "sharegpt") == ChatExample(TURNS)


def test_calls_at_once_are_written_one_after_another_for_sharegpt() -> None:
    calls = (ToolCall("f", "{}", "x"), ToolCall("g", "{}", "y"))
    messages = (Message("user", "a"), Message("assistant", None, calls), Message("tool", "2", (), "y"), Message("tool", "1", (), "x"))
    row, lost = written(ChatExample(messages), "sharegpt")
    assert [turn["from"] for turn in row["conversations"]] == ["human", "function_call", "observation", "function_call", "observation"]
    assert [turn["value"] for turn in row["conversations"]][2::2] == ["1", "2"]
    assert lost == ["tool.order", "tool_call.id", "tool_call.parallel"]


def test_a_conversation_is_no_raw_text() -> None:
    assert one({"text": "Once."}, "text") == ChatExample((Message("assistant", "Once."),), style="text")
    with pytest.raises(BadRow, match="without a model's chat template"):
        written(ChatExample(TURNS), "text")


@pytest.mark.parametrize("key", ["label", "category", "intent"])
def test_a_label_has_three_names(key: str) -> None:
    assert one({"text": "a", key: "b", "id": 1}, "classification") == LabelledExample("a", label="b", extra={"id": 1})


@given(st.floats(allow_nan=False, allow_infinity=False))
@settings(deadline=None, database=None)
def test_a_score_survives_as_the_text_of_an_answer(score: float) -> None:
    conversation = named("chat").read(written(LabelledExample("a", score=score), "chat")[0], list[str]().append)
    assert written(conversation, "regression") == ({"text": "a", "score": score}, [])


def test_a_dialogue_of_hh_is_parsed_into_turns() -> None:
    row = {"chosen": "\n\nHuman: a\n\nb\n\nAssistant: c", "rejected": "\n\nHuman: a\n\nb\n\nAssistant: Human: no"}
    example = one(row, "hh")
    assert example == PreferenceExample((Message("user", "a\n\nb"),), (Message("assistant", "c"),), (Message("assistant", "Human: no"),))
    assert written(example, "hh") == (row, [])
    marked = PreferenceExample((Message("user", "x\n\nHuman: y"),), (Message("assistant", "b"),), (Message("assistant", "c"),))
    with pytest.raises(BadRow, match="holds a mark such as Human:"):
        written(marked, "hh")


def test_a_key_that_means_something_in_the_new_format_is_left_out_and_told() -> None:
    example = ChatExample(TURNS, style="completion", extra={"tools": "hammer", "id": 1})
    row, lost = written(example, "chat")
    assert row.keys() == {"messages", "id"}
    assert lost == ["extra.tools", "style"]


@pytest.mark.parametrize(
    ("example", "format", "losses"),
    [
        (ChatExample(TURNS, style="completion"), "chat", ["style"]),
        (
            ChatExample((Message("user", "a"), Message("assistant", "b", weight=1, name="x"))),
            "completion",
            ["message.name", "message.weight", "style"],
        ),
        (
            ChatExample((Message("system", "s"), *TURNS), style="completion", extra={"input_text": 1}),
            "palm",
            ["extra.input_text", "system"],
        ),
        (ChatExample((Message("user", (ImagePart("u", mime_type="image/png"),)),)), "chat", ["image.mime_type"]),
        (ChatExample((Message("user", "a"), Message("system", "s"), Message("assistant", "b"))), "gemini", ["system.position"]),
        (LabelledExample("a", label="b"), "completion", ["style"]),
    ],
)
def test_writing_says_what_the_format_cannot_carry(example: Example, format: str, losses: list[str]) -> None:
    assert written(example, format)[1] == losses


@pytest.mark.parametrize(
    ("example", "format"),
    [
        (PromptExample((Message("user", "a"),)), "chat"),
        (ChatExample(TURNS), "preference"),
        (ChatExample(TURNS * 2), "completion"),
        (ChatExample((Message("user", "\ud800"), Message("assistant", "b"))), "chat"),
    ],
)
def test_a_row_that_a_format_cannot_hold_at_all_is_refused_with_its_line(example: Example, format: str, tmp_path: Path) -> None:
    fine = PreferenceExample((Message("user", "a"),), (Message("assistant", "b"),), (Message("assistant", "c"),))
    with pytest.raises(DatasetError, match=r"^memory:2: .*cannot be written") as refused:
        Dataset.from_examples([fine, example]).write(tmp_path / "out", format=format)
    assert refused.value.line == 2
    assert list(tmp_path.iterdir()) == []


# --- pictures beside a conversation ----------------------------------------------------------------------------------------------------

PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(20)).decode()
HOLE = {"type": "image"}


def seen(*content: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(content)}, {"role": "assistant", "content": "b"}]


def says(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


def test_placeholders_take_the_pictures_beside_a_conversation_in_order() -> None:
    images = ["https://x.test/a.png", {"bytes": None, "path": "b.jpg"}, {"bytes": PNG, "path": None}]
    row = {"messages": [*seen(HOLE, says("and"), HOLE), *seen({**HOLE, "text": None})], "images": images, "id": 1}
    example = one(row, "trl")
    assert [message.content for message in example.messages[::2]] == [
        (ImagePart("https://x.test/a.png"), TextPart("and"), ImagePart("b.jpg")),
        (ImagePart(f"data:image/png;base64,{PNG}"),),
    ]
    assert example.extra == {"id": 1}
    assert losses_of({"messages": seen(HOLE), "images": [{"bytes": PNG, "path": "c.png"}]}, "trl")[1] == ["image.path"]


@pytest.mark.parametrize("content", ["Look.", "<image>Look.", [HOLE, says("Look.")], [{"type": "image", "image": "a.png"}, says("Look.")]])
@pytest.mark.parametrize("beside", [{"images": ["a.png"]}, {"image": "a.png"}, {"image": {"path": "a.png"}}, {"images": '["a.png"]'}])
def test_a_picture_stands_where_the_placeholder_is_or_before_the_first_text_of_the_user(content: Any, beside: dict[str, Any]) -> None:
    row = {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": content}, {"role": "assistant", "content": "b"}]}
    inside = isinstance(content, list) and "image" in content[0]
    example = one(row if inside else {**row, **beside}, "trl")
    assert example.messages[1] == Message("user", (ImagePart("a.png"), TextPart("Look.")))


def test_trl_writes_pictures_beside_the_messages_and_every_text_of_the_user_as_a_part() -> None:
    looked = Message("user", (TextPart("See:"), ImagePart("a.png"), ImagePart("gs://b/c.png", "low")))
    row, lost = written(ChatExample((looked, Message("assistant", "b"), Message("user", "c"), Message("assistant", "d"))), "trl")
    assert row["messages"] == [*seen(says("See:"), HOLE, HOLE), *seen(says("c"))[:1], {"role": "assistant", "content": "d"}]
    assert row["images"] == ["a.png", "gs://b/c.png"]
    assert lost == ["image.detail"]
    assert one(row, "trl").messages[2] == Message("user", "c")


@pytest.mark.parametrize("format", ["trl-preference", "trl-implicit-preference", "trl-prompt-completion", "trl-kto", "trl-prompt"])
def test_the_pictures_of_a_prompt_stand_beside_it_and_those_of_answers_inside(format: str) -> None:
    asked = Message("user", (TextPart("Which?"), ImagePart("a.png"), ImagePart("b.png")))
    answers = [(Message("assistant", (ImagePart(address), TextPart("This."))),) for address in ("a.png", "b.png")]
    example: Example = ChatExample((asked, *answers[0]), desirable=True) if format == "trl-kto" else ChatExample((asked, *answers[0]))
    if "preference" in format:
        example = PreferenceExample((asked,), answers[0], answers[1])
    elif format == "trl-prompt":
        example = PromptExample((asked,), "This.")
    row, lost = written(example, format)
    assert (row["images"], lost) == (["a.png", "b.png"], [])
    assert one(row, format) == example


@pytest.mark.parametrize(("format", "keys"), [("trl-prompt", "prompt"), ("trl-preference", "prompt chosen rejected"), ("trl-kto", "")])
def test_beside_texts_a_key_for_pictures_is_a_key_like_any_other(format: str, keys: str) -> None:
    row: dict[str, Any] = {key: key for key in keys.split()} or {"prompt": "a", "completion": "b", "label": True}
    example = one({**row, "images": ["a.png"]}, format)
    assert example.extra == {"images": ["a.png"]}
    assert written(example, format) == ({**row, "images": ["a.png"]}, [])


def test_sharegpt_and_alpaca_mark_pictures_in_their_texts() -> None:
    talk = ChatExample((Message("user", (ImagePart("a.png"), TextPart("and"), ImagePart("b.png"))), Message("assistant", "b")))
    turns = [{"from": "human", "value": "<image>and<image>"}, {"from": "gpt", "value": "b"}]
    assert written(talk, "sharegpt") == ({"conversations": turns, "images": ["a.png", "b.png"]}, [])
    row = {"instruction": "<image>and<image>", "input": "", "output": "b", "history": [], "images": ["a.png", "b.png"]}
    assert written(talk, "alpaca") == (row, [])
    assert one({"conversations": turns, "images": ["a.png", "b.png"]}, "sharegpt") == talk == one(row, "alpaca")
    llava = {"id": "7", "image": "a.png", "conversations": [{"from": "human", "value": "<image>\nWhat?"}, {"from": "gpt", "value": "b"}]}
    assert one(llava, "sharegpt").messages[0].content == (ImagePart("a.png"), TextPart("\nWhat?"))
    assert one({"instruction": "What?", "output": "b", "images": ["a.png"]}, "alpaca").messages[0].content[0] == ImagePart("a.png")


def test_pictures_are_told_as_lost_where_a_text_holds_a_mark_that_is_none() -> None:
    talk = ChatExample((Message("user", (ImagePart("a.png"), TextPart("What is <image>?"))), Message("assistant", "b")))
    for format in ("sharegpt", "alpaca"):
        row, lost = written(talk, format)
        assert ("images" in row, lost) == (False, ["part.image"])
        assert one(row, format).messages[0].content == "What is <image>?"
    row, lost = written(talk, "trl")
    assert (one(row, "trl"), lost) == (talk, [])


def test_pictures_as_bytes_in_parquet_are_read_beside_their_placeholders(tmp_path: Path) -> None:
    arrow, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    talk = [*seen(HOLE, says("What?"))[:1], {"role": "assistant", "content": [says("That.")]}]
    row = {"messages": talk, "images": [{"bytes": base64.b64decode(PNG), "path": None}]}
    parquet.write_table(arrow.Table.from_pylist([row] * 3), tmp_path / "rows.parquet")
    data = Dataset.read(tmp_path / "rows.parquet")
    assert data.format == "trl"
    assert [example.messages[0].content for example in data] == [(ImagePart(f"data:image/png;base64,{PNG}"), TextPart("What?"))] * 3  # type: ignore[union-attr]


TALK = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
HF_CALL = {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {}}}]}
LIKE: list[tuple[dict[str, Any], str]] = [
    ({"messages": TALK}, "chat"),
    ({"messages": TALK, "tools": [{"type": "function", "function": {"name": "f"}}]}, "chat"),
    ({"messages": TALK[:1], "answer": "b"}, "reinforcement"),
    ({"messages": [TALK[0], HF_CALL]}, "trl"),
    ({"messages": TALK, "tools": "[]"}, "trl"),
    ({"messages": TALK, "images": ["a.png"]}, "trl"),
    ({"messages": [{"role": "user", "content": "<image>a"}, TALK[1]], "image": "a.png"}, "trl"),
    (
        {"prompt": [{"role": "user", "content": [{"type": "image"}]}], "chosen": TALK[1:], "rejected": TALK[1:], "images": ["a"]},
        "trl-preference",
    ),
    ({"conversations": [{"from": "human", "value": "<image>a"}], "images": ["a.png"]}, "sharegpt"),
    ({"instruction": "<image>a", "output": "b", "images": ["a.png"]}, "alpaca"),
    ({"input": {"messages": TALK[:1]}, "preferred_output": TALK[1:], "non_preferred_output": TALK[1:]}, "preference"),
    ({"completion": "a", "prompt": "b"}, "completion"),
    ({"question": "a", "answer": "b"}, "completion"),
    ({"contents": [{"role": "user", "parts": [{"text": "a"}]}]}, "gemini"),
    ({"contents": [{"role": "user", "parts": [{"text": "a"}]}], "completions": []}, "gemini-preference"),
    ({"input_text": "a", "output_text": "b"}, "palm"),
    ({"prompt": TALK[:1], "completion": TALK[1:]}, "trl-prompt-completion"),
    ({"prompt": "a", "chosen": "b", "rejected": "c"}, "trl-preference"),
    ({"prompt": TALK[:1], "chosen": TALK[1:], "rejected": TALK[1:]}, "trl-preference"),
    ({"chosen": TALK, "rejected": TALK}, "trl-implicit-preference"),
    ({"chosen": "a b", "rejected": "a c"}, "trl-implicit-preference"),
    ({"chosen": "\n\nHuman: a\n\nAssistant: b", "rejected": "\n\nHuman: a\n\nAssistant: c"}, "hh"),
    ({"prompt": "a", "completion": "b", "label": True}, "trl-kto"),
    ({"prompt": "a", "completion": "b", "label": "False"}, "trl-kto"),
    ({"prompt": TALK[:1], "completion": TALK[1:], "label": False}, "trl-kto"),
    ({"prompt": "a"}, "trl-prompt"),
    ({"prompt": TALK[:1], "solution": "b"}, "trl-prompt"),
    ({"instruction": "a", "input": "", "output": "b"}, "alpaca"),
    ({"conversations": [{"from": "human", "value": "a"}]}, "sharegpt"),
    ({"conversations": [{"role": "user", "content": "a"}]}, "sharegpt"),
    ({"text": "a"}, "text"),
    ({"text": "a", "label": "b"}, "classification"),
    ({"text": "a", "intent": "b"}, "classification"),
    ({"text": "a", "score": 0.5}, "regression"),
    ({"text": "a", "score": "0.5"}, "regression"),
    ({"kind": "chat", "messages": TALK}, "canonical"),
    ({"messages": json.dumps(TALK), "id": "1"}, "chat"),
]


@pytest.mark.parametrize(("row", "format"), LIKE, ids=[f"{name}-{place}" for place, (_, name) in enumerate(LIKE)])
def test_formats_that_look_alike_are_told_apart(row: dict[str, Any], format: str) -> None:
    found = recognise([row])
    assert found.format.name == format
    assert 0.5 <= found.confidence <= 1


def test_the_confidence_sinks_with_rows_that_do_not_fit_and_with_other_spellings() -> None:
    sure = recognise([{"prompt": "a", "completion": "b"}] * 4).confidence
    assert recognise([{"prompt": "a", "completion": "b"}] * 3 + [{"id": 1}]).confidence < sure
    spelled = recognise([{"question": "a", "answer": "b"}])
    assert spelled.confidence < sure
    assert spelled.taken == {"prompt": "question", "completion": "answer"}
    assert recognise([{"text": "a", "category": "b"}]).taken == {"label": "category"}
    assert recognise([{"text": "a", "label": "b"}]).taken == {}


def test_only_formats_whose_rows_are_rows_of_chat_too_are_never_recognised() -> None:
    assert {each.name for each in FORMATS} - {name for _, name in LIKE} == {"azure", "azureml"}


def test_rows_of_no_known_format_are_refused_with_their_keys() -> None:
    with pytest.raises(BadFile, match="the keys of its first row are 'frage', 'antwort'"):
        recognise([{"frage": "a", "antwort": "b"}])


def test_an_unknown_format_name_gets_the_nearest_known_one() -> None:
    with pytest.raises(DatasetError, match=r"unknown format 'chatt'; did you mean 'chat'\?"):
        named("chatt")


def test_the_page_of_formats_is_what_the_code_says() -> None:
    assert (ROOT / "docs" / "formats.md").read_text(encoding="utf-8") == document()


def real(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"the data set {name} does not lie beside the checkout")
    return path


def outcomes(data: Dataset, tmp_path: Path) -> dict[str, tuple[int, dict[str, int]] | str]:
    """For each format the rows written and the losses with their rows, or why not a single row was."""
    found: dict[str, tuple[int, dict[str, int]] | str] = {}
    for each in FORMATS:
        try:
            report = data.write(tmp_path / f"{each.name}.jsonl", format=each.name)
        except DatasetError as error:
            found[each.name] = str(error).partition(": cannot be written as ")[2]
            continue
        found[each.name] = (report.rows, {loss.kind: loss.rows for loss in report.losses})
        again = Dataset.read(tmp_path / f"{each.name}.jsonl", format=each.name)
        assert again.count() == report.rows
    return found


def held(found: dict[str, tuple[int, dict[str, int]] | str], rows: int) -> dict[str, dict[str, int]]:
    """The losses of the formats that hold every row."""
    return {name: outcome[1] for name, outcome in found.items() if not isinstance(outcome, str) and outcome[0] == rows}


CHATS = ("chat", "azure", "azureml", "gemini", "trl", "trl-prompt-completion", "trl-kto", "alpaca", "sharegpt", "canonical")
PROMPTS = ("reinforcement", "trl-prompt")


def test_banking77_is_written_in_every_format_that_can_hold_a_label(tmp_path: Path) -> None:
    data = Dataset.read(real("banking77/train.csv"))
    assert (data.format, data.kind) == ("classification", "labelled")
    found = held(outcomes(data, tmp_path), 10_003)
    expected: dict[str, dict[str, int]] = {name: {} for name in (*CHATS, *PROMPTS, "classification")}
    assert found == expected | {name: {"style": 10_003} for name in ("completion", "palm")}


def test_gsm8k_is_written_in_every_format_that_can_hold_question_and_answer(tmp_path: Path) -> None:
    data = Dataset.read(real("gsm8k/test.jsonl"))
    assert (data.format, data.kind) == ("completion", "chat")
    found = held(outcomes(data, tmp_path), 1_319)
    expected = {name: {"style": 1_319} for name in (*CHATS, *PROMPTS, "classification")}
    expected |= {name: {} for name in ("completion", "palm", "trl-kto", "trl-prompt", "canonical")}
    assert found == expected | {"text": {"prompt.boundary": 1_319}}


def test_hh_rlhf_is_parsed_into_turns_and_written_in_every_format_that_can_hold_a_preference(tmp_path: Path) -> None:
    plain = tmp_path / "harmless-base-test.jsonl"
    plain.write_bytes(gzip.decompress(real("hh-rlhf/harmless-base-test.jsonl.gz").read_bytes()))
    data = Dataset.read(plain)
    assert (data.format, data.kind, data.confidence) == ("hh", "preference", 0.97)
    assert all(message.role in ("user", "assistant") for example in data for message in example.prompt)  # type: ignore[union-attr]
    several = [line for line, example in data.numbered() if len(example.chosen) + len(example.rejected) > 2]  # type: ignore[union-attr]
    assert len(several) == 5
    found = outcomes(data, tmp_path)
    assert found["preference"] == "preference: an answer is not one message of the assistant."
    assert found["gemini-preference"] == "gemini-preference: an answer is not one turn of the model."
    holding = held(found, 2_312)
    assert [holding[name] for name in ("hh", "trl-preference", "trl-implicit-preference", "canonical")] == [{}] * 4
    assert holding["chat"] == holding["gemini"] == holding["sharegpt"] == {"rejected": 2_312}
    assert holding["trl-kto"] == {"rejected": 2_312, "answers.earlier": 1_650}
