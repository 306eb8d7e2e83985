"""The price book: every row dated and sourced, the user's own rows over them, and what is doubtful said."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneport.errors import ConfigError, UsageError
from tuneport.prices import OLD_AFTER_DAYS, Price, PriceBook
from tuneport.prices.book import own_prices, shipped
from tuneport.prices.gpus import find_gpu, gpu, gpus
from tuneport.prices.other_tables import GenaiTable, LitellmTable
from tuneport.prices.row_checks import OwnFile, contradictions, different, doubtful
from tuneport.prices.terms import terms, title

TODAY = date(2026, 11, 21)
"""The day on which the book was put together."""

WriteOwn = Callable[..., Path]


def row(**values: Any) -> Price:
    """A row of a made-up provider."""
    usual = {"provider": "acme", "model": "m", "unit": "1M training tokens", "price": Decimal(1)}
    return Price(**{**usual, "as_of": TODAY, "source": "acme.example", "confidence": "vendor page", **values})


@pytest.fixture
def own(tmp_path: Path) -> WriteOwn:
    """Writes a user's price file."""

    def write(*rows: str, name: str = "prices.toml") -> Path:
        path = tmp_path / name
        path.write_text("".join(f"[[prices]]\n{each}\n" for each in rows), encoding="utf-8")
        return path

    return write


OURS = 'provider = "together"\nmodel = "Qwen/Qwen3.5-9B"\nunit = "1M training tokens"\nprice = "0.40"'


# --- the rows that come with it ---------------------------------------------------------------------------------------------------------


def test_every_row_has_a_source_a_day_that_is_not_to_come_and_somebody_who_says_it() -> None:
    said_by = ("vendor page", "vendor code", "third party")
    wrong = [
        title(each)
        for each in shipped()
        if len(each.source) < 8 or not date(2023, 1, 1) < each.as_of <= date.today() or each.confidence not in said_by or not each.model
    ]
    assert wrong == []
    assert len(shipped()) > 500


def test_no_two_rows_contradict_each_other_without_a_note_that_says_so() -> None:
    assert [found.message for found in contradictions(shipped()) if "no note says why" in found.message] == []


def test_no_row_stands_twice() -> None:
    seen = defaultdict(list)
    for each in shipped():
        seen[each.provider, each.model, each.unit, terms(each), each.price, each.as_of].append(each)
    assert [key for key, rows in seen.items() if len(rows) > 1] == []


def test_the_book_holds_every_provider_of_the_plan_and_rented_gpus() -> None:
    wanted = {"openai", "azure", "vertex", "together", "fireworks", "tinker", "nebius", "bedrock", "gpu"}
    assert set(PriceBook.load().providers()) == wanted


def test_prices_of_hours_of_gpus_name_gpus_that_are_known() -> None:
    named = {each.model for each in shipped() if each.unit == "GPU hour"}
    assert named <= {each.name for each in gpus()}
    assert len(named) > 10


@given(parameters_b=st.decimals("0.1", "2000", places=2), method=st.sampled_from(["sft", "dpo"]), weights=st.sampled_from(["lora", "full"]))
def test_where_the_price_goes_by_size_a_model_of_any_size_has_one_price_or_none(parameters_b: Decimal, method: str, weights: str) -> None:
    book = PriceBook.load()
    found = {
        provider: book.prices(provider, "a-model", "1M training tokens", parameters_b=parameters_b, method=method, weights=weights)
        for provider in ("together", "fireworks")
    }
    assert len(found["together"]) == (1 if parameters_b <= 100 else 0)
    assert len(found["fireworks"]) == 1


# --- one row ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [
        ({"up_to_b": Decimal(16)}, ["0.1", "16"], ["16.01"]),
        ({"above_b": Decimal(16)}, ["16.01", "900"], ["16", "1"]),
        ({"above_b": Decimal(16), "up_to_b": Decimal(80)}, ["17", "80"], ["16", "80.5"]),
    ],
)
def test_a_price_by_size_holds_above_its_lower_bound_and_up_to_its_upper(
    bounds: Mapping[str, Decimal], inside: list[str], outside: list[str]
) -> None:
    by_size = row(model="*", **bounds)
    assert all(by_size.holds_for("any", parameters_b=Decimal(size)) for size in inside)
    assert not any(by_size.holds_for("any", parameters_b=Decimal(size)) for size in outside)


def test_a_price_by_size_holds_for_no_model_of_unknown_size() -> None:
    assert not row(model="*", up_to_b=Decimal(16)).holds_for("any")
    assert row(model="*").holds_for("any")


def test_letter_case_of_a_model_does_not_matter() -> None:
    assert row(model="Qwen/Qwen3.5-9B").holds_for("qwen/qwen3.5-9b")


