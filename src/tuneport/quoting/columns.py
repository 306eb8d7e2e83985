"""The money columns of quotes side by side: which there are, and what stands in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tuneport.quote import Quote, QuoteLine
from tuneport.quoting.offers import doubts, part_text
from tuneport.span import Span

Part = Literal["once", "monthly", "total", "thousand requests"]


@dataclass(frozen=True, slots=True)
class Column:
    """One part of every quote's cost."""

    header: str
    part: Part

    def text(self, quote: Quote) -> str:
        """What stands in it."""
        if self.part == "thousand requests" and quote.by_the_hour:
            return "by the hour"
        return part_text(quote, self._span(quote))

    def doubted(self, quote: Quote) -> bool:
        """Whether it rests on a price with a doubt."""
        return self._span(quote) is not None and bool(doubts(self._lines(quote)))

    def _span(self, quote: Quote) -> Span | None:
        if self.part == "once":
            return quote.once
        if self.part == "monthly":
            return quote.monthly
        return quote.total if self.part == "total" else quote.thousand_requests

    def _lines(self, quote: Quote) -> Sequence[QuoteLine]:
        if self.part == "thousand requests":
            return quote.per_request
        return [line for line in quote.lines if self.part == "total" or (line.when == "monthly") == (self.part == "monthly")]


def columns_of(quotes: Sequence[Quote]) -> tuple[Column, ...]:
    """Months only where something is said of them, requests only where somebody's price of them is known."""
    months = next((quote.usage.months for quote in quotes if quote.usage), None)
    found = [Column("Training", "once")]
    if months is not None:
        found += [Column("A month", "monthly"), Column(f"{months} months" if months > 1 else "1 month", "total")]
    if any(quote.thousand_requests is not None for quote in quotes):
        found.append(Column("1,000 requests", "thousand requests"))
    return tuple(found)
