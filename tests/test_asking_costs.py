"""Before models that send a bill are asked many rows: what that costs is said, and nobody is asked without a word of the user's."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from platforms import Platforms, cards, opened

from tuneport.dataset import Dataset
from tuneport.provider import Generation
from tuneport.span import NOTHING


@pytest.fixture
def platforms(capsys: pytest.CaptureFixture[str]) -> Iterator[Platforms]:
    with opened(capsys) as found:
        yield found


def questions(platforms: Platforms) -> int:
    return sum(entry.path.endswith("/chat/completions") for entry in platforms.openai.log)


@pytest.mark.parametrize("command", [("eval",), ("eval", "--against", "base"), ("predict",)], ids=" ".join)
def test_without_a_terminal_many_rows_are_asked_only_with_yes(platforms: Platforms, tmp_path: Path, command: tuple[str, ...]) -> None:
    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 60))
    word, *flags = command
    refused = platforms("models", word, uri, cards(tmp_path / "test.jsonl", 8, start=1000), *flags)
    assert refused.code == 2
    assert "8 answers of tuned at openai for " in refused.err
    assert ("8 answers of base at openai" in refused.err) == bool(flags)
    assert "--yes" in refused.err
    assert questions(platforms) == 0
    assert platforms("models", word, uri, tmp_path / "test.jsonl", *flags, "--yes").code == 0
    assert questions(platforms) == 8 * (2 if flags else 1)


def test_a_prompt_that_lists_the_labels_costs_more_than_the_bare_question(platforms: Platforms, tmp_path: Path) -> None:
    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 60))
    rows = Dataset.read(cards(tmp_path / "test.jsonl", 8, start=1000))
    with platforms.client() as client:
        tuned, bare, prompted = client.asking(uri, rows, against=["base", "base+labels"])
        longer = client.asking(uri, rows, generation=Generation(max_tokens=500))[0]
    assert [each.requests for each in (tuned, bare, prompted)] == [8, 8, 8]
    assert tuned.cost is not None
    assert bare.cost is not None
    assert prompted.cost is not None
    assert longer.cost is not None
    assert Decimal(0) < bare.cost.low < prompted.cost.low
    assert longer.cost.high > tuned.cost.high
    assert questions(platforms) == 0


def test_a_model_of_this_machine_costs_nothing_to_ask(platforms: Platforms, tmp_path: Path) -> None:
    rows = Dataset.read(cards(tmp_path / "test.jsonl", 8))
    with platforms.client() as client:
        (own,) = client.asking("local:smollm2-135m-instruct", rows)
    assert own.cost == NOTHING
