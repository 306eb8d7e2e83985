"""From how many requests a month on one offer costs less than another."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from quote_samples import USAGE, offer, refused

from tuneport.quote import Quote, Usage
from tuneport.quoting.break_even import Course, break_even, break_evens
from tuneport.quoting.cheapest import any_flat, cheapest, rounded, sentence, told
from tuneport.quoting.offers import Names

MONEY = st.decimals(min_value=0, max_value=50_000, places=2)
EACH = st.decimals(min_value=0, max_value=1, places=6)


@st.composite
def offers(draw: st.DrawFn, name: str = "a") -> Quote:
    return offer(name, "base", training=str(draw(MONEY)), hosting=str(draw(MONEY)), request=str(draw(EACH)))


MANY = st.integers(1, 7).flatmap(lambda count: st.tuples(*(offers(f"p{n}") for n in range(count))))


def cost(quote: Quote, requests: int) -> Decimal:
    """Over all months, by the lines of the quote itself."""
    usage = replace(USAGE, requests=requests)
    lines = [replace(line, amount=quote.per_request[0].amount * requests) if line.item == "answers" else line for line in quote.lines]
    total = replace(quote, usage=usage, lines=tuple(lines)).total
    assert total is not None
    return total.likely


@given(offers(), st.integers(0, 10**9))
def test_a_course_costs_what_a_quote_for_so_many_requests_costs(quote: Quote, requests: int) -> None:
    course = Course.of(quote)
    assert course is not None
    assert course.at(requests) == cost(quote, requests)


@given(offers("one"), offers("other"))
def test_the_one_below_is_cheaper_up_to_the_crossing_and_the_one_above_from_there_on(one: Quote, other: Quote) -> None:
    found = break_even(one, other)
    if found is None:
        assert all(cost(one, requests) == cost(other, requests) for requests in (0, 1, 10**9))
    elif found.requests is None:
        assert all(cost(found.below, requests) <= cost(found.above, requests) for requests in (0, 1, 10**4, 10**9))
        assert any(cost(found.below, requests) < cost(found.above, requests) for requests in (0, 10**9))
    else:
        assert cost(found.below, found.requests - 1) < cost(found.above, found.requests - 1)
        assert cost(found.above, found.requests) <= cost(found.below, found.requests)
        assert cost(found.above, found.requests * 2 + 1) < cost(found.below, found.requests * 2 + 1)


@given(offers("one"), offers("other"))
def test_the_order_in_which_two_are_compared_does_not_matter(one: Quote, other: Quote) -> None:
    there, back = break_even(one, other), break_even(other, one)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert there.requests == back.requests
        assert cost(there.below, 0) == cost(back.below, 0)


def test_hosting_by_the_month_pays_off_where_the_arithmetic_by_hand_says() -> None:
    """12 x 100 USD of hosting and 8 of training against 20 of training and 0.002 more a request: (1,208 - 20) / (12 x 0.002) = 49,500."""
    hosted = offer("hosted", "m", training="8", hosting="100", request="0.001")
    metered = offer("metered", "m", training="20", request="0.003")
    found = break_even(hosted, metered)
    assert found is not None
    assert (found.below.provider, found.above.provider, found.requests) == ("metered", "hosted", 49_500)


def test_two_that_cost_the_same_everywhere_have_no_break_even() -> None:
    assert break_even(offer("a", "m", request="0.001"), offer("b", "m", request="0.001")) is None


@pytest.mark.parametrize(
    "other",
    [
        offer("b", "m", training=None, request="0.001"),
        offer("b", "m", hosting=None, request=None),
        offer("b", "m", request="0.001", currency="EUR"),
        offer("b", "m", request="0.001", usage=None),
        refused("b", "m", "it is not trained there"),
    ],
    ids=["training unknown", "answers unknown", "another currency", "no usage", "refused"],
)
def test_nothing_is_said_of_what_cannot_be_compared(other: Quote) -> None:
    assert break_even(offer("a", "m", request="0.002"), other) is None


def test_break_evens_are_of_every_two_that_can_still_be_bought() -> None:
    cheap, dear = offer("a", "m", training="1", request="0.002"), offer("b", "m", training="9", request="0.001")
    closing = offer("c", "m", training="5", request="0.003", availability="closing")
    closed = offer("d", "m", training="0", request="0.000001", availability="closed")
    found = break_evens([cheap, dear, closing, closed])
    assert {frozenset((each.below.provider, each.above.provider)) for each in found} == {frozenset("ab"), frozenset("ac"), frozenset("bc")}


@given(MANY, st.lists(st.integers(0, 10**8), max_size=8))
def test_the_cheapest_of_a_stretch_is_the_cheapest_everywhere_in_it(quotes: tuple[Quote, ...], anywhere: list[int]) -> None:
    found = cheapest(quotes)
    starts = [each.first for each in found]
    assert starts[0] == 0
    assert starts == sorted(starts)
    for requests in {*anywhere, *starts, *(start - 1 for start in starts if start)}:
        here = [each for each in found if each.first <= requests][-1]
        assert cost(here.quote, requests) == min(cost(quote, requests) for quote in quotes)


def test_of_two_that_get_cheaper_within_the_same_request_the_cheaper_one_takes_over() -> None:
    """After 2.1 and 2.9 requests: at the third they cost 1.05 + 1.50 and 2.61 + 0.30, against 3.00. From 3.9 on it is the other."""
    usage = Usage(months=1)
    first = offer("first", "m", training="0", request="1", usage=usage)
    soon = offer("soon", "m", training="1.05", request="0.5", usage=usage)
    late = offer("late", "m", training="2.61", request="0.1", usage=usage)
    found = cheapest([first, late, soon])
    assert [(each.quote.provider, each.first) for each in found] == [("first", 0), ("soon", 3), ("late", 4)]


def test_nobody_is_cheapest_where_nothing_is_known() -> None:
    assert cheapest([offer("a", "m", training=None, request="0.1"), refused("b", "m", "no")]) == ()


@given(MANY)
def test_people_are_told_true_sentences_and_not_many(quotes: tuple[Quote, ...]) -> None:
    found = told(quotes)
    assert len(found) <= 4
    assert all(each in break_evens(quotes) or break_even(each.below, each.above) == each for each in found)
    assert len({(each.below.provider, each.above.provider) for each in found}) == len(found)


def test_the_sentence_names_both_offers_and_rounds_as_estimates_deserve() -> None:
    hosted = offer("azure", "gpt-4.1-mini-2025-04-14", training="8", hosting="100", request="0.001", tier="global")
    metered = offer("together", "Qwen/Qwen3.5-9B", training="20", request="0.003")
    found = break_even(hosted, metered)
    assert found is not None
    said = sentence(found, names=Names.of([hosted, metered]))
    assert said == "together Qwen3.5-9B costs less than azure gpt-4.1-mini (global) up to 50,000 requests a month"
    never = break_even(metered, offer("x", "m", training="30", request="0.003"))
    assert never is not None
    assert sentence(never, names=Names.of([metered])).endswith("costs less than x m at any number of requests")


@pytest.mark.parametrize(("exact", "said"), [(0, 0), (7, 7), (49, 49), (412, 410), (41_237, 41_000), (995, 1000), (10_499_999, 10_000_000)])
def test_requests_are_rounded_to_two_digits(exact: int, said: int) -> None:
    assert rounded(exact) == said


def test_an_offer_paid_by_the_hour_alone_is_noticed() -> None:
    flat = offer("gpu", "m", hosting="2900", request="0")
    assert any_flat([flat, offer("a", "m", request="0.001")])
    assert not any_flat([offer("a", "m", request="0.001"), offer("b", "m", training=None, request="0")])
