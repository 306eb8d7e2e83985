"""The tokens behind a quote of real data sets, counted a second time by another tokenizer with the same vocabulary."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from second_tokenizer import o200k_base

from tuneport import Client
from tuneport.dataset import Dataset
from tuneport.quoting.measure import measure
from tuneport.settings import Settings
from tuneport.testing.clock import SimulatedClock

DATA = Path(__file__).parents[2] / "shared" / "data"
real_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not in shared/data beside the checkout")

MARKS = 3 + 2 * (3 + 1)
"""Around a question and its answer: 3 for the reply, 3 and the role for each message (OpenAI cookbook)."""


def tokens_of(texts: Sequence[str]) -> list[int]:
    return [len(found.ids) for found in o200k_base().encode_batch(list(texts), add_special_tokens=False)]


def counted_again(path: Path) -> list[int]:
    """Tokens of each row by the other tokenizer, read by other means. All rows are conversations."""
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8") as file:
            pairs, marks = [(row["text"], row["category"]) for row in csv.DictReader(file)], MARKS
    else:
        found = map(json.loads, path.read_text(encoding="utf-8").splitlines())
        pairs, marks = [(row["question"], row["answer"]) for row in found], MARKS
    asked, said = (tokens_of(texts) for texts in zip(*pairs, strict=True))
    return [one + other + marks for one, other in zip(asked, said, strict=True)]


@real_data
@pytest.mark.parametrize("name", ["gsm8k/train.jsonl", "gsm8k/test.jsonl", "banking77/train.csv", "banking77/test.csv"])
def test_a_second_tokenizer_counts_the_same_tokens_behind_the_quote(name: str, tmp_path: Path) -> None:
    again = counted_again(DATA / name)
    found = measure(Dataset.read(DATA / name))
    assert sum(size * rows for size, rows in found.tokens.items()) == sum(again)
    assert found.tokens == {size: again.count(size) for size in set(again)}

    client = Client(settings=Settings(home=tmp_path), clock=SimulatedClock())
    (quote,) = client.quote(DATA / name, base="gpt-4.1-mini", epochs=3, providers=["openai"])
    (line,) = quote.lines
    assert line.amount is not None
    assert line.amount.exact
    assert line.amount.likely * 1_000_000 == 3 * sum(again)
    assert quote.total_usd == Decimal(3 * sum(again)) * 5 / 1_000_000


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("Die Überweisung ist noch nicht da, obwohl der Betrag abgebucht wurde.", 16),
        ("def f(x):\n    return {'a': x ** 2, \"b\": [1, 2, 3]}  # \t ok\n", 31),
        ("请问我的银行卡什么时候到？", 7),
        ("👩\u200d👩\u200d👧 naïve café — 12,345.67 €", 19),
        ("  \n\n   \r\n  x", 4),
        ("<|endoftext|> is only text here", 11),
        ("a" * 60, 8),
        ("", 0),
    ],
)
def test_the_second_tokenizer_counts_as_tiktoken_does(text: str, tokens: int) -> None:
    """Tokens under o200k_base by tiktoken 0.14, as in test_tokens.py."""
    assert tokens_of([text]) == [tokens]
