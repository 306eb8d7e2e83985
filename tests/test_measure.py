"""What is measured of a dataset for its quotes, and that it is measured once."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

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
from tuneport.quoting.measure import Measure, measure
from tuneport.quoting.measured_before import key_of, measure_once
from tuneport.tokens import counter_for

ASKED, SAID, OTHER = Message("user", "Where is my card?"), Message("assistant", "On its way."), Message("assistant", "I cannot say.")
WEATHER = Tool("weather", "What the weather is like.", {"type": "object", "properties": {"city": {"type": "string"}}})
PICTURE = ImagePart("https://example.com/a.png")
SQUARE = (1_024, 1_024)
"""The size that a picture is taken to have whose size is not known."""

KINDS: dict[str, list[Example]] = {
    "chat": [ChatExample((ASKED, SAID)), ChatExample((Message("system", "Be brief."), ASKED, SAID, ASKED, OTHER))],
    "names and empty messages": [ChatExample((Message("user", "Hi", name="anna"), Message("assistant", None), SAID)), ChatExample(())],
    "tools": [
        ChatExample((ASKED, SAID), (WEATHER,)),
        ChatExample((ASKED, Message("assistant", None, (ToolCall("weather", '{"city": "Bern"}', "1"),)), SAID), (WEATHER,)),
    ],
    "text in parts": [ChatExample((Message("user", (TextPart("Where is"), TextPart("it?"))), SAID))],
    "preference": [PreferenceExample((ASKED,), (SAID,), (OTHER,)), PreferenceExample((ASKED, SAID, ASKED), (OTHER,), (SAID, ASKED, SAID))],
    "preference with tools": [PreferenceExample((ASKED,), (SAID,), (OTHER,), (WEATHER,))],
    "preference of texts": [PreferenceExample((ASKED,), (SAID,), (OTHER,), style="completion")],
    "prompt": [PromptExample((ASKED,), "On its way."), PromptExample((Message("system", "Be brief."), ASKED), tools=(WEATHER,))],
    "labelled": [LabelledExample(text="Where is my card?", label="card_arrival"), LabelledExample(text="Late.", score=0.25)],
    "completion": [
        ChatExample((ASKED, SAID), style="completion"),
        ChatExample((Message("system", "Be brief."), ASKED, SAID), style="completion"),
    ],
    "text": [ChatExample((Message("assistant", "Once upon a time."),), style="text")],
}


def measured(rows: Iterable[Example]) -> Measure:
    return measure(Dataset.from_examples(rows))


def as_chat(row: Example) -> Example:
    """The row as OpenAI gets it: a conversation, with the marks of one."""
    return row if isinstance(row, LabelledExample) else structs.replace(row, style="chat")


@pytest.mark.parametrize("name", KINDS)
def test_the_tokens_of_each_row_are_those_that_the_counter_of_gpt_4o_counts(name: str) -> None:
    counter, rows = counter_for("openai:gpt-4o"), KINDS[name]
    found = measured(rows)
    assert found.tokens == Counter(counter.count(as_chat(row)) for row in rows)
    assert found.all_tokens == sum(counter.count(as_chat(row)) for row in rows)
    assert found.rows == len(rows)


def test_the_tokens_of_pictures_are_left_to_each_base() -> None:
    """765 tokens with gpt-4o, which is 85 + 4 x 170 for a square of 1,024 (platform.openai.com, Images and vision)."""
    seen = ChatExample((Message("user", (TextPart("What is this?"), PICTURE, ImagePart(PICTURE.url, "low"))), SAID))
    found = measured([seen, seen])
    assert found.all_tokens + 2 * (765 + 85) == 2 * counter_for("openai:gpt-4o").count(seen)
    assert sorted(found.images) == [(*SQUARE, "", 2), (*SQUARE, "low", 2)]


MESSAGES = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant"]),
    st.one_of(st.text(), st.none(), st.tuples(st.builds(TextPart, st.text()))),
    name=st.one_of(st.none(), st.text(min_size=1)),
)
SIDES = st.lists(MESSAGES, max_size=3).map(tuple)
TOOLS = st.sampled_from([(), (WEATHER,)])
ROWS = st.one_of(
    st.lists(st.builds(ChatExample, SIDES, TOOLS, style=st.sampled_from(["chat", "completion", "text"])), min_size=1, max_size=4),
    st.lists(
        st.builds(PreferenceExample, SIDES, SIDES, SIDES, TOOLS, style=st.sampled_from(["chat", "completion"])), min_size=1, max_size=4
    ),
    st.lists(st.builds(PromptExample, SIDES, st.none(), TOOLS), min_size=1, max_size=4),
    st.lists(st.builds(LabelledExample, st.text(), label=st.text()), min_size=1, max_size=4),
)


@given(ROWS)
@settings(deadline=None)
def test_whatever_the_rows_hold_they_are_counted_alike(rows: Sequence[Example]) -> None:
    counter = counter_for("openai:gpt-4o")
    found = measured(rows)
    assert found.tokens == Counter(counter.count(as_chat(row)) for row in rows)
    assert 0 <= found.prompt_tokens <= found.all_tokens + 3 * len(rows)
    assert 0 <= found.prompt_characters <= found.all_characters
    assert 0 <= found.answered_characters <= found.all_characters


def test_characters_are_those_of_the_texts() -> None:
    assert measured([ChatExample((ASKED, SAID)), ChatExample((ASKED, SAID)), ChatExample((ASKED,))]).characters == {28: 2, 17: 1}


def test_the_prompts_of_pairs_are_measured_apart() -> None:
    counter, pair = counter_for("openai:gpt-4o"), PreferenceExample((ASKED,), (SAID,), (OTHER,))
    found = measured([pair, pair])
    assert found.prompt_tokens == 2 * counter.count(ChatExample((ASKED,)))
    assert (found.prompt_characters, found.all_characters) == (2 * 17, 2 * (17 + 11 + 13))
    assert measured([ChatExample((ASKED, SAID))]).prompt_tokens == 0


@pytest.mark.parametrize(
    ("row", "characters"),
    [
        (ChatExample((ASKED, SAID)), 11),
        (ChatExample((ASKED, SAID), (WEATHER,)), 11),
        (PreferenceExample((ASKED,), (SAID,), (OTHER,)), 13),
        (LabelledExample(text="Where?", label="card_arrival"), 12),
        (PromptExample((ASKED,), "On its way."), 0),
    ],
)
def test_what_a_model_has_to_say_is_the_last_answer_and_nothing_of_a_prompt(row: Example, characters: int) -> None:
    assert measured([row]).answered_characters == characters


def test_rows_whose_tokens_are_estimated_are_told() -> None:
    heard = ChatExample((Message("user", (MediaPart("gs://b/a.wav", "audio/wav"),)), SAID))
    found = measured([*KINDS["chat"], *KINDS["tools"], heard])
    assert (found.tool_rows, found.media_rows) == (2, 1)
    assert found.tool_tokens == sum(map(counter_for("openai:gpt-4o").count, KINDS["tools"]))


def test_a_dataset_of_another_kind_than_its_file_is_not_taken_for_the_file(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    Dataset.from_examples(KINDS["preference"][:1] * 3).write(path)
    whole = measure_once(Dataset.read(path), home=tmp_path / "home")
    recast = measure_once(Dataset.read(path).recast("chat"), home=tmp_path / "home")
    assert (whole.kind, recast.kind) == ("preference", "chat")
    assert recast.all_tokens < whole.all_tokens


def test_a_dataset_without_rows_cannot_be_measured() -> None:
    with pytest.raises(DatasetError, match="no rows"):
        measured([])


# --- measured before ---------------------------------------------------------------------------------------------------------------------


SECRET = "xyzzy-4711"
LINES = [{"messages": [{"role": "user", "content": f"{SECRET} {n}"}, {"role": "assistant", "content": "yes"}]} for n in range(20)]


def write(path: Path, lines: Iterable[Any] = LINES) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def kept(home: Path) -> list[Path]:
    folder = home / "cache" / "measures"
    return sorted(folder.iterdir()) if folder.is_dir() else []


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home in which the measure of `a/rows.jsonl` is kept, with 999,999 rows, so that who gets it has not measured."""
    data = write(tmp_path / "a" / "rows.jsonl")
    folder = tmp_path / "home"
    assert measure_once(Dataset.read(data), home=folder).rows == 20
    (place,) = kept(folder)
    place.write_text(place.read_text(encoding="utf-8").replace('"rows":20', '"rows":999999'), encoding="utf-8")
    return folder


