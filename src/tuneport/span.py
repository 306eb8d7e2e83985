"""Numbers that are known within bounds: what an estimate is multiplied and added up as."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Span:
    """low <= likely <= high; all three equal where the number is exact. Raises ValueError for bounds in another order."""

    low: Decimal
    likely: Decimal
    high: Decimal

    def __post_init__(self) -> None:
        if not self.low <= self.likely <= self.high:
            raise ValueError(f"{self.likely} does not lie between {self.low} and {self.high}.")

    @classmethod
    def exactly(cls, value: Decimal | int) -> Span:
        """A number without doubt."""
        number = Decimal(value)
        return cls(number, number, number)

    @property
    def exact(self) -> bool:
        """Whether there is no doubt."""
        return self.low == self.high

    def __add__(self, other: Span) -> Span:
        return Span(self.low + other.low, self.likely + other.likely, self.high + other.high)

    def __mul__(self, factor: Span | Decimal | int) -> Span:
        """The product with a factor that is not negative. Raises ValueError for one that is."""
        by = factor if isinstance(factor, Span) else Span.exactly(factor)
        if by.low < 0 or self.low < 0:
            raise ValueError(f"a span is multiplied by numbers from 0 up, not by {by.low}.")
        return Span(self.low * by.low, self.likely * by.likely, self.high * by.high)

    def at_least(self, least: Span) -> Span:
        """The span with nothing below `least`, bound by bound."""
        return Span(max(self.low, least.low), max(self.likely, least.likely), max(self.high, least.high))


NOTHING = Span.exactly(0)


def total(spans: Iterable[Span]) -> Span:
    """The sum; 0 of none."""
    return sum(spans, NOTHING)
