"""Quotes for this machine: tokens as the trainer counts them, hours as it was seen to train."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from tuneport_local import provider
from tuneport_local.adapter import LocalTrainer
from tuneport_local.jobs.devices import DeviceQueue
from tuneport_local.machine import throughput
from tuneport_local.plans.token_count import COUNTED_ROWS, TokenCount, count_tokens
from tuneport_local.plans.tokenizer_file import FileTokenizer
from tuneport_local.rows.rendering import Template, render

from tuneport.dataset import Dataset
from tuneport.examples import ChatExample
from tuneport.provider import ProviderSettings
from tuneport.quote import Usage
from tuneport.recipe import DPO, SFT, Recipe
from tuneport.span import Span

from .tiny import CHATML, save_tiny, write_answers, write_chats, write_pairs

pytestmark = pytest.mark.train


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def recipe(base: Path, tmp_path: Path) -> Recipe:
    rows = write_chats(tmp_path / "chats.jsonl")
    return Recipe(base=str(base), train=rows, method=SFT(epochs=2), options={"local": {"device": "cpu"}})


def trainer(home: Path) -> LocalTrainer:
    opened = provider.open_trainer(ProviderSettings("local", home))
    assert isinstance(opened, LocalTrainer)
    return opened


@pytest.mark.parametrize("template", [CHATML, None])
def test_tokens_are_counted_as_the_trainer_counts_them(tmp_path: Path, template: str | None) -> None:
    from transformers import AutoTokenizer
    from tuneport_local.rows.prepared import CONVERSATIONS, prepare

    folder = save_tiny(tmp_path / "tiny", template=template)
    rows = Dataset.read(write_chats(tmp_path / "chats.jsonl", rows=50))
    counted = count_tokens(rows, base=str(folder), home=tmp_path)
    trained = prepare(
        rows.numbered(), AutoTokenizer.from_pretrained(folder), kind=CONVERSATIONS, max_length=10**6, too_long="refuse", name="rows"
    )
    assert (counted.tokens, counted.how) == (Span.exactly(trained.tokens), "exact")


def test_tokens_of_a_base_whose_tokenizer_cannot_be_read_are_estimated(base: Path, recipe: Recipe, tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((base / name).read_bytes())
    exact = count_tokens(recipe.train, base=str(base), home=tmp_path)
    estimated = count_tokens(recipe.train, base=str(folder), home=tmp_path)
    assert estimated.how == "estimated"
    assert exact.tokens.likely / 4 < estimated.tokens.likely < exact.tokens.likely * 4
    assert estimated.tokens.low < estimated.tokens.likely < estimated.tokens.high


def test_of_many_rows_some_are_counted_and_the_bounds_hold_the_whole(base: Path, tmp_path: Path) -> None:
    rows = [
        {"messages": [{"role": "user", "content": "word " * (1 + 7 * number % 41)}, {"role": "assistant", "content": "yes"}]}
        for number in range(COUNTED_ROWS + 501)
    ]
    path = tmp_path / "many.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    some = count_tokens(Dataset.read(path), base=str(base), home=tmp_path)
    tokenizer = FileTokenizer(base)
    template = Template.of(tokenizer)
    examples = Dataset.read(path).numbered()
    whole = sum(
        len(render(row, tokenizer, template=template, line=line).input_ids) for line, row in examples if isinstance(row, ChatExample)
    )
    assert some.how == "from some rows"
    assert some.tokens.low < whole < some.tokens.high
    assert abs(some.tokens.likely - whole) / whole < 0.03


def test_a_file_that_was_counted_before_is_not_counted_again(base: Path, recipe: Recipe, tmp_path: Path) -> None:
    first = count_tokens(recipe.train, base=str(base), home=tmp_path)
    (kept,) = (tmp_path / "cache" / "measures").glob("*.json")
    kept.write_text(kept.read_text().replace(str(first.tokens.likely), "7").replace("exact", "kept"))
    assert count_tokens(recipe.train, base=str(base), home=tmp_path).how == "kept"
    kept.write_text("{")
    assert count_tokens(recipe.train, base=str(base), home=tmp_path) == first


def test_bases_without_a_tokenizer_here_share_one_estimate(recipe: Recipe, tmp_path: Path) -> None:
    first = count_tokens(recipe.train, base="nobody/one", home=tmp_path)
    (kept,) = (tmp_path / "cache" / "measures").glob("*.json")
    kept.write_text(kept.read_text().replace("estimated", "kept"))
    assert count_tokens(recipe.train, base="nobody/other", home=tmp_path) == TokenCount(first.tokens, "kept")


def test_a_quote_measures_a_machine_once_and_remembers(recipe: Recipe, tmp_path: Path) -> None:
    quote = trainer(tmp_path).estimate(recipe)
    assert "calibration" in quote.lines[0].note
    assert quote.lines[0].amount is not None
    assert 0 < quote.lines[0].amount.low <= quote.lines[0].amount.likely <= quote.lines[0].amount.high
    assert trainer(tmp_path).estimate(recipe) == quote
    assert not list((tmp_path / "local").glob("jobs/*"))


def test_a_busy_device_is_not_measured(recipe: Recipe, tmp_path: Path) -> None:
    queue = DeviceQueue(tmp_path / "local" / "devices", "cpu")
    queue.lock.parent.mkdir(parents=True)
    assert queue.take()
    quote = trainer(tmp_path).estimate(recipe)
    queue.give_back()
    assert "time is not known" in quote.lines[0].note
    assert quote.lines[0].amount is None
    assert quote.total is None
    assert throughput.known(tmp_path / "local", base=str(recipe.base), hardware=throughput.hardware_of("cpu")) is None


def test_the_prices_of_a_profile_make_money_of_hours_and_of_a_month(recipe: Recipe, tmp_path: Path) -> None:
    profile = {"watts": 200, "power_price_usd_per_kwh": 0.30, "hour_price_usd": 0.5}
    opened = provider.open_trainer(ProviderSettings("local", tmp_path, profile=profile))
    quote = opened.estimate(recipe, usage=Usage(requests=10, months=2))
    by_item = {line.item: line for line in quote.lines}
    hours = by_item["machine time"].amount
    assert hours is not None
    assert by_item["electricity"].amount == hours * Decimal("0.2")
    assert by_item["hosting"].cost == Span.exactly(Decimal(365))
    assert by_item["hosting, electricity"].cost == Span.exactly(Decimal("43.8"))
    assert quote.total_usd == hours.likely * Decimal("0.56") + 2 * Decimal("408.8")
    assert not quote.billed


def test_a_base_that_does_not_fit_is_told_before_anything_is_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = write_chats(tmp_path / "chats.jsonl")
    recipe = Recipe(base="meta-llama/Llama-3.3-70B-Instruct", train=rows, options={"local": {"device": "cpu"}})
    monkeypatch.setattr("os.sysconf", lambda name: {"SC_PAGE_SIZE": 4_000, "SC_PHYS_PAGES": 16 * 10**6}[name])
    quote = trainer(tmp_path).estimate(recipe)
    assert (quote.availability, quote.lines) == ("unavailable", ())
    assert "163.5 GB of the 64.0 GB" in quote.why


def test_a_base_that_would_have_to_be_fetched_is_not(tmp_path: Path) -> None:
    rows = write_chats(tmp_path / "chats.jsonl")
    quote = trainer(tmp_path).estimate(Recipe(base="nobody/anything", train=rows, options={"local": {"device": "cpu"}}))
    assert "nobody/anything is not on this disk" in quote.lines[0].note
    assert quote.total is None


def test_a_few_long_rows_that_are_not_counted_are_not_forgotten(base: Path, tmp_path: Path) -> None:
    short = {"messages": [{"role": "user", "content": "word " * 10}, {"role": "assistant", "content": "yes"}]}
    long = {"messages": [{"role": "user", "content": "word " * 9_000}, {"role": "assistant", "content": "yes"}]}
    path = tmp_path / "skew.jsonl"
    rows = [long if number in (701, 1_303, 1_999) else short for number in range(2_003)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = count_tokens(Dataset.read(path), base=str(base), home=tmp_path)
    tokenizer = FileTokenizer(base)
    template = Template.of(tokenizer)
    examples = Dataset.read(path).numbered()
    chats = ((line, row) for line, row in examples if isinstance(row, ChatExample))
    whole = sum(len(render(row, tokenizer, template=template, line=line).input_ids) for line, row in chats)
    assert found.tokens.low < whole < found.tokens.high


# --- preferences -------------------------------------------------------------------------------------------------------------------------


def test_both_answers_of_a_pair_are_counted_as_they_are_trained_on(base: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer
    from tuneport_local.rows.prepared import PAIRS, prepare

    rows = Dataset.read(write_pairs(tmp_path / "pairs.jsonl", 30))
    tokenizer = AutoTokenizer.from_pretrained(base)
    trained = prepare(rows.numbered(), tokenizer, kind=PAIRS, max_length=10**6, too_long="refuse", name="rows")

    assert count_tokens(rows, base=str(base), home=tmp_path, method="dpo") == TokenCount(Span.exactly(trained.tokens), "exact")
    assert count_tokens(rows, base=str(base), home=tmp_path).tokens.likely < trained.tokens  # as conversations: the better ones alone
    assert count_tokens(rows, base="nobody/one", home=tmp_path, method="dpo").how == "estimated"


def test_the_tokens_of_judged_answers_are_counted_with_both_answers_of_pairs(base: Path, tmp_path: Path) -> None:
    from transformers import AutoTokenizer
    from tuneport_local.rows.judged import JUDGED, each_answer
    from tuneport_local.rows.prepared import prepare

    rows = Dataset.read(write_answers(tmp_path / "answers.jsonl", 6), format="canonical")
    trained = prepare(rows.numbered(), AutoTokenizer.from_pretrained(base), kind=JUDGED, max_length=10**6, too_long="refuse", name="rows")

    assert len(each_answer(trained).rows) == 8
    assert count_tokens(rows, base=str(base), home=tmp_path, method="kto") == TokenCount(Span.exactly(trained.tokens), "exact")
    pairs = Dataset.read(write_pairs(tmp_path / "pairs.jsonl"), format="canonical")
    assert count_tokens(pairs, base=str(base), home=tmp_path, method="reward") == count_tokens(
        pairs, base=str(base), home=tmp_path, method="dpo"
    )


def test_a_quote_for_preferences_goes_by_how_fast_the_machine_was_seen_to_train_on_them(base: Path, tmp_path: Path) -> None:
    """A step over pairs goes through the base once more: what was seen of conversations says nothing of it."""
    rows = write_pairs(tmp_path / "pairs.jsonl")
    recipe = Recipe(base=str(base), train=rows, method=DPO(), options={"local": {"device": "cpu"}})
    quick = throughput.Throughput(tokens_per_second=9999.0, startup_s=1.0, on="2026-11-01", source="job one")
    throughput.remember(tmp_path / "local", quick, base=str(base), hardware=throughput.hardware_of("cpu"))

    note = trainer(tmp_path).estimate(recipe).lines[0].note

    assert "once more through the base as the reference" in note
    assert "(calibration)" in note
    assert "9,999" not in note
