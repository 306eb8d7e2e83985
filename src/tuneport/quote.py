"""Quotes: what a recipe would cost at one provider, line by line. A price that is not known is None, never zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from tuneport.errors import UsageError
from tuneport.span import NOTHING, Span, total

Availability = Literal["available", "closing", "closed", "unavailable"]
"""Whether it can be bought: yes; yes, but an end is near or new customers are turned away; no longer; not this, or not from here."""

When = Literal["once", "monthly", "least"]
"""Paid once, paid every month, or the least that what is paid once comes to."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What the tuned model is to do: `requests` a month of so many tokens each, for `months`. Tokens that are None are as in the data.

    Raises UsageError for less than nothing.
    """

    requests: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    months: int = 12

    def __post_init__(self) -> None:
        if min(self.requests, self.input_tokens or 0, self.output_tokens or 0) < 0 or self.months < 1:
            raise UsageError("requests and their tokens are from 0 up, months from 1 up.")


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """One item of a quote: `amount` times `price` for each `unit`. Either is None while it is not known.

    price_range  the least and the most of prices that contradict each other; `price` is the likely one
    item         training, validation, minimum, hosting, storage, input, output, machine time, electricity …
    as_of        the day the price (or the measurement) was taken (ISO), `source` where
    confidence   vendor page | vendor code | third party | yours | measured | configured | unknown
    doubts       what to know of the price: old, third party, closing, retired
    """

    item: str
    amount: Span | None
    unit: str
    price: Decimal | None
    currency: str = "USD"
    price_range: tuple[Decimal, Decimal] | None = None
    when: When = "once"
    as_of: str | None = None
    source: str | None = None
    confidence: str = "unknown"
    doubts: tuple[str, ...] = ()
    note: str = ""

    @property
    def cost(self) -> Span | None:
        """In `currency`; None while it is not known. Nothing of anything costs nothing."""
        if self.amount == NOTHING:
            return NOTHING
        if self.amount is None or self.price is None:
            return None
        least, most = self.price_range or (self.price, self.price)
        return self.amount * Span(least, self.price, most)


@dataclass(frozen=True, slots=True)
class Quote:
    """The estimated cost of a recipe at one provider.

    `billed` is False where nobody sends a bill: one's own machine. `why` says more of the availability, `ends` is the day it ends.
    `tier` is the price tier, '' the usual one. `usage` is what the monthly lines are for; without one there are none. `per_request` holds
    the lines of one request, from which costs at other numbers of requests follow. `epochs_assumed`: nobody said how many, and the provider
    might take more. `covers_all_months` is False where tuned models stop answering before the months of the usage are over.
    """

    provider: str
    base: str
    lines: tuple[QuoteLine, ...]
    tier: str = ""
    availability: Availability = "available"
    why: str = ""
    ends: date | None = None
    billed: bool = True
    usage: Usage | None = None
    per_request: tuple[QuoteLine, ...] = ()
    epochs_assumed: bool = False
    covers_all_months: bool = True
    notes: tuple[str, ...] = ()

    @property
    def currency(self) -> str | None:
        """Of all lines; None where they differ, which are then not added up."""
        found = _currencies(self.lines)
        return next(iter(found), "USD") if len(found) < 2 else None

    @property
    def by_the_hour(self) -> bool:
        """Whether a request costs nothing beside the hours of the machines."""
        return bool(self.per_request) and all(line.unit == "request" and line.amount == NOTHING for line in self.per_request)

    @property
    def once(self) -> Span | None:
        """What is paid once: the training. None when a line of it is not known, or there is none."""
        cost = self._sum([line for line in self.lines if line.when == "once"], empty=None)
        least = [line.cost for line in self.lines if line.when == "least"]
        return cost if cost is None or not least else None if least[0] is None else cost.at_least(least[0])

    @property
    def monthly(self) -> Span | None:
        """What is paid each month. None when a line of it is not known."""
        return self._sum([line for line in self.lines if line.when == "monthly"], empty=NOTHING)

    @property
    def standing(self) -> Span | None:
        """What is paid each month whatever is asked: hosting, storage. None when a line of it is not known."""
        answers = {line.item for line in self.per_request}
        return self._sum([line for line in self.lines if line.when == "monthly" and line.item not in answers], empty=NOTHING)

    @property
    def total(self) -> Span | None:
        """Once and for all months together. None when any line is not known, or their currencies differ."""
        once, monthly = self.once, self.monthly
        if once is None or monthly is None:
            return None
        return once + monthly * (self.usage.months if self.usage else 0)

    @property
    def total_usd(self) -> Decimal | None:
        """The likely total in USD, or None."""
        return self.total.likely if self.total is not None and self.currency == "USD" else None

    @property
    def thousand_requests(self) -> Span | None:
        """What 1,000 requests cost beside what is paid by the month anyway; None where that is not known."""
        found = _sum(self.per_request, empty=None)
        return None if found is None or not _currencies(self.per_request) <= {self.currency} else found * 1000

    def _sum(self, lines: Sequence[QuoteLine], *, empty: Span | None) -> Span | None:
        """None where the lines of the quote are in several currencies, even if these are not: nobody could tell in which the sum is."""
        return None if self.currency is None else _sum(lines, empty=empty)


def _currencies(lines: Sequence[QuoteLine]) -> set[str]:
    return {line.currency for line in lines if line.price is not None}


def _sum(lines: Sequence[QuoteLine], *, empty: Span | None) -> Span | None:
    """None when the cost of a line is not known, or their currencies differ; `empty` of none."""
    costs = [line.cost for line in lines]
    known = [cost for cost in costs if cost is not None]
    if not costs:
        return empty
    return total(known) if len(known) == len(costs) and len(_currencies(lines)) < 2 else None
