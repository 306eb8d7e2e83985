"""What a quote says beside its sums: which base it is for, whether that can be bought, and what is not known."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from quoted_jobs import TODAY, a_job, all_quoted, heard_row, own_row, pairs, quoted, rows, the_line, usd

from tuneport import Client
from tuneport.dataset import Dataset
from tuneport.errors import UsageError
from tuneport.examples import ChatExample, Message
from tuneport.prices import PriceBook
from tuneport.quote import Quote, QuoteLine, Usage
from tuneport.quoting.break_even import Course, break_evens
from tuneport.quoting.quotes import quotes
from tuneport.quoting.rules import quoted_providers
from tuneport.settings import Settings
from tuneport.span import Span
from tuneport.testing.clock import SimulatedClock

FILE = rows({1_000: 1_000})
DAY = timedelta(days=1)


# --- whether it can be bought ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("days", "word"), [(-1, "closing"), (0, "closing"), (1, "closed")])
def test_a_base_can_be_tuned_until_its_last_day(days: int, word: str) -> None:
    """developers.openai.com, deprecations (2026-10-14): new jobs on gpt-4.1-mini until 2027-01-06, answers until 2027-01-14."""
    quote = quoted(a_job(FILE, base="gpt-4.1-mini", on=date(2027, 1, 6) + days * DAY), "openai")
    assert (quote.availability, quote.ends) == (word, date(2027, 1, 6))
    assert "2027-01-06" in quote.why
    assert "2027-01-14" in quote.why
    assert usd(quote.once) == "5"


@pytest.mark.parametrize(("days", "end"), [(-1, date(2027, 1, 6)), (0, date(2027, 1, 6)), (1, date(2027, 1, 14))])
def test_a_base_whose_training_has_ended_says_when_its_answers_end(days: int, end: date) -> None:
    quote = quoted(a_job(FILE, base="gpt-4.1-mini", on=date(2027, 1, 14) + days * DAY), "openai")
    assert (quote.availability, quote.ends) == ("closed", end)


@pytest.mark.parametrize(("days", "word"), [(-1, "closing"), (0, "closing"), (1, "closed")])
def test_a_retired_base_is_quoted_with_its_date(days: int, word: str) -> None:
    """The same page (2026-04-22): gpt-4.1-nano until 2026-10-23.  Its prices are still in the book, as retired."""
    quote = quoted(a_job(FILE, base="gpt-4.1-nano", on=date(2026, 10, 23) + days * DAY), "openai")
    assert (quote.availability, quote.ends) == (word, date(2026, 10, 23))
    assert "retired" in the_line(quote, "training").doubts
    assert usd(quote.once) == "1.5"


@pytest.mark.parametrize(("days", "word"), [(-1, "available"), (0, "closing"), (1, "closing")])
def test_an_end_in_less_than_half_a_year_is_closing(days: int, word: str) -> None:
    """Foundry schedule (2026-09-02): tuned gpt-4.1-mini answers until 2027-10-14; 179 days before is 2027-04-18. Training there only ends
    "not before" 2027-04-14, which closes nothing."""
    quote = quoted(a_job(FILE, base="gpt-4.1-mini", on=date(2027, 4, 18) + days * DAY), "azure", tier="global")
    assert (quote.availability, quote.ends) == (word, date(2027, 10, 14))


@pytest.mark.parametrize(("days", "word"), [(-1, "available"), (0, "available"), (1, "available")])
def test_a_date_that_is_only_promised_not_to_come_sooner_ends_nothing(days: int, word: str) -> None:
    quote = quoted(a_job(FILE, base="gemini-3.5-flash", on=date(2027, 5, 19) + days * DAY), "vertex")
    assert (quote.availability, quote.ends) == (word, None)
    assert "at least 2027-05-19" in quote.why


# --- which base is quoted ----------------------------------------------------------------------------------------------------------------


def test_a_base_of_another_provider_is_quoted_by_the_nearest_and_says_so() -> None:
    (same,) = {quote.base for quote in all_quoted(a_job(FILE, base="openai:gpt-4.1"), "azure")}
    assert same == "gpt-4.1-2025-04-14"
    (quote, *_) = all_quoted(a_job(FILE, base="openai:gpt-4.1-mini"), "vertex")
    assert quote.base == "gemini-3.1-flash-lite"
    assert quote.notes[0].startswith("stands for openai:gpt-4.1-mini-2025-04-14 (small: ")
    assert "2026-11-21" in quote.notes[0]


def test_the_same_weights_are_nearer_than_the_same_tier() -> None:
    (quote,) = all_quoted(a_job(FILE, base="together:Qwen/Qwen3-8B"), "fireworks")
    assert quote.base == "accounts/fireworks/models/qwen3-8b"
    assert "the same published weights" in quote.notes[0]


def test_a_base_named_for_the_provider_stands_for_nothing() -> None:
    quote = quoted(a_job(FILE, base={"openai": "gpt-4.1", "tinker": "openai/gpt-oss-20b"}), "tinker")
    assert quote.base == "openai/gpt-oss-20b"
    assert not any("stands for" in note for note in quote.notes)


def test_without_a_base_the_usual_ones_of_each_size_are_quoted() -> None:
    found = [quote.base for quote in all_quoted(a_job(FILE), "openai")]
    assert found == ["gpt-4.1-nano-2025-04-14", "gpt-4.1-mini-2025-04-14", "gpt-4.1-2025-04-14"]


@pytest.mark.parametrize(
    ("base", "provider", "method", "weights", "why"),
    [
        ("gpt-9-nano", "openai", "sft", "lora", "knows no base 'gpt-9-nano'"),
        ("bedrock:nova-lite", "nebius", "sft", "lora", "no base of nebius is known to be near"),
        ("gpt-4o-mini", "openai", "dpo", "lora", "does not train gpt-4o-mini-2024-07-18 by dpo; it takes sft"),
        ("gemini-3.5-flash", "vertex", "sft", "full", "trains gemini-3.5-flash by lora only"),
        ("gemini-3.5-flash", "vertex", "grpo", "lora", "how vertex bills grpo is not known"),
    ],
)
def test_what_cannot_be_quoted_says_why(base: str, provider: str, method: str, weights: str, why: str) -> None:
    quote = quoted(a_job(FILE, base=base, method=method, weights=weights, usage=Usage(10)), provider)
    assert (quote.availability, quote.once, quote.total, quote.total_usd) == ("unavailable", None, None, None)
    assert why in quote.why


def test_every_provider_with_a_rule_quotes_something_for_a_file() -> None:
    for provider in quoted_providers():
        found = all_quoted(a_job(FILE, usage=Usage(1_000)), provider)
        assert any(quote.lines for quote in found), provider


# --- what is not known -------------------------------------------------------------------------------------------------------------------


def test_a_price_that_is_not_known_makes_no_total_and_never_nothing() -> None:
    quote = quoted(a_job(FILE, base="gemini-3.5-flash-lite", usage=Usage(1_000, 500, 100)), "vertex")
    line = the_line(quote, "training")
    assert (line.price, line.cost, quote.once, quote.total, quote.total_usd) == (None, None, None, None, None)
    assert line.amount is not None


def test_a_known_training_and_unknown_answers_make_no_total() -> None:
    quote = quoted(a_job(FILE, base="gpt-oss-20b", method="grpo", hours="2", usage=Usage(1_000)), "bedrock")
    assert usd(quote.once) == "160"
    assert (quote.monthly, quote.total) == (None, None)
    assert Course.of(quote) is None


def test_hours_of_reinforcement_that_nobody_gave_are_not_known() -> None:
    quote = quoted(a_job(FILE, base="o4-mini", method="grpo"), "azure")
    assert (the_line(quote, "training").amount, the_line(quote, "training").price, quote.once) == (None, Decimal(100), None)


def test_prompts_without_answers_do_not_say_what_answers_cost() -> None:
    prompts = rows({100: 10}, kind="prompt")
    job = a_job(prompts, base="o4-mini", method="grpo", hours="1", usage=Usage(1_000))
    quote = quoted(job, "azure")
    assert (the_line(quote, "output").amount, quote.monthly, quote.total) == (None, None, None)
    told = quoted(a_job(prompts, base="o4-mini", method="grpo", hours="1", usage=Usage(1_000, output_tokens=50)), "azure")
    assert the_line(told, "input").amount == Span.exactly(Decimal("0.1"))  # 1,000 requests of 100 tokens, in millions
    assert told.total is not None


def test_a_request_as_in_the_pairs_asks_the_prompt_and_gets_one_answer() -> None:
    job = a_job(pairs(10, prompt=100, answers=80), base="gpt-4.1", method="dpo", usage=Usage(1_000))
    quote = quoted(job, "openai")
    assert [usd(the_line(quote, item).amount) for item in ("input", "output")] == ["0.1", "0.04"]


def test_epochs_that_nobody_gave_are_assumed_alike_everywhere_and_said() -> None:
    quote = quoted(a_job(FILE, base="openai/gpt-oss-20b", epochs=None), "together")
    assert quote.epochs_assumed
    assert the_line(quote, "training").amount == Span(Decimal("2.4"), Decimal(3), Decimal("3.6"))
    assert "no number of epochs is given: 3 are compared everywhere" in " ".join(quote.notes)
    assert "together would take 1 epoch" in " ".join(quote.notes)
    assert not quoted(a_job(FILE, base="openai/gpt-oss-20b", epochs=3), "together").epochs_assumed


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"epochs": -1}, {"hours": "-1"}, {"hours": "NaN"}])
def test_less_than_nothing_cannot_be_quoted(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="from"):
        a_job(FILE, **wrong)  # type: ignore[arg-type]


def test_no_epochs_are_not_taken_for_none_given(tmp_path: Path) -> None:
    path = tmp_path / "rows.txt"
    path.write_text("one row\n", encoding="utf-8")
    with pytest.raises(UsageError, match="from 1 up, not 0"):
        Client(settings=Settings(home=tmp_path), clock=SimulatedClock()).quote(path, providers=["openai"], epochs=0)


# --- prices ------------------------------------------------------------------------------------------------------------------------------


def test_a_price_of_ones_own_wins_over_the_book() -> None:
    price = own_row("openai", "gpt-4.1-mini-2025-04-14", "1M training tokens", "7")
    quote = quoted(a_job(FILE, base="gpt-4.1-mini"), "openai", price)
    assert (usd(quote.once), the_line(quote, "training").confidence, the_line(quote, "training").doubts) == ("7", "yours", ())


def test_an_hour_of_a_gpu_at_ones_own_price_wins_even_where_it_is_dearer() -> None:
    price = own_row("fireworks", "H100 80GB SXM", "GPU hour", "9.99")
    others = [own_row("fireworks", name, "GPU hour", "99") for name in ("H200 141GB", "B200 180GB", "B300 288GB", "GB300 288GB")]
    quote = quoted(a_job(FILE, base="accounts/fireworks/models/qwen3-8b", usage=Usage()), "fireworks", price, *others)
    assert usd(quote.monthly) == "7292.7"  # 9.99 x 730


def test_an_hour_of_a_machine_at_ones_own_price_wins_even_where_it_is_dearer() -> None:
    price = own_row("vertex", "*@*", "hosting hour", "2", tier="g2-standard-12")
    quote = quoted(a_job(FILE, base="llama-3.1-8b-instruct", usage=Usage()), "vertex", price)
    assert usd(quote.monthly) == "1460"
    at_nebius = own_row("nebius", "L40S 48GB", "GPU hour", "5")
    quote = quoted(a_job(FILE, base="unsloth/gpt-oss-20b-BF16", usage=Usage()), "nebius", at_nebius)
    assert usd(quote.monthly) == "2956.5"  # one H100 at 4.05


def test_gpu_prices_that_contradict_each_other_make_a_range() -> None:
    both = [heard_row("fireworks", "H100 80GB SXM", "GPU hour", price) for price in ("1", "3")]
    quote = quoted(a_job(FILE, base="accounts/fireworks/models/qwen3-8b", usage=Usage()), "fireworks", *both)
    assert usd(quote.monthly) == ("730", "730", "5840")  # the book itself has 8.00


def test_minimums_that_contradict_each_other_raise_the_upper_bound() -> None:
    both = [heard_row("together", "*", "job minimum", price) for price in ("4", "9")]
    quote = quoted(a_job(rows({10: 10}), base="Qwen/Qwen3-14B"), "together", *both)
    assert usd(quote.once) == ("4", "4", "9")


def test_a_minimum_does_nothing_for_a_job_above_it() -> None:
    """gpt-oss-20b, 1.50 for 1M: 10M tokens, a fifth to either side, are 12, 15 and 18 USD; 2M are 2.40, 3.00 and 3.60, at least 4; 3M
    are 3.60, 4.50 and 5.40, of which the lower bound is raised."""
    costs = [usd(quoted(a_job(rows({1_000: n}), base="openai/gpt-oss-20b"), "together").once) for n in (10_000, 2_000, 3_000)]
    assert costs == [("12", "15", "18"), "4", ("4", "4.5", "5.4")]


def test_currencies_are_never_added_up() -> None:
    price = own_row("azure", "gpt-4.1-mini-2025-04-14", "1M training tokens", "0.55", tier="global", currency="EUR")
    quote = quoted(a_job(FILE, base="gpt-4.1-mini", usage=Usage(1_000, 500, 100)), "azure", price, tier="global")
    assert (the_line(quote, "training").currency, the_line(quote, "hosting").currency, quote.currency) == ("EUR", "USD", None)
    assert (quote.once, quote.monthly, quote.total, quote.total_usd, quote.thousand_requests) == (None, None, None, None, None)


def test_a_price_by_size_holds_up_to_its_size_and_from_above_it() -> None:
    def once(**size: Decimal) -> object:
        price = own_row("together", "*", "1M training tokens", "90", **size)
        return usd(quoted(a_job(rows({1_000: 1_000}, {1: 1_000_000}), base="Qwen/Qwen3.5-27B"), "together", price).once)

    assert once(up_to_b=Decimal(27)) == once(above_b=Decimal("26.9")) == once()
    assert once(above_b=Decimal(27)) == once(up_to_b=Decimal("26.9")) != once()


def test_a_contradiction_in_another_currency_makes_no_range() -> None:
    both = [
        heard_row("openai", "gpt-4.1-mini-2025-04-14", "1M training tokens", price, currency=currency)
        for price, currency in (("7", "USD"), ("1", "EUR"))
    ]
    line = the_line(quoted(a_job(FILE, base="gpt-4.1-mini"), "openai", *both), "training")
    assert (line.price, line.currency, line.price_range) == (Decimal(7), "USD", (Decimal(5), Decimal(7)))  # the book itself has 5.00


def test_a_fee_for_keeping_a_model_comes_beside_its_hosting() -> None:
    fee = own_row("azure", "*", "model-month", "3")
    assert usd(quoted(a_job(FILE, base="gpt-4.1-mini", usage=Usage()), "azure", fee, tier="global").monthly) == "1244"


def test_a_quote_in_another_currency_has_a_total_and_none_in_usd() -> None:
    own = [
        own_row("openai", "gpt-4.1-mini-2025-04-14", unit, price, currency="EUR")
        for unit, price in (("1M training tokens", "4"), ("1M input tokens", "1"), ("1M output tokens", "3"))
    ]
    quote = quoted(a_job(FILE, base="gpt-4.1-mini", usage=Usage(1_000, 500, 100, 2)), "openai", *own)
    assert quote.currency == "EUR"
    assert usd(quote.total) == "5.6"  # 4 + 2 x (0.5 x 1 + 0.1 x 3)
    assert quote.total_usd is None


def test_each_tier_is_quoted_and_one_without_a_price_is_not() -> None:
    assert [quote.tier for quote in all_quoted(a_job(FILE, base="gpt-4.1"), "azure")] == ["global", "developer"]
    only = [row for row in PriceBook.load().rows if row.tier != "developer"]
    assert [quote.tier for quote in quotes(a_job(FILE, base="gpt-4.1"), "azure", book=PriceBook(tuple(only)))] == ["global"]


def test_answers_are_priced_by_the_tier_of_serving_whatever_the_tier_of_training() -> None:
    found = all_quoted(a_job(FILE, base="gpt-4.1", usage=Usage(1_000, 500, 100)), "azure")
    assert {usd(quote.monthly) for quote in found} == {"1242.8"}  # 1.70 x 730 + 0.5 x 2.00 + 0.1 x 8.00


def test_old_prices_and_those_of_third_parties_are_marked() -> None:
    def doubts(on: date) -> tuple[str, ...]:
        return the_line(quoted(a_job(FILE, base="nova-2-lite", on=on), "bedrock"), "training").doubts

    assert doubts(date(2026, 8, 2) + 90 * DAY) == ("third party",)
    assert doubts(date(2026, 8, 2) + 91 * DAY) == ("old", "third party")


def test_a_quote_without_lines_costs_an_unknown_amount() -> None:
    empty = Quote("openai", "gpt-4.1", ())
    assert (empty.once, empty.total, empty.thousand_requests) == (None, None, None)
    least_alone = Quote("openai", "gpt-4.1", (QuoteLine("least", Span.exactly(1), "job minimum", Decimal(4), when="least"),))
    assert least_alone.once is None


def test_images_cost_what_the_base_makes_of_their_size() -> None:
    """platform.openai.com, Images and vision: gpt-4o, 1,024 x 1,024 by tiles: 85 + 4 x 170 = 765; low detail 85.  100 + 765 + 85 = 950"""
    seen = rows({100: 1}, images=[(1_024, 1_024, "", 1), (1_024, 1_024, "low", 1)])
    assert usd(the_line(quoted(a_job(seen, base="gpt-4o"), "openai"), "training").amount) == "0.00095"


def test_rows_with_tools_get_the_bounds_of_an_estimate_and_say_so() -> None:
    """No vendor documents what tools cost: of 1,000,000 tokens 200,000 are of rows with tools; a fifth of these either way is 40,000."""
    seen = rows({1_000: 1_000}, tool_rows=200, tool_tokens=200_000)
    line = the_line(quoted(a_job(seen, base="gpt-4o"), "openai"), "training")
    assert line.amount == Span(Decimal("0.96"), Decimal(1), Decimal("1.04"))
    assert "tokens of 200 rows with tools are estimated" in line.note


def test_rows_with_audio_or_video_have_no_known_price() -> None:
    quote = quoted(a_job(rows({10: 100}, media_rows=1), base="gemini-3.1-flash-lite"), "vertex")
    line = the_line(quote, "training")
    assert (line.amount, line.cost, quote.total) == (None, None, None)
    assert "1 rows hold audio, video or documents" in line.note


def test_ones_own_row_without_a_tier_holds_for_every_tier_and_the_file_read_last_wins(tmp_path: Path) -> None:
    said = '[[prices]]\nprovider = "azure"\nmodel = "gpt-4.1-mini-2025-04-14"\nunit = "1M training tokens"\nprice = "{}"\n'
    files = []
    for name, price in (("user.toml", "0.31"), ("project.toml", "0.29")):
        files.append(tmp_path / name)
        files[-1].write_text(said.format(price))
    book = PriceBook.load(files)
    offered = quotes(a_job(rows({1_000: 1_000}), base="gpt-4.1-mini"), "azure", book=book)
    assert {quote.tier for quote in offered} == {"global", "developer"}
    for quote in offered:
        line = the_line(quote, "training")
        assert (line.price, line.price_range, line.confidence) == (Decimal("0.29"), None, "yours")


def test_estimates_say_that_they_are_and_lie_between_bounds() -> None:
    quote = quoted(a_job(rows({250: 1_000}, {1_000: 1_000}), base="Qwen/Qwen3-8B", on=TODAY), "together")
    line = the_line(quote, "training")
    assert line.amount == Span(Decimal("0.1968"), Decimal("0.246"), Decimal("0.3"))  # 246,000 x 0.8 … 250,000 x 1.2
    assert "estimated by characters x 0.246" in line.note
    uncounted = quoted(a_job(rows({}, {1_000: 1_000}), base="Qwen/Qwen3-8B"), "together")
    assert the_line(uncounted, "training").amount == Span(Decimal("0.1968"), Decimal("0.246"), Decimal("0.3936"))  # up to 1.6 times


def test_the_second_prompt_of_a_pair_is_as_doubtful_as_the_first() -> None:
    """P = 246,000 and C + R = 246,000 by characters, 250,000 each by o200k_base.  2P + C + R = 738,000;  x 0.8 = 590,400;
    750,000 x 1.2 = 900,000"""
    measure = pairs(1_000, prompt=250, answers=250, characters=(1_000, 1_000))
    quote = quoted(a_job(measure, base="accounts/fireworks/models/qwen3-8b", method="dpo"), "fireworks")
    assert the_line(quote, "training").amount == Span(Decimal("0.5904"), Decimal("0.738"), Decimal("0.9"))


@pytest.mark.parametrize(
    ("profiles", "name", "quoted_as"),
    [
        ({"work": {"provider": "openai"}}, "work", "gpt-4.1-mini-2025-04-14"),
        ({"mine": {"provider": "openai", "base_url": "https://models.example/v1"}}, "mine", None),
        ({"openai": {"base_url": "https://models.example/v1"}}, "openai", None),
        ({"nebius": {"provider": "openai", "base_url": "https://api.tokenfactory.nebius.com/v1/"}}, "nebius", "unsloth/gpt-oss-20b-BF16"),
    ],
)
def test_a_profile_at_another_address_is_not_quoted_at_the_vendors_prices(
    profiles: dict[str, dict[str, str]], name: str, quoted_as: str | None, tmp_path: Path
) -> None:
    data = Dataset.from_examples([ChatExample((Message("user", "Hi"), Message("assistant", "Ho")))])
    with Client(settings=Settings(home=tmp_path, providers=profiles)) as client:
        found = client.quote(data, base="gpt-4.1-mini", providers=[name])
    assert {quote.provider for quote in found} == {name}
    if quoted_as is None:
        assert [quote.total for quote in found] == [None]
    else:
        assert quoted_as in {quote.base for quote in found}


def test_ones_own_row_may_call_a_base_by_any_of_its_names(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[[prices]]\nprovider = "openai"\nmodel = "gpt-4.1-mini"\nunit = "1M training tokens"\nprice = "4.20"\n')
    (quote,) = quotes(a_job(rows({1_000: 1_000}), base="gpt-4.1-mini"), "openai", book=PriceBook.load([path]))
    assert usd(quote.once) == "4.2"


def test_months_after_the_end_of_a_model_are_told_and_not_compared() -> None:
    """Tunes of gpt-4.1-mini answer until 2027-01-14, 54 days after the quote: 1.8 of 24 months, and longer than one month."""
    ends = quoted(a_job(FILE, base="gpt-4.1-mini", usage=Usage(1_000, 100, 10, months=24)), "openai")
    lasts = quoted(a_job(FILE, base="gpt-4.1-mini", usage=Usage(1_000, 100, 10, months=1)), "openai")
    assert "tuned models answer for 1.8 of the 24 months only, until 2027-01-14" in ends.notes[0]
    assert (ends.covers_all_months, lasts.covers_all_months) == (False, True)
    other = quoted(a_job(FILE, base="Qwen/Qwen3-8B", usage=Usage(1_000, 100, 10, months=24)), "tinker")
    assert break_evens([ends, other]) == ()
    assert len(break_evens([lasts, quoted(a_job(FILE, base="Qwen/Qwen3-8B", usage=Usage(1_000, 100, 10, months=1)), "tinker")])) == 1


def test_digits_and_other_scripts_raise_the_upper_bound_of_an_estimate_only() -> None:
    """1,000 rows of 100 tokens and 400 characters by o200k_base, 300,000 of the characters digits: Qwen makes each of them a token."""
    plain, numbers = rows({100: 1_000}, {400: 1_000}), rows({100: 1_000}, {400: 1_000}, digits=300_000)
    one, other = (the_line(quoted(a_job(each, base="Qwen/Qwen3-8B"), "fireworks"), "training") for each in (plain, numbers))
    assert one.amount is not None
    assert other.amount == Span(one.amount.low, one.amount.likely, one.amount.high + Decimal("0.3"))
    assert "a token for each of 300,000 digits" in other.note
    assert the_line(quoted(a_job(numbers, base="gpt-4.1-mini"), "openai"), "training").amount == Span.exactly(Decimal("0.1"))


def test_what_is_paid_by_the_hour_is_not_called_free() -> None:
    assert quoted(a_job(FILE, base="Qwen/Qwen3-8B", usage=Usage()), "fireworks").by_the_hour
    assert not quoted(a_job(FILE, base="gpt-4.1-mini", usage=Usage()), "openai").by_the_hour
