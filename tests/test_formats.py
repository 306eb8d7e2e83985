"""Formats: what is read, what is recognised, what survives, and what is said about rows that cannot be read."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneport.dataset import Dataset
from tuneport.errors import DatasetError
from tuneport.examples import ChatExample, Example, ImagePart, LabelledExample, Message, PreferenceExample, TextPart, Tool, ToolCall
from tuneport.formats import FORMATS, named, recognise
from tuneport.formats.format import BadFile

ROW = {"messages": [{"role": "user", "content": "Where is my card?"}, {"role": "assistant", "content": "card_arrival"}]}
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
    return list(named(format).read(io.BytesIO(data), columns=columns, notices=heard)), heard


def one(row: dict[str, Any]) -> ChatExample:
    rows, heard = read(json.dumps(row).encode())
    assert not heard.sentences
    assert isinstance(rows[0][1], ChatExample)
    return rows[0][1]


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
parts = st.lists(st.one_of(st.builds(TextPart, text), st.builds(ImagePart, text, st.none() | st.just("low"))), min_size=1, max_size=3)
calls = st.lists(st.builds(ToolCall, text, text, st.none() | text), max_size=2)
weights = st.none() | st.sampled_from([0.0, 1.0, 0.5])
message = st.builds(
    Message,
    role=st.sampled_from(["system", "developer", "user", "assistant", "tool"]),
    content=st.none() | text | parts.map(tuple),
    tool_calls=calls.map(tuple),
    tool_call_id=st.none() | text,
    name=st.none() | text,
    weight=weights,
)
json_value = st.recursive(st.none() | st.booleans() | st.integers(-(2**63), 2**63) | text, st.lists, max_leaves=5)
tool = st.builds(Tool, text, st.none() | text, st.none() | st.dictionaries(text, json_value, max_size=3), st.none() | st.booleans())
conversation = st.builds(
    ChatExample,
    messages=st.lists(message, min_size=1, max_size=5).map(tuple),
    tools=st.lists(tool, max_size=2).map(tuple),
    parallel_tool_calls=st.none() | st.booleans(),
    extra=st.dictionaries(text.map("x-".__add__), json_value, max_size=2),
)


@settings(deadline=None, database=None, max_examples=300)
@given(conversation)
def test_every_conversation_written_as_chat_is_read_back_as_it_was(example: ChatExample) -> None:
    row, losses = named("chat").write(example)
    assert losses == ()
    assert row.count(b"\n") == 1
    assert read(row)[0] == [(1, example)]


@settings(deadline=None, database=None, max_examples=200)
@given(st.binary(max_size=200) | st.recursive(st.just(ROW) | st.text(max_size=5), st.lists).map(lambda row: json.dumps(row).encode()))
def test_whatever_the_bytes_a_reader_gives_rows_or_sentences_and_never_crashes(data: bytes) -> None:
    for each in FORMATS:
        heard = Listener()
        try:
            rows = list(each.read(io.BytesIO(b"prompt,completion\n" * (each.name == "table") + data), columns={}, notices=heard))
        except BadFile:
            continue
        assert all(isinstance(example, ChatExample) for _, example in rows)
        assert all(line >= 1 and sentence for line, sentence in heard.sentences.items())


def test_chat_keeps_tools_calls_images_weights_and_unknown_keys() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"id": 7}'}}
    image = [{"type": "text", "text": "See:"}, {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}}]
    example = one(
        {
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
    )
    assert example.messages[1] == Message("user", (TextPart("See:"), ImagePart("https://x.test/a.png", "low")), name="anna")
    assert example.messages[2] == Message("assistant", tool_calls=(ToolCall("find", '{"id": 7}', "call_1"),), weight=0)
    assert example.messages[3].tool_call_id == "call_1"
    assert example.tools == (Tool("find", None, {"type": "object"}, True),)
    assert example.parallel_tool_calls is False
    assert example.extra == {"ticket": 12}


def test_chat_says_which_keys_of_a_message_it_does_not_carry_unless_they_hold_nothing() -> None:
    row = {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "refusal": None, "reasoning": "c"}]}
    rows, heard = read(json.dumps(row).encode())
    assert rows[0][1] == ChatExample((Message("user", "a"), Message("assistant", "b")))
    assert heard.losses == [(1, "message.reasoning")]


def test_an_unknown_key_beside_messages_changes_nothing_else_in_the_row() -> None:
    plain, extended = one(ROW), one({**ROW, "source": "mail"})
    assert extended.messages == plain.messages


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


def test_a_line_that_is_not_utf8_is_named_with_the_byte() -> None:
    _, heard = read(b'{"messages": [{"role": "user", "content": "caf\xe9"}]}')
    assert "not valid UTF-8 (byte 47 of the line)" in heard.sentences[1]


def test_byte_order_mark_crlf_and_blank_lines_do_not_matter_and_lines_are_counted_as_an_editor_does() -> None:
    row = json.dumps(ROW).encode()
    rows, heard = read(b"\xef\xbb\xbf" + row + b"\r\n\r\n  \n" + row)
    assert [line for line, _ in rows] == [1, 4]
    assert not heard.sentences


def test_a_completion_row_is_one_user_and_one_assistant_turn() -> None:
    rows, _ = read(b'{"prompt": "2+2=", "completion": " 4", "source": "book"}', "completion")
    assert rows == [(1, ChatExample((Message("user", "2+2="), Message("assistant", " 4")), style="completion", extra={"source": "book"}))]


def test_completion_takes_other_keys_given_as_columns_and_a_system_turn() -> None:
    rows, _ = read(b'{"q": "a", "a": "b", "s": "c"}', "completion", prompt="q", completion="a", system="s")
    assert rows[0][1] == ChatExample((Message("system", "c"), Message("user", "a"), Message("assistant", "b")), style="completion")


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ('{"prompt": "x"}', 'the key "completion" is missing'),
        ('{"prompt": "x", "completion": 4}', '"completion" is a number, not a string'),
    ],
)
def test_a_completion_row_without_both_texts_is_explained(row: str, sentence: str) -> None:
    assert sentence in read(row.encode(), "completion")[1].sentences[1]


@settings(deadline=None, database=None)
@given(text, text, st.none() | text.filter(bool))
def test_prompt_and_completion_survive_a_round_trip(prompt: str, completion: str, system: str | None) -> None:
    turns = (Message("user", prompt), Message("assistant", completion))
    example = ChatExample(turns if system is None else (Message("system", system), *turns), style="completion")
    row, losses = named("completion").write(example)
    assert losses == ()
    assert read(row, "completion")[0] == [(1, example)]


@settings(deadline=None, database=None)
@given(text, text)
def test_tables_hold_any_text_with_commas_quotes_and_line_ends(prompt: str, completion: str) -> None:
    example = ChatExample((Message("user", prompt), Message("assistant", completion)), style="completion")
    row, losses = named("table").write(example)
    assert losses == ()
    assert read(named("table").header + row, "table")[0] == [(2, example)]


@pytest.mark.parametrize("name", ["label", "category", "intent"])
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_a_table_of_texts_and_labels_becomes_conversations(name: str, delimiter: str) -> None:
    lines = [["\ufefftext", name, "id"], [], ["Where is it?", "card_arrival", ""], ["Help", "other", "7"]]
    rows, heard = read("".join(delimiter.join(line) + "\r\n" for line in lines).encode(), "table")
    assert not heard.sentences
    assert rows == [
        (3, ChatExample((Message("user", "Where is it?"), Message("assistant", "card_arrival")))),
        (4, ChatExample((Message("user", "Help"), Message("assistant", "other")), extra={"id": "7"})),
    ]


def test_a_table_counts_lines_through_quoted_line_ends_and_names_rows_that_do_not_fit() -> None:
    rows, heard = read(b'text,label\n"two\nlines",a\nb\nc,d,e\n\xff,f\ng,h\n"open,i\nj,k', "table")
    assert [line for line, _ in rows] == [2, 7]
    assert heard.sentences == {
        4: "the row has 1 fields, the header has 2.",
        5: "the row has 3 fields, the header has 2.",
        6: "not valid UTF-8 (line 6). Save the file as UTF-8.",
        8: "a quoted field that begins here is never closed.",
    }


@pytest.mark.parametrize(
    ("header", "sentence"), [(b"a,b\n", "no columns are recognised among 'a', 'b'"), (b"text,text\n", "names the column 'text' twice")]
)
def test_a_table_without_usable_columns_is_refused_as_a_whole(header: bytes, sentence: str) -> None:
    with pytest.raises(BadFile, match=sentence):
        read(header, "table")


def test_a_column_that_is_not_there_is_named() -> None:
    with pytest.raises(BadFile, match="no column 'frage'; there are 'question', 'answer'"):
        read(b"question,answer\n", "table", prompt="frage", completion="answer")


@pytest.mark.parametrize(
    ("example", "format", "losses"),
    [
        (ChatExample((Message("user", "a"), Message("assistant", "b")), style="completion"), "chat", ("style",)),
        (
            ChatExample((Message("user", "a"), Message("assistant", "b", weight=1, name="x"))),
            "completion",
            ("message.name", "message.weight", "style"),
        ),
        (
            ChatExample((Message("system", "s"), Message("user", "a"), Message("assistant", "b")), style="completion", extra={"id": 1}),
            "table",
            ("extra.id", "system"),
        ),
        (ChatExample((Message("user", (ImagePart("u", mime_type="image/png"),)),)), "chat", ("image.mime_type",)),
    ],
)
def test_writing_says_what_the_format_cannot_carry(example: Example, format: str, losses: tuple[str, ...]) -> None:
    assert named(format).write(example)[1] == losses


@pytest.mark.parametrize(
    ("example", "format"),
    [
        (PreferenceExample((Message("user", "a"),), (Message("assistant", "b"),), (Message("assistant", "c"),)), "chat"),
        (LabelledExample(text="a", label="b"), "completion"),
        (ChatExample((Message("user", "a"), Message("assistant", "b")) * 2), "table"),
        (ChatExample((Message("user", "\ud800"), Message("assistant", "b"))), "chat"),
    ],
)
def test_a_row_that_a_format_cannot_hold_at_all_is_refused_with_its_line(example: Example, format: str, tmp_path: Path) -> None:
    fine = ChatExample((Message("user", "a"), Message("assistant", "b")))
    with pytest.raises(DatasetError, match=r"^memory:2: .*cannot be written") as refused:
        Dataset.from_examples([fine, example]).write(tmp_path / "out", format=format)
    assert refused.value.line == 2
    assert list(tmp_path.iterdir()) == []


def heads() -> Iterator[tuple[bytes, str, str]]:
    chat, pair = json.dumps(ROW).encode(), b'{"completion": "a", "prompt": "b"}'
    yield chat, ".jsonl", "chat"
    yield chat, ".txt", "chat"
    yield b"\n" + b"{broken\n" + chat, ".jsonl", "chat"
    yield b'{"messages": [{"role": "user", "content": "' + b"x" * 70_000, ".jsonl", "chat"
    yield pair, ".jsonl", "completion"
    yield b"\xef\xbb\xbf" + pair, "", "completion"
    yield b"a;b", ".csv", "table"
    yield b"text\tintent\nx\ty", ".txt", "table"


@pytest.mark.parametrize(("head", "suffix", "format"), list(heads()))
def test_formats_are_recognised_by_ending_and_first_rows(head: bytes, suffix: str, format: str) -> None:
    found, confidence = recognise(head, suffix=suffix)
    assert found.name == format
    assert 0 < confidence <= 1


@pytest.mark.parametrize(
    ("head", "sentence"),
    [
        (b'{"question": "x", "answer": "y"}', "the keys of its first row are 'question', 'answer'"),
        (b'[\n  {"messages": []}\n]', "is one JSON list"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"PAR1", "Parquet"),
        (b"\xff\xfet\x00", "UTF-16"),
        (b"\x00\x01\x02", "not of a format that is recognised"),
    ],
)
def test_a_file_of_no_known_format_is_refused_with_what_it_looks_like(head: bytes, sentence: str) -> None:
    with pytest.raises(BadFile, match=sentence):
        recognise(head, suffix=".dat")


def test_an_unknown_format_name_gets_the_nearest_known_one() -> None:
    with pytest.raises(DatasetError, match=r"unknown format 'chatt'; did you mean 'chat'\?"):
        named("chatt")
