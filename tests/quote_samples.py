"""Quotes made by hand: what tests of how quotes are shown need of them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from tuneport.quote import Availability, Quote, QuoteLine, Usage, When
from tuneport.span import Span

USAGE = Usage(requests=10_000, input_tokens=500, output_tokens=200, months=12)


def span(low: str, likely: str | None = None, high: str | None = None) -> Span:
    """An exact number, or three."""
    return Span(Decimal(low), Decimal(likely or low), Decimal(high or likely or low))


def line(
    item: str,
    amount: Span | str | None,
    unit: str,
    price: str | None,
    *,
    when: When = "once",
    currency: str = "USD",
    source: str = "acme.example/pricing",
    as_of: str = "2026-10-01",
    confidence: str = "vendor page",
    doubts: tuple[str, ...] = (),
    note: str = "",
) -> QuoteLine:
    """A line whose price is from somewhere; one without a price is from nowhere."""
    known = price is not None
    return QuoteLine(
        item,
        span(amount) if isinstance(amount, str) else amount,
        unit,
        Decimal(price) if price is not None else None,
        currency=currency,
        when=when,
        as_of=as_of if known else None,
        source=source if known else None,
        confidence=confidence if known else "unknown",
        doubts=doubts,
        note=note,
    )


def offer(
    provider: str,
    base: str,
    *,
    training: str | None = "5",
    hosting: str | None = None,
    request: str | None = None,
    usage: Usage | None = USAGE,
    tier: str = "",
    availability: Availability = "available",
    why: str = "",
    ends: date | None = None,
    currency: str = "USD",
    doubts: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
) -> Quote:
    """Training for so much once, hosting for so much a month, and so much for a request."""
    lines = [line("training", "1", "job", training, currency=currency, doubts=doubts)]
    each = line("answers", "1", "request", request, currency=currency) if request is not None else None
    if usage is not None:
        lines += [line("hosting", "1", "month", hosting, when="monthly", currency=currency)] if hosting is not None else []
        lines += [line("answers", str(usage.requests), "request", request, when="monthly", currency=currency)] if each else []
    return Quote(
        provider,
        base,
        tuple(lines),
        tier=tier,
        availability=availability,
        why=why,
        ends=ends,
        usage=usage,
        per_request=(each,) if each else (),
        notes=notes,
    )


def refused(provider: str, base: str, why: str) -> Quote:
    """An offer that nobody makes."""
    return Quote(provider, base, (), availability="unavailable", why=why)
