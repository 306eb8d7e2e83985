"""The rows of a recipe before a job: checked for what the provider takes, and as the bytes of its files."""

from __future__ import annotations

import pytest

from tuneport.dataset import Dataset
from tuneport.errors import CheckFailed
from tuneport.examples import ChatExample, Message, PreferenceExample
from tuneport.limits import Limits, Target
from tuneport.methods import SFT
from tuneport.planned_data import Rows, checked_data, refuse_size
from tuneport.recipe import Recipe


def chats(count: int, *, words: int = 1, start: int = 0) -> Dataset:
    turns = [(Message("user", f"question {n}"), Message("assistant", f"answer {n} " * words)) for n in range(start, start + count)]
    return Dataset.from_examples([ChatExample(each) for each in turns], name="rows")


def rows(limits: Limits, *, cuts: frozenset[str] = frozenset()) -> Rows:
    return Rows("Acme", Target(limits=limits), "gpt-4.1-mini", lambda dataset: lambda: dataset.chunks(format="chat"), cuts)


def recipe(train: Dataset, *, validation: Dataset | None = None, method: SFT | None = None) -> Recipe:
    return Recipe(base="acme-1", train=train, validation=validation, method=method or SFT())


def test_each_dataset_becomes_the_file_of_its_purpose() -> None:
    data = checked_data(recipe(chats(12), validation=chats(4, start=50)), rows(Limits()))
    assert [(file.purpose, file.rows) for file in data.files] == [("train", 12), ("validation", 4)]


def test_a_file_that_is_too_large_as_it_is_sent_is_refused_by_its_size() -> None:
    (file,) = checked_data(recipe(chats(12)), rows(Limits())).files
    refuse_size(file, Limits(max_file_bytes=file.size_bytes), who="Acme")
    with pytest.raises(CheckFailed, match=f"{file.size_bytes:,} bytes as it would be sent; Acme takes"):
        checked_data(recipe(chats(12)), rows(Limits(max_file_bytes=file.size_bytes - 1)))


def test_more_rows_to_validate_on_than_are_taken_are_refused() -> None:
    with pytest.raises(CheckFailed, match="validation"):
        checked_data(recipe(chats(12), validation=chats(9, start=50)), rows(Limits(max_test_rows=8)))


def test_rows_to_validate_on_are_asked_for_where_the_provider_needs_them() -> None:
    with pytest.raises(CheckFailed, match="Acme takes method sft only with rows to validate on"):
        checked_data(recipe(chats(12)), rows(Limits(test_required=True)))


def test_rows_that_are_too_long_are_refused_unless_the_provider_does_with_them_what_the_recipe_says() -> None:
    long, limits = chats(12, words=300), Limits(max_tokens=100)
    with pytest.raises(CheckFailed, match="tokens"):
        checked_data(recipe(long), rows(limits))
    with pytest.raises(CheckFailed, match="tokens"):
        checked_data(recipe(long, method=SFT(too_long="drop")), rows(limits, cuts=frozenset({"truncate"})))
    data = checked_data(recipe(long, method=SFT(too_long="drop")), rows(limits, cuts=frozenset({"drop"})))
    assert data.notes == ("rows of more than 100 tokens are left out by the provider, as too_long says",)


def test_that_the_worse_answers_of_pairs_are_not_learned_is_said() -> None:
    pairs = [
        PreferenceExample((Message("user", f"ask {n}"),), (Message("assistant", "good"),), (Message("assistant", "bad"),))
        for n in range(12)
    ]
    data = checked_data(recipe(Dataset.from_examples(pairs, name="pairs")), rows(Limits()))
    assert data.notes == (
        "the rows are pairs of answers: sft learns the better ones, and the others are left out; method dpo learns from both",
    )
    assert checked_data(recipe(chats(12)), rows(Limits())).notes == ()
