"""Quotes side by side: in which order, under which names, and what is said of several at once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from tuneport.quote import Quote, QuoteLine
from tuneport.quoting.wording import NOT_BILLED, UNKNOWN, doubts_of, money_span
from tuneport.span import Span

_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")
MOST_NAMED = 3
SEVERAL_CURRENCIES = "several currencies"


def is_open(quote: Quote) -> bool:
    """Whether it can be bought, for now at least."""
    return quote.availability in ("available", "closing")


def in_order(quotes: Iterable[Quote]) -> list[Quote]:
    """Those that can be bought by their totals, the cheapest first; then those whose total is not known; those that are closed last."""
    return sorted(quotes, key=_rank)


def _rank(quote: Quote) -> tuple[int, str, bool, Decimal]:
    total = quote.total
    currency = "" if quote.currency == "USD" else quote.currency or ""
    if quote.availability == "closed":
        group = 5
    elif quote.availability == "unavailable" or not quote.lines:
        group = 4
    elif total is None:
        group = 3 if quote.billed else 2
    else:
        group = 1 if currency else 0
    return group, currency, total is None, total.likely if total is not None else Decimal(0)


@dataclass(frozen=True, slots=True)
class Names:
    """What the bases of some quotes are called for short, by provider and base."""

    short: dict[tuple[str, str], str]

    @classmethod
    def of(cls, quotes: Sequence[Quote]) -> Names:
        """Without folders and the day of the snapshot, where a provider's bases still differ."""
        bases = {(quote.provider, quote.base) for quote in quotes}
        return cls({(provider, base): _shortest(base, [b for p, b in bases if p == provider and b != base]) for provider, base in bases})

    def base(self, quote: Quote) -> str:
        """`gpt-4.1-mini`."""
        return self.short.get((quote.provider, quote.base), quote.base)

    def with_tier(self, quote: Quote) -> str:
        """`gpt-4.1-mini (global)`."""
        return with_tier(self.base(quote), quote.tier)

    def offer(self, quote: Quote) -> str:
        """`azure gpt-4.1-mini (global)`."""
        return f"{quote.provider} {self.with_tier(quote)}".strip()


def with_tier(base: str, tier: str) -> str:
    """`gpt-4.1-mini (global)`; the usual tier has no name."""
    return f"{base} ({tier})" if tier else base


def _shortest(base: str, others: Sequence[str]) -> str:
    taken = {form for other in others for form in _forms(other)}
    return next((form for form in _forms(base) if form not in taken), base)


def _forms(base: str) -> tuple[str, ...]:
    """Its names, the shortest first."""
    last = base.rstrip("/").rpartition("/")[2]
    name = last.rpartition("@")[2]
    name = last if name.isdigit() else name
    return tuple(dict.fromkeys(form for form in (_DATED.sub("", name), name, last, base) if form)) or (base,)


def availability_text(quote: Quote) -> str:
    """`available`, `until 2027-10-14`, `closing 2027-01-06`, `closed 2026-10-23`, `unavailable`."""
    if quote.ends is None:
        return quote.availability
    return f"{'until' if quote.availability == 'available' else quote.availability} {quote.ends}"


def part_text(quote: Quote, part: Span | None) -> str:
    """A part of the quote, or why it has none."""
    if not quote.lines:
        return "-"
    priced = any(line.price is not None for line in quote.lines)
    if not quote.billed and not priced:
        return NOT_BILLED
    if part is None:
        return UNKNOWN if quote.currency else SEVERAL_CURRENCIES
    return money_span(part, currency=quote.currency)


def doubts(lines: Iterable[QuoteLine]) -> tuple[str, ...]:
    """Every doubt about any of their prices, once."""
    return tuple(dict.fromkeys(doubt for line in lines for doubt in doubts_of(line)))


def remarks(quotes: Sequence[Quote], *, names: Names) -> list[str]:
    """Why offers are not simply available, and their notes; what several say stands once, with whose it is."""
    said: dict[str, list[Quote]] = {}
    for quote in quotes:
        for text in dict.fromkeys((quote.why, *quote.notes)):
            if text:
                said.setdefault(text, []).append(quote)
    return [f"{whose}: {text}" if (whose := _whose(by, quotes, names)) else text for text, by in said.items()]


def _whose(by: Sequence[Quote], quotes: Sequence[Quote], names: Names) -> str:
    """`azure`, where all its offers say it; `azure gpt-4.1-mini, gpt-4.1`, where all tiers of those do; '' where everybody does."""
    if len(by) == len(quotes) > 1:
        return ""
    found: dict[str, list[str]] = {}
    for quote in by:
        bases = found.setdefault(quote.provider, [])
        if _share(by, quotes, provider=quote.provider):
            continue
        name = names.base(quote) if _share(by, quotes, provider=quote.provider, base=quote.base) else names.with_tier(quote)
        if name not in bases:
            bases.append(name)
    listed = [f"{provider} {_few(bases)}".strip() for provider, bases in found.items()]
    return _few(listed)


def _share(by: Sequence[Quote], quotes: Sequence[Quote], *, provider: str, base: str | None = None) -> bool:
    """Whether all quotes of the provider, and of the base if one is given, are among `by`."""
    ours, all_of_them = (sum(each.provider == provider and base in (None, each.base) for each in some) for some in (by, quotes))
    return ours == all_of_them


def _few(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
