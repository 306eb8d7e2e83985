"""Quotes as one page: everything that is known, nothing from elsewhere, and a picture that can be read."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from quote_samples import USAGE, line, offer, refused, span
from seen_page import Seen

from tuneport.quote import Quote, QuoteLine, Usage
from tuneport.quoting.page import page

ON = date(2026, 11, 21)
WIDTH, HEIGHT = 960, 470


def seen(*quotes: Quote, title: str = "What it costs") -> Seen:
    return Seen(page(quotes, title=title, on=ON))


def labels(found: Seen) -> list[tuple[float, str]]:
    """How high the offers' names stand in the picture, and in which colour."""
    texts = (about for tag, about in found.elements if tag == "text")
    return [(float(about["y"]), about["style"]) for about in texts if "style" in about]


def polylines(found: Seen) -> list[list[tuple[float, float]]]:
    drawn = (about["points"].split() for tag, about in found.elements if tag == "polyline")
    return [[(float(x), float(y)) for x, _, y in (point.partition(",") for point in points)] for points in drawn]


TWO = (
    offer("azure", "gpt-4.1-mini-2025-04-14", training="10", hosting="1241", request="0.0005", tier="global"),
    offer("together", "Qwen/Qwen3.5-9B", training="4", request="0.003"),
)


def test_the_page_needs_nothing_from_elsewhere_and_knows_the_dark() -> None:
    text = page(TWO, title="rows", on=ON)
    found = Seen(text)
    assert found.open == []
    assert not {"script", "link", "img", "iframe", "object"} & set(found.tags)
    assert not any("//" in value or "url(" in value for value in found.values)
    assert "url(" not in text
    assert "@import" not in text
    assert text.count("prefers-color-scheme: dark") == 2


def test_what_others_wrote_is_text_and_never_markup() -> None:
    nasty = '<script>x</script>" onload="y'
    found = seen(
        offer(nasty, nasty, tier=nasty, why=nasty, availability="closing", notes=(nasty,), doubts=(nasty,), request="1"),
        Quote("b", nasty, (line(nasty, "1", nasty, "1", source=nasty, note=nasty, as_of=nasty, confidence=nasty),)),
        *TWO,
        title=nasty,
    )
    assert "script" not in found.tags
    assert not any("onload" in about for _, about in found.elements)
    assert found.open == []
    assert found.text.count("<script>x</script>") > 8


def test_every_line_stands_there_with_its_price_source_day_confidence_and_doubts() -> None:
    quote = Quote(
        "acme",
        "small",
        (
            line("training", "1.234567", "1M training tokens", "2.50", source="acme.example/a", as_of="2026-02-03", doubts=("old",)),
            line("hosting", "730", "hosting hour", "1.70", when="monthly", source="a blog", confidence="third party", note="even unused"),
            line("storage", None, "GB-month", None),
        ),
        usage=USAGE,
    )
    text = seen(quote).text
    for said in ("1,234,567 tokens", "2.50/1M", "3.09", "acme.example/a", "2026-02-03", "old", "vendor page"):
        assert said in text
    for said in ("730 hosting hours", "1.70", "1,241.00", "a blog", "third party", "even unused", "monthly", "storage", "unknown"):
        assert said in text


def test_unknown_money_is_called_unknown_and_makes_the_total_unknown() -> None:
    found = seen(offer("acme", "small", training=None, hosting="5"))
    table, _, _ = found.text.partition("Every line")
    assert table.count("unknown") == 2
    assert "60.00" not in table


def test_closed_offers_are_struck_out_last_and_say_since_when() -> None:
    closed = offer("openai", "gpt-4.1-nano", training="0.01", availability="closed", ends=date(2026, 10, 23), why="it has ended")
    text = page([closed, *TWO], title="rows", on=ON)
    rows = re.findall(r"<tr( class=\"\w+\")?><th scope=\"row\">(\w+)", text)
    assert rows == [("", "together"), ("", "azure"), (' class="closed"', "openai")]
    assert "closed 2026-10-23" in text
    assert "openai: it has ended" in text
    assert "line-through" in text


