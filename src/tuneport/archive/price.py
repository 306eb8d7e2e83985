"""What asking for an archive's sample answers would cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from tuneport.archive.answers import Asking
from tuneport.archive.bundle import Bundle
from tuneport.clock import Clock
from tuneport.job import Job
from tuneport.span import Span

if TYPE_CHECKING:
    from tuneport.quote import Quote

GetQuotes = Callable[[str, str | None], list["Quote"]]
"""The quotes of a provider for a base, for requests like the rows."""


@dataclass(frozen=True, slots=True)
class AskingPrice:
    """`requests` to tuned models of one base at one provider; `thousand` is what 1,000 of them cost, None while that is not known."""

    provider: str
    base: str | None
    requests: int
    thousand: Span | None
    currency: str = "USD"
    billed: bool = True

    @property
    def cost(self) -> Span | None:
        """Of these requests."""
        return None if self.thousand is None else self.thousand * (self.requests * Decimal("0.001"))


def prices(jobs: Iterable[Job], asking: Asking, *, to: Path, quotes: GetQuotes, clock: Clock) -> list[AskingPrice]:
    """What the answers that the archives in `to` do not have yet would cost. Raises ConfigError for an archive that cannot be read."""
    left: Counter[tuple[str, str | None]] = Counter()
    for job in jobs:
        if job.model is not None:
            left[job.provider, job.base] += asking.left(Bundle(to, job, now=clock.now))
    return [_price(provider, base, requests, quotes) for (provider, base), requests in left.items() if requests]


def _price(provider: str, base: str | None, requests: int, quotes: GetQuotes) -> AskingPrice:
    found = quotes(provider, base)
    if found and not any(quote.billed for quote in found):
        return AskingPrice(provider, base, requests, None, billed=False)
    known = [(quote.thousand_requests, quote.currency or "USD") for quote in found]
    costs = [(each, currency) for each, currency in known if each is not None]
    if not costs or len(costs) < len(known):
        return AskingPrice(provider, base, requests, None)
    thousand, currency = max(costs, key=lambda one: one[0].high)  # several tiers: the dearest
    return AskingPrice(provider, base, requests, thousand, currency)