def test_a_price_of_90_days_ago_is_not_old_and_one_of_91_is() -> None:
    assert "old" not in row(as_of=TODAY - timedelta(days=OLD_AFTER_DAYS)).doubts(on=TODAY)
    assert "old" in row(as_of=TODAY - timedelta(days=OLD_AFTER_DAYS + 1)).doubts(on=TODAY)


@pytest.mark.parametrize(
    ("values", "doubts"),
    [
        ({}, ()),
        ({"confidence": "vendor code"}, ()),
        ({"confidence": "third party"}, ("third party",)),
        ({"status": "closing"}, ("closing",)),
        ({"status": "retired", "confidence": "third party", "as_of": date(2025, 7, 1)}, ("old", "third party", "retired")),
        ({"confidence": "yours", "as_of": date(2020, 1, 1)}, ()),
    ],
)
def test_doubts_say_age_who_says_it_and_whether_it_has_ended(values: Mapping[str, Any], doubts: tuple[str, ...]) -> None:
    assert row(**values).doubts(on=TODAY) == doubts


def test_a_row_reads_as_what_it_is_the_price_of_and_on_which_terms() -> None:
    each = row(method="sft", weights="lora", above_b=Decimal(16), up_to_b=Decimal(80), tier="batch", region="eu")
    assert title(each) == "acme:m, 1M training tokens (sft, lora, over 16B up to 80B, batch, eu)"
    assert title(row()) == "acme:m, 1M training tokens"


# --- which row counts ---------------------------------------------------------------------------------------------------------------------


def price_of(*rows: Price, **asked: Any) -> Decimal | None:
    found = next(iter(PriceBook(rows).prices("acme", "m", "1M training tokens", **asked)), None)
    return None if found is None else found.price


def test_a_price_that_nobody_published_is_none() -> None:
    assert price_of() is None
    assert price_of(row(model="other")) is None
    assert price_of(row(provider="other")) is None
    assert price_of(row(unit="training hour")) is None


def test_the_row_that_says_most_wins_whatever_the_order() -> None:
    general, by_method, by_both = row(), row(price=Decimal(2), method="sft"), row(price=Decimal(3), method="sft", weights="lora")
    for rows in ((general, by_method, by_both), (by_both, by_method, general)):
        assert price_of(*rows, method="sft", weights="lora") == 3
        assert price_of(*rows, method="sft", weights="full") == 2
        assert price_of(*rows, method="dpo") == 1


def test_a_row_for_this_very_model_wins_over_a_pattern_and_over_a_price_by_size() -> None:
    pattern, exact = row(model="*", method="sft", weights="lora", up_to_b=Decimal(16)), row(price=Decimal(5))
    assert price_of(pattern, exact, parameters_b=Decimal(8), method="sft", weights="lora") == 5
    assert price_of(pattern, parameters_b=Decimal(8), method="sft", weights="lora") == 1


def test_what_can_be_bought_wins_over_what_is_retired() -> None:
    assert price_of(row(status="retired"), row(price=Decimal(2))) == 2
    assert price_of(row(status="retired")) == 1


def test_a_tier_has_its_own_price_or_none() -> None:
    rows = (row(), row(tier="batch", price=Decimal("0.5")))
    assert price_of(*rows) == 1
    assert price_of(*rows, tier="batch") == Decimal("0.5")
    assert price_of(*rows, tier="global") is None
    assert PriceBook(rows).tiers("acme", "m", "1M training tokens") == ("", "batch")


def test_a_row_of_a_region_holds_there_only_and_wins_there() -> None:
    rows = (row(), row(region="eu", price=Decimal(2)))
    assert price_of(*rows) == 1
    assert price_of(*rows, region="eu") == 2
    assert price_of(*rows, region="us") == 1


# --- the user's own rows ------------------------------------------------------------------------------------------------------------------


def test_an_own_row_needs_four_keys_and_is_of_the_day_its_file_was_changed(own: WriteOwn) -> None:
    path = own(OURS)
    os.utime(path, (1_790_000_000, 1_790_000_000))
    (mine,) = own_prices(path)
    assert (mine.price, mine.confidence, mine.source) == (Decimal("0.40"), "yours", "prices.toml")
    assert mine.as_of == date.fromtimestamp(1_790_000_000)


def test_an_own_row_may_say_day_and_source_but_stays_the_users(own: WriteOwn) -> None:
    (mine,) = own_prices(own(f'{OURS}\nas_of = 2026-11-01\nsource = "our contract"\nconfidence = "vendor page"'))
    assert (mine.as_of, mine.source, mine.confidence) == (date(2026, 11, 1), "our contract", "yours")


