"""Samples, deduplication, merging, and splits that keep near duplicates together."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneport.dataset import Dataset, write_all
from tuneport.errors import CheckFailed, DatasetError
from tuneport.examples import ChatExample, Example, Message
from tuneport.near_duplicates import near_duplicates


def chat(question: str, answer: str, **extra: object) -> ChatExample:
    return ChatExample((Message("user", question), Message("assistant", answer)), extra=extra)


def questions(rows: Iterable[Example]) -> list[str]:
    return [row.messages[0].text for row in rows if isinstance(row, ChatExample)]


def memory(*texts: str) -> Dataset:
    return Dataset.from_examples(chat(text, "yes") for text in texts)


@settings(deadline=None, database=None)
@given(st.integers(1, 60), st.integers(1, 70), st.integers(0, 5))
def test_a_sample_has_as_many_rows_as_asked_in_their_order_and_none_twice(count: int, wanted: int, seed: int) -> None:
    rows = memory(*(f"q{number:03}" for number in range(count)))
    taken = questions(rows.sample(wanted, seed=seed))
    assert len(taken) == min(count, wanted)
    assert taken == sorted(set(taken))
    assert taken == questions(rows.sample(wanted, seed=seed))


def test_every_row_has_about_the_same_chance_of_being_sampled() -> None:
    rows = memory(*(str(number) for number in range(50)))
    counts = [0] * 50
    for seed in range(400):
        for taken in questions(rows.sample(10, seed=seed)):
            counts[int(taken)] += 1
    assert min(counts) >= 45
    assert max(counts) <= 120


def test_exact_duplicates_are_equal_in_all_but_unknown_keys() -> None:
    rows = Dataset.from_examples([chat("a", "b"), chat("a", "b", id=2), chat("A", "b"), chat("a", "c"), chat("a", "b")])
    assert [line for line, _ in rows.unique().numbered()] == [1, 3, 4]
    assert [line for line, _ in rows.unique(alike="text").numbered()] == [1, 4]


def test_near_duplicates_are_left_out_and_mere_resemblance_is_not() -> None:
    words = [f"word{number}" for number in range(60)]
    changed = [*words[:30], "other", *words[31:]]
    half = [*words[:30], *(f"else{number}" for number in range(30))]
    rows = memory(" ".join(words), " ".join(changed), " ".join(half), " ".join(words).upper())
    assert [line for line, _ in rows.unique(alike="near").numbered()] == [1, 3]


def test_near_duplicates_are_found_as_often_as_the_docstring_says() -> None:
    dice = random.Random(7)
    originals = [" ".join(f"w{dice.randrange(5000)}" for _ in range(100)) for _ in range(300)]
    copies = []
    for text in originals:
        words = text.split()
        words[dice.randrange(100)] = "changed"
        copies.append(" ".join(words))
    firsts = near_duplicates([*originals, *copies])
    assert list(firsts[:300]) == list(range(300))
    assert sum(firsts[300 + place] == place for place in range(300)) >= 295


@settings(deadline=None, database=None)
@given(st.lists(st.text(max_size=20), max_size=30))
def test_equal_texts_are_always_in_one_group_and_groups_begin_with_their_first(texts: list[str]) -> None:
    firsts = near_duplicates(texts)
    for place, text in enumerate(texts):
        assert firsts[place] <= texts.index(text)
        assert firsts[firsts[place]] == firsts[place]


def test_a_split_with_near_keeps_questions_that_are_nearly_the_same_on_one_side() -> None:
    dice = random.Random(3)
    texts = []
    for number in range(100):
        words = [f"w{dice.randrange(9000)}" for _ in range(50)]
        texts += [" ".join(words), " ".join([*words[:-1], f"end{number}"])]
    rows = memory(*texts)
    parted = 0
    for seed in range(3):
        for near in (True, False):
            train, test = rows.split(test=60, seed=seed, near=near)
            sides = [{(line - 1) // 2 for line, _ in side.numbered()} for side in (train, test)]
            if near:
                assert not sides[0] & sides[1]
                assert len(test) == 60
            else:
                parted += len(sides[0] & sides[1])
    assert parted > 0


def test_merged_rows_keep_their_lines_and_a_bad_one_names_its_file(tmp_path: Path) -> None:
    first, second = tmp_path / "a.jsonl", tmp_path / "b.csv"
    memory("one", "two").write(first)
    second.write_text("prompt,completion\nthree,yes\n")
    merged = Dataset.merged([Dataset.read(first), Dataset.read(second)])
    assert [line for line, _ in merged.numbered()] == [1, 2, 2]
    assert questions(merged) == ["one", "two", "three"]
    second.write_text("prompt,completion\nthree,yes\nfour\n")
    with pytest.raises(DatasetError, match=r"b\.csv: the row has 1 fields, the header has 2"):
        list(Dataset.merged([Dataset.read(first), Dataset.read(second)]))


def test_a_sample_a_deduplication_and_a_merge_are_found_again_by_their_references(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    memory(*(f"q{number % 30}" for number in range(50))).write(path)
    rows = Dataset.read(path)
    train, _ = rows.split(test=5, near=True)
    for each in (rows.sample(7, seed=3), rows.unique(), rows.unique(alike="near").sample(4), rows.sample(9).unique(), train):
        again = Dataset.from_reference(json.loads(json.dumps(each.reference())))
        assert list(again.numbered()) == list(each.numbered())
    both = Dataset.merged([rows, rows.take(2)])
    assert list(Dataset.from_reference(json.loads(json.dumps(both.reference())))) == list(both)


@pytest.mark.parametrize(
    ("reference", "sentence"),
    [
        ({"path": "a.jsonl", "sample": 5}, "sample must be a table"),
        ({"path": "a.jsonl", "sample": {"seed": 1}}, 'sample needs the key "rows"'),
        ({"path": "a.jsonl", "sample": {"rows": 0}}, "sample: 0 rows"),
        ({"path": "a.jsonl", "dedupe": "nearly"}, "dedupe: 'nearly' is unknown"),
        ({"merge": "a.jsonl"}, "merge must be a list"),
        ({"merge": []}, "no datasets were named"),
        ({"path": "a.jsonl", "merge": ["a.jsonl"]}, "a dataset needs one of path, merge"),
        ({"path": "a.jsonl", "split": {"test": 1, "near": 1}}, "near must be true or false"),
    ],
)
def test_a_wrong_reference_to_a_selection_says_what_is_wrong(reference: object, sentence: str, tmp_path: Path) -> None:
    memory("a", "b").write(tmp_path / "a.jsonl")
    with pytest.raises(DatasetError) as refused:
        Dataset.from_reference(reference, folder=tmp_path)
    assert sentence in str(refused.value)


def test_files_of_one_division_are_written_all_or_none(tmp_path: Path) -> None:
    rows = Dataset.from_examples([chat("a", "b"), chat("c", "d")])
    conversation = Dataset.from_examples([ChatExample((Message("user", "a"), Message("assistant", "b")) * 2)])
    with pytest.raises(DatasetError, match="cannot be written as completion"):
        write_all({tmp_path / "one.jsonl": rows, tmp_path / "two.jsonl": conversation}, format="completion")
    assert list(tmp_path.iterdir()) == []


def test_strict_writes_nothing_when_something_would_be_lost(tmp_path: Path) -> None:
    rows = Dataset.from_examples([ChatExample((Message("user", "a", name="anna"), Message("assistant", "b")))])
    with pytest.raises(CheckFailed, match=r"gemini would not carry message\.name \(1 row\)"):
        rows.write(tmp_path / "out.jsonl", format="gemini", strict=True)
    assert list(tmp_path.iterdir()) == []
    assert rows.write(tmp_path / "out.jsonl", format="chat", strict=True).rows == 1


def test_a_table_has_a_column_for_every_key_of_any_row(tmp_path: Path) -> None:
    rows = [chat("a", "b"), chat("c", "d", id=7), chat("e", "f", note="x")]
    written = Dataset.from_examples(rows).write(tmp_path / "rows.csv", format="completion")
    assert written.path.read_text().splitlines() == ["prompt,completion,id,note", "a,b,,", "c,d,7,", "e,f,,x"]
    assert written.rows == 3
    assert [loss.rows for loss in written.losses] == [3]
    broken = Dataset.from_examples([*rows, chat("\ud800", "g")])
    with pytest.raises(DatasetError, match=r"memory:4: cannot be written as completion"):
        broken.write(tmp_path / "broken.csv", format="completion")