def rows_found(dataset: Dataset, home: Path) -> int:
    return measure_once(dataset, home=home).rows


def test_the_same_bytes_are_found_again_wherever_they_lie(home: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    copy = Path(shutil.copy(tmp_path / "a" / "rows.jsonl", tmp_path / "b" / "other.jsonl"))
    os.utime(copy, (0, 0))
    assert rows_found(Dataset.read(tmp_path / "a" / "rows.jsonl"), home) == 999_999
    assert rows_found(Dataset.read(copy), home) == 999_999
    assert len(kept(home)) == 1


def test_a_changed_byte_is_measured_anew(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "a" / "rows.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"yes"', b'"yet"', 1))
    assert rows_found(Dataset.read(path), home) == 20
    assert len(kept(home)) == 2


def test_the_same_bytes_read_in_another_way_are_measured_anew(home: Path, tmp_path: Path) -> None:
    path = tmp_path / "a" / "rows.jsonl"
    whole = Dataset.read(path)
    train, test = whole.split(0.25)
    others = [Dataset.read(path, format="chat"), train, test, whole.split(0.25, seed=1)[0], whole.take(5), whole.sample(5), whole.unique()]
    assert [rows_found(each, home) for each in others] == [20, 15, 5, 15, 5, 5, 20]
    assert len(kept(home)) == 1 + len(others)
    renamed = Path(shutil.copy(path, tmp_path / "rows.txt"))
    assert rows_found(Dataset.read(renamed), home) == 20


def test_other_columns_are_measured_anew(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b,c\nlong question,yes,something else\n", encoding="utf-8")
    found = [
        measure_once(Dataset.read(path, columns={"prompt": "a", "completion": each}), home=tmp_path / "home").characters
        for each in ("b", "c")
    ]
    assert found == [{16: 1}, {27: 1}]


def test_a_row_that_moves_from_one_file_to_the_next_is_noticed(tmp_path: Path) -> None:
    def parts(first: int) -> Dataset:
        paths = write(tmp_path / "1.jsonl", LINES[:first]), write(tmp_path / "2.jsonl", LINES[first:])
        return Dataset.merged([Dataset.read(paths[0]).take(3), Dataset.read(paths[1])])

    assert [rows_found(parts(first), tmp_path / "home") for first in (10, 11)] == [13, 12]


@pytest.mark.parametrize("damage", [b"", b"{", b"\xff\xfe\x00", b"[]", b'{"rows": "many"}', b'{"rows": 20}', b"null"])
def test_a_damaged_measure_is_taken_anew_and_mended(damage: bytes, home: Path, tmp_path: Path) -> None:
    (place,) = kept(home)
    place.write_bytes(damage)
    dataset = Dataset.read(tmp_path / "a" / "rows.jsonl")
    assert [rows_found(dataset, home) for _ in range(2)] == [20, 20]
    assert json.loads(place.read_bytes())["rows"] == 20


def test_a_cache_that_cannot_be_written_is_none(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "cache").write_text("a file, where a folder should be", encoding="utf-8")
    assert rows_found(Dataset.read(write(tmp_path / "rows.jsonl")), tmp_path / "home") == 20


def test_what_is_kept_says_nothing_of_the_rows_or_their_place(home: Path, tmp_path: Path) -> None:
    (place,) = kept(home)
    everything = place.name.encode() + place.read_bytes()
    for word in (SECRET, "yes", "rows.jsonl", tmp_path.name, str(tmp_path)):
        assert word.encode() not in everything
    assert key_of(Dataset.read(tmp_path / "a" / "rows.jsonl").reference()) == place.stem


def test_a_measure_from_before_tokens_could_be_counted_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference = Dataset.read(write(tmp_path / "rows.jsonl")).reference()
    counted = key_of(reference)
    monkeypatch.setitem(sys.modules, "bpe_openai", None)  # as if it were not installed
    assert key_of(reference) != counted


def test_rows_in_memory_and_a_home_that_is_none_keep_nothing(tmp_path: Path) -> None:
    assert rows_found(Dataset.from_examples(KINDS["chat"]), tmp_path / "home") == 2
    assert measure_once(Dataset.read(write(tmp_path / "rows.jsonl")), home=None).rows == 20
    assert kept(tmp_path / "home") == []


def test_what_is_found_again_is_what_was_measured(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    seen = ChatExample((Message("user", (TextPart("What is this?"), PICTURE)), SAID))
    Dataset.from_examples([seen, *KINDS["tools"]]).write(path)
    first, again = (measure_once(Dataset.read(path), home=tmp_path / "home") for _ in range(2))
    assert first.images
    assert (again.tokens, again.characters, again.rows, [tuple(each) for each in again.images]) == (
        first.tokens,
        first.characters,
        first.rows,
        [tuple(each) for each in first.images],
    )


def test_digits_and_characters_beyond_ascii_are_told_apart() -> None:
    found = measured([ChatExample((Message("user", "Nummer 12345"), Message("assistant", "Grüße")))] * 40)
    assert (found.digits, found.non_ascii) == (5 * 40, 2 * 40)