def test_an_offer_that_nobody_makes_says_why() -> None:
    text = seen(refused("acme", "-", "acme does not train it"), *TWO).text
    assert "acme: acme does not train it" in text


def test_the_picture_has_a_line_and_a_name_for_each_offer_and_marks_the_crossing() -> None:
    """(10 + 12 x 1,241 - 4) / (12 x 0.0025) = 496,600 requests a month."""
    found = seen(*TWO)
    assert len(polylines(found)) == len(labels(found)) == 2
    assert [about["class"] for tag, about in found.elements if tag == "circle"] == ["change"]
    assert "500k" in found.text
    assert "10,000 a month" in found.text
    assert "Up to 500,000 requests a month: together Qwen3.5-9B costs least" in found.text
    assert "From 500,000 requests a month: azure gpt-4.1-mini (global) costs least" in found.text


def test_the_dot_lies_where_the_two_lines_cross() -> None:
    found = seen(*TWO)
    (dot,) = [about for tag, about in found.elements if tag == "circle"]
    x, y = float(dot["cx"]), float(dot["cy"])
    for points in polylines(found):
        before, after = next((one, other) for one, other in pairwise(points) if one[0] <= x <= other[0])
        share = (x - before[0]) / (after[0] - before[0])
        assert abs(before[1] + share * (after[1] - before[1]) - y) < 1.5


def test_more_offers_than_can_be_drawn_are_named() -> None:
    many = [offer(f"p{n}", "m", training=str(10 + n), request=f"0.0{n + 1:02}") for n in range(11)]
    found = seen(*many)
    assert len(polylines(found)) == 8
    assert "Not drawn, and cheapest nowhere: p8 m, p9 m, p10 m." in found.text


def test_one_offer_alone_has_no_break_even() -> None:
    assert "svg" not in seen(TWO[0]).tags
    assert "Break-even" not in seen(TWO[0], refused("b", "m", "no")).text


def test_what_cannot_be_drawn_is_named_with_the_reason() -> None:
    text = seen(*TWO, offer("c", "m", training=None, request="0.1"), offer("d", "m", training="0", request="0")).text
    assert "not known or in another currency: c m." in text
    assert "as nothing is paid: d m." in text


PRICES = st.decimals(min_value=0, max_value=100_000, places=4).map(str)


@st.composite
def quotes(draw: st.DrawFn) -> list[Quote]:
    usage = Usage(requests=draw(st.sampled_from([0, 1, 999, 10**6, 10**9])), months=draw(st.integers(1, 36)))
    count = draw(st.integers(0, 11))
    return [offer(f"p{n}", "m", training=draw(PRICES), hosting=draw(PRICES), request=draw(PRICES), usage=usage) for n in range(count)]


@given(quotes())
def test_whatever_the_prices_all_that_is_drawn_lies_in_the_picture_and_no_name_on_another(found: Sequence[Quote]) -> None:
    drawn = seen(*found)
    assert drawn.open == []
    for points in polylines(drawn):
        assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in points)
    for tag, about in drawn.elements:
        if tag in ("circle", "text"):
            assert 0 <= float(about.get("cx") or about["x"]) <= WIDTH
            assert 0 <= float(about.get("cy") or about["y"]) <= HEIGHT
    heights = sorted(height for height, _ in labels(drawn))
    assert all(other - one > 12 for one, other in pairwise(heights))


def test_names_of_lines_that_end_at_the_top_stay_in_the_picture() -> None:
    found = seen(*(offer(f"p{n}", "m", training=str(n), request="0.0158") for n in range(8)))
    heights = sorted(height for height, _ in labels(found))
    assert len(heights) == 8
    assert heights[0] >= 30
    assert all(other - one > 12 for one, other in pairwise(heights))


def test_a_range_stands_where_an_amount_is_estimated() -> None:
    estimated = QuoteLine("training", span("0.9", "1", "1.2"), "1M training tokens", Decimal("9.99"))
    text = seen(Quote("acme", "small", (estimated,))).text
    assert "8.99-11.99" in text
    assert "900k-1.2M tokens" in text
