"""Quotes: what a recipe would cost at one provider, line by line. A price that is not known is None, never zero."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class QuoteLine:
    """One item of a quote. `price_usd` is per `unit`; both money fields are None while the price is unknown.

    `as_of` is the day the price (or the measurement) was taken, `source` where, `confidence` vendor page | vendor code | third party |
    measured | configured | unknown.
    """

    item: str
    amount: Decimal
    unit: str
    price_usd: Decimal | None
    cost_usd: Decimal | None
    as_of: str | None = None
    source: str | None = None
    confidence: str = "unknown"
    note: str = ""


@dataclass(frozen=True, slots=True)
class Quote:
    """The estimated cost of a recipe at one provider. `total_usd` is None when any line's cost is unknown.

    `billed` is False where nobody sends a bill: one's own machine.
    """

    provider: str
    base: str
    lines: tuple[QuoteLine, ...]
    availability: str = "available"
    billed: bool = True
    notes: tuple[str, ...] = ()

    @property
    def total_usd(self) -> Decimal | None:
        """The sum of the lines in USD, or None when one of them is unknown or there is none."""
        costs = [line.cost_usd for line in self.lines]
        return None if not costs or any(cost is None for cost in costs) else sum((c for c in costs if c is not None), Decimal(0))
