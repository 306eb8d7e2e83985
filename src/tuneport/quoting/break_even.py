"""From how many requests a month on one offer costs less than another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from itertools import combinations

from tuneport.quote import Quote


@dataclass(frozen=True, slots=True)
class BreakEven:
    """`below` costs less up to `requests` a month, `above` from there on. None: `below` costs less at any number, `above` never does."""

    below: Quote
    above: Quote
    requests: int | None


@dataclass(frozen=True, slots=True)
class Course:
    """What an offer costs by requests a month: `fixed` over all months, and `each` for a request a month over all months."""

    fixed: Decimal
    each: Decimal

    @classmethod
    def of(cls, quote: Quote) -> Course | None:
        """By the likely numbers; None where something is not known. What grows with requests is taken out of the monthly lines."""
        if quote.usage is None:
            return None
        months, thousand, once, standing = quote.usage.months, quote.thousand_requests, quote.once, quote.standing
        if thousand is None or once is None or standing is None:
            return None
        return cls(once.likely + standing.likely * months, thousand.likely / 1000 * months)

    def at(self, requests: int) -> Decimal:
        """The cost over all months with that many requests in each."""
        return self.fixed + self.each * requests


def break_even(one: Quote, other: Quote) -> BreakEven | None:
    """None where either cannot be told, where their currencies differ, or where they cost the same at any number."""
    first, second = Course.of(one), Course.of(other)
    return None if first is None or second is None else _between(one, first, other, second)


def _between(one: Quote, first: Course, other: Quote, second: Course) -> BreakEven | None:
    if one.currency != other.currency or one.currency is None or first == second:
        return None
    if first.fixed > second.fixed or (first.fixed == second.fixed and first.each > second.each):
        one, other, first, second = other, one, second, first
    if first.each <= second.each:
        return BreakEven(one, other, None)
    requests = (second.fixed - first.fixed) / (first.each - second.each)
    return BreakEven(one, other, int(requests.to_integral_value(ROUND_CEILING)))


def break_evens(quotes: Sequence[Quote]) -> tuple[BreakEven, ...]:
    """Of every two offers that can still be bought, and that last as long as is asked for."""
    open_ones = (quote for quote in quotes if quote.availability in ("available", "closing") and quote.covers_all_months)
    known = [(quote, course) for quote in open_ones if (course := Course.of(quote)) is not None]
    found = (_between(*one, *other) for one, other in combinations(known, 2))
    return tuple(each for each in found if each is not None)
