"""Numbers that are known within bounds."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuneport.span import NOTHING, Span, total

NUMBERS = st.decimals(min_value=0, max_value=10**9, places=6)
SPANS = st.lists(NUMBERS, min_size=3, max_size=3).map(sorted).map(lambda bounds: Span(*bounds))


def test_an_exact_number_has_no_doubt() -> None:
    assert Span.exactly(3).exact
    assert Span.exactly(3) == Span(Decimal(3), Decimal(3), Decimal(3))
    assert not Span(Decimal(1), Decimal(1), Decimal(2)).exact


@pytest.mark.parametrize("bounds", [(2, 1, 3), (1, 3, 2), (3, 2, 1)])
def test_bounds_in_another_order_are_refused(bounds: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="does not lie between"):
        Span(*map(Decimal, bounds))


def test_a_number_that_is_none_is_refused() -> None:
    with pytest.raises((ValueError, ArithmeticError)):
        Span(Decimal(0), Decimal("NaN"), Decimal(1))


@pytest.mark.parametrize("factor", [-1, Decimal("-0.5"), Span(Decimal(-1), Decimal(0), Decimal(1))])
def test_a_factor_below_nothing_is_refused(factor: Span | Decimal | int) -> None:
    with pytest.raises(ValueError, match="from 0 up"):
        Span.exactly(2) * factor
    with pytest.raises(ValueError, match="from 0 up"):
        Span(Decimal(-1), Decimal(0), Decimal(0)) * 2


@given(st.lists(SPANS, max_size=5))
def test_a_sum_has_the_sums_of_the_bounds(spans: list[Span]) -> None:
    added = total(spans)
    assert [added.low, added.likely, added.high] == [
        sum((getattr(span, bound) for span in spans), Decimal(0)) for bound in ("low", "likely", "high")
    ]


@given(SPANS, SPANS)
def test_a_product_lies_between_the_products_of_the_ends(one: Span, other: Span) -> None:
    product = one * other
    assert product.low == one.low * other.low
    assert product.low <= one.likely * other.likely == product.likely <= product.high == one.high * other.high


@given(SPANS, NUMBERS)
def test_a_number_multiplies_each_bound(span: Span, number: Decimal) -> None:
    assert span * number == span * Span.exactly(number)
    assert (span * number).high == span.high * number


@given(SPANS, SPANS)
def test_a_least_amount_raises_each_bound_to_its_own(span: Span, least: Span) -> None:
    raised = span.at_least(least)
    assert (raised.low, raised.likely, raised.high) == (
        max(span.low, least.low),
        max(span.likely, least.likely),
        max(span.high, least.high),
    )


def test_nothing_is_the_sum_of_none() -> None:
    assert total([]) == NOTHING == Span.exactly(0)