def test_own_rows_win_over_the_book_and_the_last_file_over_the_others(own: WriteOwn) -> None:
    user, project = own(OURS, name="user.toml"), own(OURS.replace("0.40", "0.30"), name="project.toml")
    asked: dict[str, Any] = {"parameters_b": Decimal("9.41"), "method": "sft", "weights": "lora"}

    def cost(*files: Path) -> Decimal:
        found = next(iter(PriceBook.load(files).prices("together", "Qwen/Qwen3.5-9B", "1M training tokens", **asked)), None)
        assert found is not None
        return found.price

    assert cost() == Decimal("0.48")
    assert cost(user) == Decimal("0.40")
    assert cost(user, project) == Decimal("0.30")
    assert cost(project, user) == Decimal("0.40")


@given(each=st.sampled_from([each for each in shipped() if not each.by_size]), price=st.decimals(0, 1000, places=4))
def test_whatever_the_book_says_of_a_model_an_own_row_for_it_counts(each: Price, price: Decimal) -> None:
    mine = Price(
        provider=each.provider, model=each.model, unit=each.unit, tier=each.tier, price=price, as_of=TODAY, source="us", confidence="yours"
    )
    book = PriceBook((mine, *shipped()))
    asked = {"method": each.method, "weights": each.weights, "tier": each.tier, "region": each.region}
    found = next(iter(book.prices(each.provider, each.model, each.unit, **asked)), None)
    assert found == mine


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (f"{OURS}\nprize = 1", "row 2 of .*unknown field `prize`"),
        (OURS.replace('"0.40"', '"cheap"'), r"row 2 of .*price"),
        (OURS.replace('"0.40"', '"-1"'), "row 2 of .*a price is a number from 0 up, not -1"),
        (OURS.replace('"0.40"', '"NaN"'), "row 2 of .*a price is a number from 0 up"),
        (OURS.replace("1M training tokens", "token"), r"row 2 of .*'token'.*unit"),
        (OURS.replace('model = "Qwen/Qwen3.5-9B"\n', ""), "row 2 of .*missing required field `model`"),
        (f'{OURS}\ncurrency = "euro"', "row 2 of .*three capital letters, not 'euro'"),
        (f'{OURS}\nas_of = "yesterday"', r"row 2 of .*as_of"),
        (f'{OURS}\nsource = " "', "row 2 of .*a price needs its source"),
    ],
)
def test_a_wrong_own_row_is_refused_with_file_row_and_key(own: WriteOwn, text: str, sentence: str) -> None:
    with pytest.raises(ConfigError, match=rf"prices\.toml: {sentence}"):
        PriceBook.load([own(OURS, text)])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("[[prices]\n", "is not TOML"), ("[[price]]\n", "holds something else"), ('prices = "none"\n', "holds something else")],
)
def test_an_own_file_of_another_shape_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"mine\.toml: .*{sentence}"):
        own_prices(path)


def test_an_own_file_that_is_not_there_or_no_text_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: the prices cannot be read: No such file"):
        own_prices(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match=r"bytes\.toml: the prices cannot be read"):
        own_prices(tmp_path / "bytes.toml")


# --- what is checked ----------------------------------------------------------------------------------------------------------------------


def test_the_check_finds_every_wrong_row_of_a_file_and_not_only_the_first(own: WriteOwn) -> None:
    file = OwnFile.read(own(OURS, f"{OURS}\nprize = 1", OURS.replace("0.40", "cheap")))
    assert [(found.rule, found.severity) for found in file.findings] == [("price-readable", "error")] * 2
    assert "row 2" in file.findings[0].message
    assert "row 3" in file.findings[1].message
    assert file.rows == ()


def test_two_prices_of_one_thing_in_an_own_file_are_an_error_unless_a_note_says_why(own: WriteOwn) -> None:
    other = OURS.replace("0.40", "0.30").replace("Qwen/", "qwen/")
    (found,) = contradictions(own_prices(own(OURS, other)), place="prices.toml")
    assert (found.severity, found.rule) == ("error", "price-contradiction")
    assert "0.40 USD" in found.message
    assert "0.30 USD" in found.message
    (noted,) = contradictions(own_prices(own(OURS, f'{other}\nnote = "from May on"')), place="prices.toml")
    assert noted.severity == "warning"
    assert list(contradictions([row(), row()])) == []
    assert list(contradictions([row(), row(tier="batch", price=Decimal(2)), row(status="retired", price=Decimal(9))])) == []


