"""Which offer costs least at how many requests a month, and the sentences that say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_UP, Decimal
from itertools import combinations, pairwise

from tuneport.quote import Quote
from tuneport.quoting.break_even import BreakEven, Course, break_even
from tuneport.quoting.offers import Names, in_order, is_open

COMPARED = 3
MOST_SENTENCES = 4
"""How many of the cheapest are compared with one another in sentences, and how many sentences people get."""

FLAT = "An offer paid by the hour alone costs the same at any number of requests; how many its machines can answer is not known"


@dataclass(frozen=True, slots=True)
class Stretch:
    """From `first` requests a month on, up to the next stretch, `quote` costs least."""

    quote: Quote
    first: int


def cheapest(quotes: Sequence[Quote]) -> tuple[Stretch, ...]:
    """The offers that cost least somewhere, from 0 requests a month up, by the likely numbers. Of those that can be bought, whose courses
    are known and whose currency is that of the most; () where there are none."""
    courses = compared(quotes)
    if not courses:
        return ()
    at = min(range(len(courses)), key=lambda place: (courses[place][1].fixed, courses[place][1].each))
    found = [Stretch(courses[at][0], 0)]
    while following := _next(courses, courses[at][1]):
        at = following[1]
        found.append(Stretch(courses[at][0], following[0]))
    return tuple(found)


def compared(quotes: Sequence[Quote]) -> list[tuple[Quote, Course]]:
    """The open offers whose courses are known, in the currency of the most of them."""
    known = [
        (quote, course)
        for quote in quotes
        if is_open(quote) and quote.covers_all_months and quote.currency and (course := Course.of(quote))
    ]
    currencies = [quote.currency for quote, _ in known]
    return [(quote, course) for quote, course in known if quote.currency == max(currencies, key=currencies.count)]


def _next(courses: Sequence[tuple[Quote, Course]], now: Course) -> tuple[int, int] | None:
    """From how many requests on which one is cheaper than `now`; None where none ever is."""
    found = []
    for place, (_, course) in enumerate(courses):
        if course.each < now.each:
            requests = int(((course.fixed - now.fixed) / (now.each - course.each)).to_integral_value(ROUND_CEILING))
            found.append((requests, course.at(requests), course.each, place))
    return (min(found)[0], min(found)[3]) if found else None


def told(quotes: Sequence[Quote]) -> tuple[BreakEven, ...]:
    """The few that people are told: where the cheapest offer changes, then between the cheapest offers of different bases."""
    changes = [(before.quote, after.quote) for before, after in pairwise(cheapest(quotes))]
    best = {(quote.provider, quote.base): quote for quote, _ in reversed(compared(in_order(quotes)))}
    few = in_order(best.values())[:COMPARED]
    pairs = [*changes, *(pair for pair in combinations(few, 2) if pair not in changes and pair[::-1] not in changes)]
    return tuple(found for one, other in pairs if (found := break_even(one, other)))[:MOST_SENTENCES]


def any_flat(quotes: Sequence[Quote]) -> bool:
    """Whether some offer costs by the month and nothing by the request."""
    return any(course.fixed > 0 and not course.each for _, course in compared(quotes))


def sentence(found: BreakEven, *, names: Names) -> str:
    """`azure gpt-4.1-mini costs less than together Qwen3.5-9B up to 41,000 requests a month`."""
    until = "at any number of requests" if found.requests is None else f"up to {rounded(found.requests):,} requests a month"
    return f"{names.offer(found.below)} costs less than {names.offer(found.above)} {until}"


def rounded(requests: int) -> int:
    """To two digits, as estimates deserve."""
    value = Decimal(requests)
    places = max(0, value.adjusted() - 1)
    return int(value.scaleb(-places).to_integral_value(ROUND_HALF_UP).scaleb(places))
