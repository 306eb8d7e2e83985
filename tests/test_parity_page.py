"""The parity report on a page, in the terminal and as JSON: everything that was found, and nothing that others wrote taken for ours."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest
from seen_page import Seen

from tuneport.model import Prediction
from tuneport.parity import About, ParityRow, Report, RequestCost, Said, Side, page, prove, text, to_dict
from tuneport.parity.compared import Latency

OLD = Side(
    "ft-tickets",
    "openai:ft:gpt-4.1-mini:acme",
    "openai",
    "gpt-4.1-mini",
    "archive",
    date(2026, 11, 20),
    (("job", "openai:ftjob-abc"), ("recipe", "11aa22bb")),
    RequestCost(Decimal("0.31"), as_of="2026-11-14", source="openai.example/pricing"),
)
NEW = Side("tickets-local", "local:tickets", "local", "smollm2-135m-instruct", lineage=(("ported from", "openai:ftjob-abc"),))
PROMPTED = Side("smollm2, 8 examples", "local:smollm2", "local", cost=RequestCost(None, note="nobody measured it"))
ABOUT = About(OLD, NEW, "tickets.jsonl", "9f2c" * 16, date(2026, 11, 21), prompted=PROMPTED, seed=7)


def said(answer: str, *, latency_s: float | None = None, tokens: tuple[int, int] = (0, 0)) -> Said:
    return Said(Prediction(answer, tokens=tokens), latency_s)


def row(number: int, *, new: str = "a", question: str = "what is it?") -> ParityRow:
    timed = said(new, latency_s=0.1 * number, tokens=(40, 2))
    return ParityRow(number, f"{question} {number}", "a", said("a", tokens=(60, 5)), timed, said("b"))


def report(differing: int = 30, *, rows: int = 400, question: str = "what is it?", about: About = ABOUT) -> Report:
    found = [row(number, new="wrong" if number <= differing else "a", question=question) for number in range(1, rows + 1)]
    return prove(found, about, metrics=["exact_match", "macro_f1"], resamples=200)


def seen(found: Report, *, most: int = 200) -> Seen:
    return Seen(page(found, most=most))


def test_the_page_needs_nothing_from_elsewhere_knows_the_dark_and_prints_light():
    shown = page(report())
    found = Seen(shown)
    assert found.open == []
    assert not {"script", "link", "img", "iframe", "object", "form"} & set(found.tags)
    assert not any("//" in value or "url(" in value for value in found.values)
    assert "url(" not in shown
    assert "@import" not in shown
    assert "prefers-color-scheme: dark" in shown
    assert "@media print" in shown


def test_the_verdict_stands_first_then_what_it_rests_on_and_room_to_sign_last():
    shown = seen(report()).text
    order = [
        "Worse by more than the margin of 3 points: tickets-local is 7.5 points below ft-tickets",
        "Prompting is not enough.",
        "Metrics on the same rows",
        "Agreement",
        "30 rows answered differently: 30 lost, 0 won, 0 other",
        "Speed and cost",
        "What was compared",
        "Lineage",
        "Sign-off",
    ]
    places = [shown.index(each) for each in order]
    assert places == sorted(places)
    assert "Signature" in shown


def test_the_page_says_what_was_compared_on_what_and_how():
    shown = seen(report()).text
    for fact in (
        "openai:ft:gpt-4.1-mini:acme (base gpt-4.1-mini), archived answers of 2026-11-20",
        "local:tickets (base smollm2-135m-instruct)",
        "openai, local",
        "400 of tickets.jsonl",
        "9f2c" * 16,
        "2026-11-21",
        "3 points",
        "95% intervals",
        "200 resamples, seed 0",
        "openai:ftjob-abc",
        "11aa22bb",
    ):
        assert fact in shown


def test_speed_and_cost_are_told_where_they_are_known_and_never_guessed():
    shown = seen(report()).text
    assert "20.05 s" not in shown
    assert "20 s, 95% within 38 s" in shown
    assert "40 in, 2 out" in shown
    assert "0.31 USD (as of 2026-11-14)" in shown
    assert "openai.example/pricing" in shown
    assert "unknown (nobody measured it)" in shown
    assert "not given" in shown
    assert "not recorded" in shown


def test_a_latency_that_was_measured_elsewhere_stands_where_the_answers_have_none():
    about = replace(ABOUT, old=replace(OLD, latency=Latency(50, 1.25, 3.5)))
    assert "1.25 s, 95% within 3.50 s" in seen(report(about=about)).text
    assert to_dict(report(about=about))["models"]["old"]["latency"] == {"rows": 50, "median_s": 1.25, "p95_s": 3.5}


def test_every_interval_is_drawn_where_it_lies_beside_the_margin():
    found = seen(report())
    intervals = [about for tag, about in found.elements if tag == "line" and about.get("class") == "interval"]
    margins = [about for tag, about in found.elements if tag == "rect"]
    assert (len(intervals), len(margins)) == (4, 2)
    scale = float(margins[0]["width"]) / 0.06
    zero = float(margins[0]["x"]) + float(margins[0]["width"]) / 2
    first = report().compared.ported
    assert first is not None
    assert first.measured[0].difference is not None
    low, high = first.measured[0].difference.interval
    drawn = [float(intervals[0]["x1"]), float(intervals[0]["x2"])]
    assert drawn == pytest.approx([zero + low * scale, zero + high * scale], abs=0.2)
    assert 0 < min(drawn) < max(drawn) < 900


def test_the_first_rows_that_differ_are_open_the_next_folded_and_the_rest_told():
    found = seen(report(250))
    assert found.tags.count("details") == 1
    assert "180 more rows" in found.text
    assert "50 further rows not shown." in found.text
    assert "what is it? 200" in found.text
    assert "what is it? 201" not in found.text


def test_without_contents_no_row_is_on_the_page_in_the_text_or_in_the_json():
    found = report(question="a customer's secret")
    assert "secret" in page(found)
    assert "secret" not in page(found, most=0)
    assert "wrong" not in page(found, most=0)
    assert "wrong" in text(found)
    assert "wrong" not in text(found, answers=0)
    assert "secret" not in json.dumps(to_dict(found))
    assert "secret" in json.dumps(to_dict(found, contents=True))


NASTY = '<script>x</script>" onload="y\x1b[2J\u202e\ud800'


def nasty_report() -> Report:
    side = Side(NASTY, NASTY, NASTY, NASTY, lineage=((NASTY, NASTY),), cost=RequestCost(Decimal(1), NASTY, NASTY, NASTY, NASTY))
    about = About(side, replace(side, name=f"{NASTY}2"), NASTY, NASTY, date(2026, 11, 21), prompted=replace(side, name=f"{NASTY}3"))
    row = ParityRow(1, NASTY, NASTY, Said.of(f"{NASTY}a"), Said.of(f"{NASTY}b"), Said.of(f"{NASTY}c"))
    return prove([row, replace(row, number=2, new=Said.of(NASTY))], about, resamples=100)


def test_what_others_wrote_is_text_and_never_markup():
    shown = page(nasty_report())
    found = Seen(shown)
    assert "script" not in found.tags
    assert not any("onload" in about for _, about in found.elements)
    assert found.open == []
    assert found.text.count("<script>x</script>") > 12
    assert not any(character in shown for character in "\x1b\u202e\ud800")
    shown.encode("utf-8")


def test_what_others_wrote_does_not_move_the_cursor_or_turn_the_line():
    shown = text(nasty_report())
    assert not any(character in shown for character in "\x1b\u202e\ud800")
    shown.encode("utf-8")


def test_failed_empty_and_cut_off_answers_are_marked():
    rows = [
        replace(row(1), new=Said.of("", finish="error")),
        replace(row(2), new=said("")),
        replace(row(3), new=Said.of("ab", finish="length")),
        replace(row(4), reference=None, new=said("z")),
    ]
    shown = seen(prove(rows, ABOUT, resamples=100)).text
    for mark in ("no answer", "empty", "cut off at the length that was allowed", "none"):
        assert mark in shown
    assert "Before you believe it" in shown


def test_a_very_long_answer_is_shown_in_part():
    shown = seen(prove([replace(row(1), new=said("x" * 5000))], ABOUT, resamples=100)).text
    assert "… (3,000 more characters)" in shown
    assert "x" * 2001 not in shown


def test_an_agreement_only_and_a_report_of_nothing_are_pages_too():
    bare = [replace(row(number), reference=None) for number in range(1, 31)]
    shown = seen(prove(bare, ABOUT)).text
    assert "No references: agreement only." in shown
    assert "Metrics on the same rows" not in shown
    assert "Nothing to compare" in seen(prove([], ABOUT)).text
    assert text(prove([], ABOUT)).startswith("Nothing to compare")
    assert json.loads(json.dumps(to_dict(prove([], ABOUT))))["verdict"]["difference"] is None


def test_the_text_begins_with_the_verdict_and_holds_the_same():
    found = report()
    lines = text(found).splitlines()
    assert lines[0] == found.verdict.headline
    shown = "\n".join(lines)
    for each in (*found.verdict.sentences, found.verdict.prompting.sentence if found.verdict.prompting else "-"):
        assert each in shown
    assert "30 rows answered differently, the first 5:" in shown
    assert "tickets-local exact_match 100.0% 92.5% -7.5 points (-10.5 to -5.3) 400" in " ".join(shown.split())
    assert "old: openai:ft:gpt-4.1-mini:acme (base gpt-4.1-mini), archived answers of 2026-11-20" in shown


def test_the_json_holds_the_verdict_the_numbers_and_money_as_strings():
    found = to_dict(report())
    assert json.loads(json.dumps(found)) == found
    assert found["schema_version"] == 1
    assert found["verdict"]["outcome"] == "worse"
    assert found["verdict"]["beyond_margin"] is True
    assert found["verdict"]["difference"]["value"] == pytest.approx(-0.075)
    assert found["prompting"]["enough"] is False
    assert found["models"]["old"]["cost_per_1000"]["amount"] == "0.31"
    assert found["models"]["new"]["latency"]["rows"] == 400
    assert found["comparisons"][0]["metrics"]["exact_match"]["lost"] == 30
    assert found["agreement"]["share"] == pytest.approx(370 / 400)
    assert found["differing"][0] == {"row": 1, "kind": "lost"}
    assert found["made_on"] == "2026-11-21"
