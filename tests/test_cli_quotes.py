"""`tuneport quote`: what everything costs everywhere, as a table, as JSON, as CSV and as a page."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from commands import Shell
from hypothesis import given
from hypothesis import strategies as st
from quote_samples import USAGE, line, offer, refused, span
from seen_page import Seen

from tuneport.cli.demo import quote_sentence
from tuneport.cli.output import Output
from tuneport.cli.quote_documents import COLUMNS, LINE_KEYS, quotes_csv, quotes_document
from tuneport.cli.quote_tables import broken, cost_sentence, print_quotes
from tuneport.quote import Quote, QuoteLine, Usage
from tuneport.quoting.offers import Names, in_order, remarks
from tuneport.quoting.wording import amount_text, money, money_span, price_text, usage_text

ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
TWO_CLOUDS = ("--providers", "openai,azure", "--base", "gpt-4.1-mini", "--epochs", "2")
ASKED = ("--requests-per-month", "1000", "--input-tokens", "500", "--output-tokens", "200")


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, capsys)


def shown(*quotes: Quote, every_line: bool = False) -> str:
    """What a pipe gets."""
    stream = io.StringIO()
    print_quotes(quotes, out=Output(json=False, stream=stream), every_line=every_line)
    return stream.getvalue()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def on_a_terminal(monkeypatch: pytest.MonkeyPatch, quotes: Sequence[Quote], *, columns: int) -> str:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.delenv("NO_COLOR", raising=False)
    stream = Terminal()
    print_quotes(quotes, out=Output(json=False, stream=stream), every_line=True)
    return stream.getvalue()


CLOSED = offer(
    "openai",
    "gpt-4.1-nano-2025-04-14",
    training="0.02",
    request="0.0001",
    availability="closed",
    ends=date(2026, 10, 23),
    why="tuned models stopped answering on 2026-10-23",
)
OLD = ("old", "third party")
MANY = (
    CLOSED,
    refused("nebius", "-", "no base of nebius is known to be near to it"),
    offer("openai", "gpt-4.1-mini-2025-04-14", training="9", request="0.0007", availability="closing", ends=date(2027, 1, 6)),
    offer(
        "azure", "gpt-4.1-mini-2025-04-14", training="8.13", hosting="1241", request="0.0006", tier="global", doubts=("old", "third party")
    ),
    offer("fireworks", "accounts/fireworks/models/llama-v3p1-8b-instruct", training=None, hosting="2920"),
    offer("together", "meta-llama/Meta-Llama-3.1-8B-Instruct-Reference", training="12345.67", request="0.0009", notes=("see there",)),
    offer("vertex", "gemini-3.1-flash-lite", training="4", request="0.00004", ends=date(2027, 5, 19)),
)


# --- the table -------------------------------------------------------------------------------------------------------------------------


def test_offers_stand_by_their_totals_those_unknown_after_them_and_closed_ones_last() -> None:
    rows = [row.split()[0] for row in shown(*MANY).splitlines()[3:10]]
    assert rows == ["vertex", "openai", "together", "azure", "fireworks", "nebius", "openai"]


def test_the_table_has_training_a_month_all_months_and_requests_and_says_for_what() -> None:
    lines = shown(*MANY).splitlines()
    assert lines[0] == "For 10,000 requests a month of 500 + 200 tokens, over 12 months:"
    assert re.split(r"\s{2,}", lines[2]) == ["PROVIDER", "BASE", "TRAINING", "A MONTH", "12 MONTHS", "1,000 REQUESTS", "AVAILABILITY"]
    openai = next(row for row in lines if row.startswith("openai"))
    assert re.split(r"\s{2,}", openai)[2:] == ["9.00", "7.00", "93.00", "0.70", "closing 2027-01-06"]


def test_without_usage_there_are_no_months() -> None:
    header = shown(offer("a", "m", usage=None)).splitlines()[0]
    assert header.split() == ["PROVIDER", "BASE", "TRAINING", "AVAILABILITY"]


def test_closed_is_said_in_words_in_a_pipe_and_struck_out_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    (row,) = [row for row in shown(*MANY).splitlines() if "closed" in row]
    assert row.endswith("closed 2026-10-23")
    seen = on_a_terminal(monkeypatch, MANY, columns=120)
    struck = [row for row in seen.splitlines() if "\x1b[2;9m" in row]
    assert len(struck) == 1
    assert "closed 2026-10-23" in ANSI.sub("", struck[0])
    assert ";9m" not in struck[0].rpartition("closed")[0].rpartition("\x1b")[2]


@pytest.mark.parametrize("columns", [80, 100, 120, 160])
@pytest.mark.parametrize("usage", [USAGE, None], ids=["usage", "training only"])
def test_everything_fits_the_terminal_and_nothing_is_cut(monkeypatch: pytest.MonkeyPatch, columns: int, usage: Usage | None) -> None:
    quotes = [replace(quote, usage=usage, lines=quote.lines if usage else quote.lines[:1]) for quote in MANY]
    seen = ANSI.sub("", on_a_terminal(monkeypatch, quotes, columns=columns))
    assert max(map(len, seen.splitlines())) <= columns
    assert "…" not in seen
    together = "".join(seen.split())
    assert all(word in together for word in ("2027-01-06", "2027-05-19", "closed", "12,346", "unavailable", "unknown"))


def test_wide_terminals_show_each_offer_on_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ANSI.sub("", on_a_terminal(monkeypatch, MANY, columns=140)).splitlines()
    (row,) = [row for row in rows if row.startswith("azure") and "until" not in row and "1,247.00" in row]
    assert re.split(r"\s{2,}", row.rstrip()) == ["azure", "gpt-4.1-mini (global)", "*8.13", "1,247.00", "*14,972", "0.60", "available"]


def test_a_price_with_a_doubt_marks_whatever_rests_on_it() -> None:
    text = shown(*MANY)
    (azure,) = [row for row in text.splitlines() if row.startswith("azure") and "1,247.00" in row]
    assert azure.split()[3:6] == ["*8.13", "1,247.00", "*14,972"]
    assert "* rests on a price with a doubt: old, third party" in text
    assert "*" not in shown(offer("a", "m"))
    unknown = offer("a", "m", hosting="3", doubts=("old",))
    lines = (*unknown.lines, line("storage", None, "GB-month", None, when="monthly"))
    assert shown(replace(unknown, lines=lines)).splitlines()[3].split()[2:5] == ["*5.00", "unknown", "unknown"]


def test_lines_of_few_offers_are_shown_and_of_many_on_demand() -> None:
    assert "acme.example/pricing" in shown(*MANY[:3])
    many = shown(*MANY)
    assert "acme.example/pricing" not in many
    assert "--lines" in many
    assert "acme.example/pricing" in shown(*MANY, every_line=True)


def test_lines_say_amount_price_cost_and_where_from_each_source_once() -> None:
    quote = Quote(
        "acme",
        "small",
        (
            line("training", "1.5", "1M training tokens", "2.50", source="a page", as_of="2026-02-03", doubts=("old",), note="3 epochs"),
            line("validation", "0", "1M training tokens", "2.50", source="a page", as_of="2026-02-03", doubts=("old",)),
            line("hosting", "730", "hosting hour", "1.70", when="monthly", source="a blog", confidence="third party"),
            line("storage", None, "GB-month", None, when="monthly"),
        ),
    )
    rows = [re.split(r"\s{2,}", row.strip()) for row in shown(quote).splitlines()]
    assert ["training", "1,500,000 tokens", "2.50/1M", "3.75", "[1]*"] in rows
    assert ["validation", "0 tokens", "2.50/1M", "0.00", "[1]*"] in rows
    assert ["hosting", "730 hosting hours", "1.70", "1,241.00/month", "[2]*"] in rows
    assert ["storage", "unknown", "unknown", "unknown", "-"] in rows
    assert ["training: 3 epochs"] in rows
    assert ["[1] vendor page, 2026-02-03, old: a page"] in rows
    assert ["[2] 2026-10-01, third party: a blog"] in rows


def test_what_nobody_bills_is_not_called_unknown_nor_free() -> None:
    mine = Quote("local", "smol", (QuoteLine("machine time", span("0.05", "0.06", "0.08"), "hour", None),), billed=False)
    text = shown(mine)
    assert [row.split() for row in text.splitlines()][1] == ["local", "smol", "not", "billed", "available"]
    assert "3-4.8 min" in text
    assert "unknown" not in text
    assert "0.00" not in text


def test_where_one_gets_cheaper_than_another_is_a_sentence() -> None:
    text = shown(offer("hosted", "m", training="8", hosting="100", request="0.001"), offer("metered", "m", training="20", request="0.003"))
    assert "metered m costs less than hosted m up to 50,000 requests a month\n" in text


def test_what_several_offers_say_stands_once_with_whose_it_is() -> None:
    quotes = [offer("a", "x-2025-04-14", tier=tier, notes=("one",)) for tier in ("global", "developer")]
    quotes += [offer("a", "y", notes=("all of a",)), offer("b", "z", notes=("all of a", "two"))]
    quotes = [replace(quote, notes=(*quote.notes, "everybody")) for quote in quotes]
    quotes[0] = replace(quotes[0], why="soon")
    found = remarks(quotes, names=Names.of(quotes))
    assert found == ["a x (global): soon", "a x: one", "everybody", "a y, b: all of a", "b: two"]


def test_bases_are_short_where_they_still_differ() -> None:
    bases = ["meta-llama/Llama-3.1-8B", "other/Llama-3.1-8B", "qwen/qwen3@qwen3-8b", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20", "m@1"]
    names = Names.of([offer("a", base) for base in bases])
    short = [names.base(offer("a", base)) for base in bases]
    assert short == ["meta-llama/Llama-3.1-8B", "other/Llama-3.1-8B", "qwen3-8b", "gpt-4o-2024-08-06", "gpt-4o-2024-11-20", "m@1"]
    assert Names.of([offer("a", "gpt-4o-2024-08-06")]).base(offer("a", "gpt-4o-2024-08-06")) == "gpt-4o"


@given(st.lists(st.sampled_from([*MANY, CLOSED, offer("z", "m", currency="EUR")]), max_size=9))
def test_the_order_loses_nobody_and_puts_closed_ones_last(quotes: list[Quote]) -> None:
    ordered = in_order(quotes)
    assert sorted(map(id, ordered)) == sorted(map(id, quotes))
    closed = [quote.availability == "closed" for quote in ordered]
    assert closed == sorted(closed)
    totals = [quote.total_usd for quote in ordered if quote.availability in ("available", "closing") and quote.total_usd is not None]
    assert totals == sorted(totals)


# --- words -----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0", "0.00"),
        ("0.00004212", "0.000042"),
        ("0.0996", "0.10"),
        ("0.105", "0.11"),
        ("9.4", "9.40"),
        ("999.995", "1,000.00"),
        ("9999.99", "9,999.99"),
        ("12345.67", "12,346"),
    ],
)
def test_money_has_two_places_small_amounts_two_digits_and_large_ones_none(value: str, text: str) -> None:
    assert money(Decimal(value)) == text


@pytest.mark.parametrize(
    ("bounds", "text"),
    [
        (("9.40", "10", "11.20"), "9.40-11.20"),
        (("9.401", "9.402", "9.404"), "9.40"),
        (("41.78", "41.785", "41.79"), "41.79"),
        (("118.2", "130", "141.9"), "118-142"),
        (("0", "0", "3.2"), "0.00-3.20"),
        (("0.0042", "0.005", "12"), "0.0042-12.00"),
        (("5", "5", "5"), "5.00"),
    ],
)
def test_a_range_stands_only_where_its_ends_read_differently(bounds: tuple[str, str, str], text: str) -> None:
    assert money_span(span(*bounds)) == text


def test_another_currency_is_named_and_what_is_not_known_is_never_a_number() -> None:
    assert money_span(span("3.1"), currency="EUR") == "3.10 EUR"
    assert money_span(None) == "unknown"
    assert money_span(span("3"), currency=None) == "unknown"


@pytest.mark.parametrize(
    ("amount", "unit", "text"),
    [
        (span("1.234567"), "1M training tokens", "1,234,567 tokens"),
        (span("1.1", "1.2", "1.32"), "1M input tokens", "1.1M-1.32M tokens"),
        (span("730"), "hosting hour", "730 hosting hours"),
        (span("1"), "hosting hour", "1 hosting hour"),
        (span("0.05"), "hour", "3 min"),
        (span("2.5"), "kWh", "2.5 kWh"),
        (span("3"), "GB-month", "3 GB-months"),
        (None, "GB-month", "unknown"),
    ],
)
def test_amounts_read_as_people_say_them(amount: None, unit: str, text: str) -> None:
    assert amount_text(QuoteLine("x", amount, unit, None)) == text


def test_a_price_stands_in_full_with_both_ends_where_sources_contradict_each_other() -> None:
    about = line("training", "1", "1M training tokens", "0.375")
    assert price_text(about, billed=True) == "0.375/1M"
    assert price_text(replace(about, price_range=(Decimal("0.3"), Decimal(2)), currency="EUR"), billed=True) == "0.30-2.00 EUR/1M"


def test_usage_says_where_its_tokens_are_from() -> None:
    assert usage_text(Usage(1, 5, 6, 1)) == "1 request a month of 5 + 6 tokens, over 1 month"
    assert usage_text(Usage(1000)) == "1,000 requests a month as long as the data's, over 12 months"
    assert usage_text(Usage(0, None, 6)) == "no requests a month, prompts as long as the data's and answers of 6 tokens, over 12 months"


@given(st.text("abc-/_:@ ", max_size=60), st.integers(3, 30))
def test_a_broken_name_fits_and_loses_no_letter(text: str, width: int) -> None:
    lines = broken(text, width).split("\n")
    assert all(len(line) <= width for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_the_demo_says_time_and_money_in_a_sentence() -> None:
    time = QuoteLine("machine time", span("0.1"), "hour", None)
    assert quote_sentence(Quote("local", "m", (time,), billed=False)) == "It takes about 6:00 min of this machine; nobody bills it."
    assert quote_sentence(Quote("local", "m", (replace(time, price=Decimal(2)),))).endswith("that is 0.20 USD.")
    assert quote_sentence(refused("local", "m", "it does not fit")) == "No quote: it does not fit"


def test_what_submitting_costs_is_told_tier_by_tier() -> None:
    quotes = [offer("a", "m", training="2", tier="developer"), offer("a", "m", training=None, tier="global")]
    assert cost_sentence(quotes) == "2.00 USD (developer), unknown (global)"
    assert cost_sentence([offer("a", "m", currency="EUR")]) == "5.00 EUR"


# --- JSON and CSV ----------------------------------------------------------------------------------------------------------------------


def test_json_has_bounds_beside_every_likely_number_and_null_for_what_is_not_known() -> None:
    estimated = line("training", span("0.9", "1", "1.2"), "1M training tokens", "10")
    quote = Quote("acme", "m", (estimated, line("storage", None, "GB-month", None, when="monthly")), usage=Usage(5, 6, None, 7))
    (document,) = quotes_document([quote])["quotes"]
    known, unknown = document["lines"]
    assert tuple(known) == LINE_KEYS
    assert (known["amount"], known["amount_low"], known["amount_high"]) == ("1", "0.9", "1.2")
    assert (known["price_usd"], known["cost_usd"], known["cost_low"], known["cost_high"]) == ("10.00", "10.00", "9.00", "12.00")
    assert (unknown["amount"], unknown["price_usd"], unknown["cost_usd"], unknown["cost"]) == (None, None, None, None)
    assert (document["once"], document["once_high"], document["monthly"], document["total_usd"]) == ("10.00", "12.00", None, None)
    assert document["usage"] == {"requests_per_month": 5, "input_tokens": 6, "output_tokens": None, "months": 7}


def test_what_is_not_in_dollars_is_null_where_dollars_are_promised() -> None:
    (document,) = quotes_document([offer("acme", "m", currency="EUR")])["quotes"]
    assert (document["currency"], document["total_usd"], document["total"]) == ("EUR", None, "5.00")
    (known,) = document["lines"]
    assert (known["price_usd"], known["cost_usd"], known["price"], known["cost"]) == (None, None, "5.00", "5.00")


def test_json_has_the_break_even_of_every_pair() -> None:
    quotes = [offer(f"p{n}", "m", training=str(10 * n), request=f"0.0{9 - n}", tier="global") for n in range(1, 6)]
    found = quotes_document(quotes)["break_even"]
    assert len(found) == 10
    assert found[0] == {
        "below": {"provider": "p1", "base": "m", "tier": "global"},
        "above": {"provider": "p2", "base": "m", "tier": "global"},
        "requests_per_month": 84,  # 10 / (12 x 0.01), up
    }


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_has_a_row_for_every_line_and_one_for_the_total() -> None:
    rows = rows_of(quotes_csv(MANY[2:4]))
    assert [row["item"] for row in rows] == ["training", "answers", "total", "training", "hosting", "answers", "total"]
    assert tuple(rows[0]) == COLUMNS
    azure = rows[3:]
    once, hosting, answers, total = (Decimal(row["cost"]) for row in azure)
    assert total == once + 12 * (hosting + answers)
    assert (azure[3]["when"], azure[0]["tier"], azure[0]["doubts"]) == ("12 months", "global", "old; third party")


def test_csv_has_nothing_where_nothing_is_known() -> None:
    first, *_, total = rows_of(quotes_csv([offer("a", "m", training=None)]))
    assert (first["price"], first["cost"], first["cost_usd"], total["cost"], total["cost_usd"]) == ("", "", "", "", "")


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r\n=", " @"])
def test_a_cell_that_a_spreadsheet_would_run_is_quoted(start: str) -> None:
    text = f"{start}HYPERLINK(1)"
    (first, total) = rows_of(quotes_csv([Quote("acme", text, (line(text, "1", "row", "1", note=text),), why=text)]))
    assert first["base"] == first["item"] == first["note"] == total["note"] == f"'{text.strip()}"


def test_a_cell_stands_on_one_line() -> None:
    (first, _) = rows_of(quotes_csv([Quote("acme", "m", (line("x", "1", "row", "1", note="one\r\ntwo, \x1b[31mthree"),))]))
    assert first["note"] == "one two,  [31mthree"


# --- the command -----------------------------------------------------------------------------------------------------------------------


def test_a_dataset_needs_no_base_and_is_quoted_for_the_usual_ones(shell: Shell) -> None:
    run = shell("quote", shell.data(), "--providers", "openai", "--epochs", "2", "--json")
    assert run.code == 0, run.err
    quotes = run.document["quotes"]
    assert len({quote["base"] for quote in quotes}) > 1
    assert {quote["provider"] for quote in quotes} == {"openai"}


def test_all_providers_are_those_that_are_known_and_those_installed(shell: Shell) -> None:
    words = ("quote", shell.data(), "--base", "fake-small", "--json")
    known = {quote["provider"] for quote in shell(*words).document["quotes"]}
    assert {"openai", "azure", "vertex", "together", "fake"} <= known
    assert {quote["provider"] for quote in shell(*words, "--providers", "all").document["quotes"]} == known


def test_providers_can_be_listed_named_again_or_both(shell: Shell) -> None:
    words = ("quote", shell.data(), "--base", "gpt-4.1-mini", "--json")
    azure = ("--provider", "azure")
    for named in (("--providers", "azure, openai"), (*azure, "--provider", "openai"), (*azure, "--providers", "openai")):
        assert {quote["provider"] for quote in shell(*words, *named).document["quotes"]} == {"azure", "openai"}


def test_a_list_with_a_hole_is_refused(shell: Shell) -> None:
    run = shell("quote", shell.data(), "--providers", "azure,")
    assert run.code == 2
    assert "--providers 'azure,'" in run.err


def test_usage_makes_months_totals_and_a_break_even(shell: Shell) -> None:
    run = shell("quote", shell.data(), *TWO_CLOUDS, *ASKED, "--months", "6", "--json")
    found = run.document
    assert run.code == 0
    for quote in found["quotes"]:
        assert quote["usage"] == {"requests_per_month": 1000, "input_tokens": 500, "output_tokens": 200, "months": 6}
        assert Decimal(quote["total_usd"]) == Decimal(quote["once"]) + 6 * Decimal(quote["monthly"])
    assert all({"below", "above", "requests_per_month"} == each.keys() for each in found["break_even"])
    assert found["break_even"]
    assert "6 MONTHS" in shell("quote", shell.data(), *TWO_CLOUDS, *ASKED, "--months", "6").out


def test_twice_the_epochs_are_twice_the_training(shell: Shell) -> None:
    words = ("quote", shell.data(), "--providers", "openai", "--base", "gpt-4.1-mini", "--json")
    one, two = (Decimal(shell(*words, "--epochs", epochs).document["quotes"][0]["once"]) for epochs in ("1", "2"))
    assert two == 2 * one > 0


def test_a_recipe_is_quoted_with_the_flags_over_it(shell: Shell) -> None:
    shell.data()
    recipe = shell.data("recipe.toml", 'base = "gpt-4.1-mini"\ntrain = "tickets.jsonl"\n[method]\nkind = "sft"\nepochs = 1\n')
    words = ("quote", recipe, "--providers", "openai", "--json")
    plain, other = shell(*words).document["quotes"][0], shell(*words, "--epochs", "3", "--base", "gpt-4.1").document["quotes"][0]
    assert plain["base"].startswith("gpt-4.1-mini")
    assert other["base"].startswith("gpt-4.1-2")
    assert Decimal(other["once"]) == 15 * Decimal(plain["once"])  # three epochs, at 25 instead of 5 USD


def test_ones_own_prices_win_and_are_called_ones_own(shell: Shell) -> None:
    mine = shell.data(
        "mine.toml",
        '[[prices]]\nprovider = "openai"\nmodel = "gpt-4.1-mini-2025-04-14"\nunit = "1M training tokens"\nprice = "1000"\n',
    )
    words = ("quote", shell.data(), "--providers", "openai", "--base", "gpt-4.1-mini", "--json")
    training = shell(*words, "--prices", mine).document["quotes"][0]["lines"][0]
    assert (training["price_usd"], training["confidence"], training["doubts"]) == ("1000.00", "yours", [])
    assert shell(*words).document["quotes"][0]["lines"][0]["price_usd"] != "1000.00"


def test_reinforcement_is_quoted_by_its_hours(shell: Shell) -> None:
    words = ("quote", shell.data(), "--providers", "azure", "--base", "o4-mini", "--method", "grpo", "--json")
    hours = [quote for quote in shell(*words, "--training-hours", "2.5").document["quotes"] if quote["lines"]]
    assert [quote["lines"][0]["amount"] for quote in hours] == ["2.5"] * len(hours)
    assert hours


@pytest.mark.parametrize("hours", ["soon", "-1", "nan"])
def test_hours_that_are_none_are_refused(shell: Shell, hours: str) -> None:
    run = shell("quote", shell.data(), f"--training-hours={hours}")
    assert run.code == 2
    assert "--training-hours" in run.err


@pytest.mark.parametrize("option", ["--requests-per-month", "--input-tokens", "--output-tokens", "--months"])
def test_less_than_nothing_is_refused(shell: Shell, option: str) -> None:
    assert shell("quote", shell.data(), f"{option}=-1").code == 2


def test_what_only_a_recipe_knows_needs_a_base(shell: Shell) -> None:
    run = shell("quote", shell.data(), "--rank", "8")
    assert run.code == 2
    assert "--base" in run.err
    assert shell("quote", shell.data(), "--rank", "8", "--base", "fake-small", "--provider", "fake").code == 0


def test_nothing_or_two_things_to_quote_are_refused(shell: Shell) -> None:
    assert "nothing to quote" in shell("quote").err
    assert "one of them" in shell("quote", shell.data(), "--train", shell.data("other.jsonl")).err


def test_exit_1_when_no_provider_can_say(shell: Shell) -> None:
    run = shell("quote", shell.data(), "--providers", "nebius", "--method", "grpo", "--base", "Qwen3-8B")
    assert run.code == 1
    assert "unavailable" in run.out


# --- files -----------------------------------------------------------------------------------------------------------------------------


def test_csv_and_page_are_written_and_where_is_said(shell: Shell, tmp_path: Path) -> None:
    table, sheet = tmp_path / "costs.csv", tmp_path / "costs.html"
    run = shell("quote", shell.data(), *TWO_CLOUDS, *ASKED, "--csv", table, "--html", sheet)
    assert run.code == 0
    assert run.out.splitlines()[-2:] == [f"Wrote {table}", f"Wrote {sheet}"]
    rows = rows_of(table.read_text(encoding="utf-8"))
    assert {row["provider"] for row in rows} == {"openai", "azure"}
    text = sheet.read_text(encoding="utf-8")
    assert "What it costs to tune on tickets.jsonl" in text
    assert "message number" not in text
    assert "svg" in Seen(text).tags
    written = shell("quote", shell.data(), *TWO_CLOUDS, "--csv", table, "--html", sheet, "--overwrite", "--json").document["written"]
    assert written == [str(table), str(sheet)]


def test_csv_on_standard_output_is_nothing_but_csv(shell: Shell, tmp_path: Path) -> None:
    run = shell("quote", shell.data(), *TWO_CLOUDS, "--csv", "-", "--html", tmp_path / "costs.html")
    assert all(row["provider"] in ("openai", "azure") for row in rows_of(run.out))
    assert run.err == f"Wrote {tmp_path / 'costs.html'}\n"


def test_json_and_csv_do_not_share_standard_output(shell: Shell) -> None:
    run = shell("quote", shell.data(), "--csv", "-", "--json")
    assert run.code == 2
    assert "--json and --csv -" in json.loads(run.out)["error"]["message"]


def test_no_file_that_is_read_and_no_table_that_is_there_is_replaced_unasked(shell: Shell, tmp_path: Path) -> None:
    data = shell.data("rows.csv", "prompt,completion\na,b\n")
    before = data.read_bytes()
    for words in (("--csv", data, "--overwrite"), ("--html", data)):
        assert shell("quote", data, *TWO_CLOUDS, *words).code == 2
        assert data.read_bytes() == before
    there = shell.data("costs.csv", "mine\n")
    assert "already there" in shell("quote", data, *TWO_CLOUDS, "--csv", there).err
    assert there.read_text() == "mine\n"