def test_old_and_third_party_prices_are_warnings_and_retired_ones_nothing() -> None:
    rows = [row(as_of=date(2025, 1, 1)), row(confidence="third party"), row(as_of=date(2025, 1, 1), status="retired"), row()]
    assert [(found.rule, found.severity) for found in doubtful(rows, on=TODAY)] == [
        ("price-old", "warning"),
        ("price-third-party", "warning"),
    ]


class FakeTable:
    """Somebody's table of prices of answers."""

    name = "theirs"

    def price(self, each: Price) -> Decimal | None:
        return Decimal("2.50") if each.unit == "1M input tokens" else None


def test_prices_that_another_table_has_otherwise_are_named_with_both() -> None:
    same, differs = row(unit="1M input tokens", price=Decimal("2.5")), row(unit="1M input tokens", price=Decimal(3))
    (found,) = different([same, differs, row(), row(unit="1M input tokens", status="retired")], [FakeTable()])
    assert found.rule == "price-differs"
    assert found.message == "acme:m, 1M input tokens: 3 USD here (2026-11-21), 2.5 USD in theirs."


def test_the_table_of_litellm_is_read_by_its_own_names_and_for_one_token() -> None:
    table = LitellmTable(
        {
            "ft:m": {"input_cost_per_token": 8e-07, "input_cost_per_token_batches": 4e-07},
            "amazon.m-v1:0": {"output_cost_per_token": 1.4e-07},
        }
    )
    assert table.price(row(provider="openai", unit="1M input tokens")) == Decimal("0.8")
    assert table.price(row(provider="openai", unit="1M input tokens", tier="batch")) == Decimal("0.4")
    assert table.price(row(provider="bedrock", model="amazon.m-v1:0:128k", tier="on-demand", unit="1M output tokens")) == Decimal("0.14")
    for nothing in (
        row(provider="openai", unit="1M output tokens"),
        row(provider="openai"),
        row(provider="openai", model="n", unit="1M input tokens"),
        row(provider="together", unit="1M input tokens"),
    ):
        assert table.price(nothing) is None


class TheirModel:
    """A model of genai-prices, with a price that goes by length."""

    class Tiered:
        base = Decimal("1.25")

    class Prices:
        input_mtok: Any = None
        output_mtok = Decimal(10)

    def get_prices(self, at: object) -> Prices:
        prices = self.Prices()
        prices.input_mtok = self.Tiered()
        return prices


class TheirProvider:
    """A provider of genai-prices."""

    id = "google"

    def find_model(self, name: str, *, all_providers: object) -> TheirModel | None:
        return TheirModel() if name == "gemini" else None


class TheirSnapshot:
    """What genai-prices hands out."""

    providers = (TheirProvider(),)


def test_the_table_of_genai_prices_counts_with_its_price_of_short_prompts() -> None:
    table = GenaiTable(TheirSnapshot())
    assert table.price(row(provider="vertex", model="gemini", tier="base", unit="1M input tokens")) == Decimal("1.25")
    assert table.price(row(provider="vertex", model="gemini", tier="base", unit="1M output tokens")) == 10
    assert table.price(row(provider="vertex", model="gemini", tier="base", unit="1M cached input tokens")) is None
    assert table.price(row(provider="vertex", model="other", tier="base", unit="1M input tokens")) is None
    assert table.price(row(provider="vertex", model="gemini", unit="1M input tokens")) is None
    assert table.price(row(provider="openai", unit="1M input tokens")) is None


# --- GPUs ---------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("each", gpus(), ids=lambda each: each.name)
def test_every_gpu_has_source_and_day_and_goes_by_names_of_its_own(each: Any) -> None:
    assert date(2023, 1, 1) < each.as_of <= date.today()
    assert each.source
    assert each.memory_gb > 0
    assert [other.name for name in (each.name, *each.names) for other in gpus() if other.goes_by(name)] == [each.name] * (
        1 + len(each.names)
    )


def test_a_gpu_is_found_by_any_of_its_names_and_an_unknown_one_gets_the_nearest() -> None:
    assert gpu("h100").name == gpu("H100 80GB SXM").name == "H100 80GB SXM"
    assert gpu("H100").memory_gb == 80
    assert find_gpu("abacus") is None
    with pytest.raises(UsageError, match=r"no GPU is called 'H1000' here; did you mean 'H100'\?"):
        gpu("H1000")


def test_what_is_not_published_of_a_gpu_is_none_and_never_zero() -> None:
    assert gpu("T4").bf16_tflops is None
    assert all(value is None or value > 0 for each in gpus() for value in (each.watts, each.bf16_tflops))


def test_a_row_that_is_written_out_is_read_back_as_it_was() -> None:
    for each in shipped():
        assert msgspec.json.decode(msgspec.json.encode(each), type=Price) == each
