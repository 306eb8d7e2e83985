"""Quotes for scripts: as one JSON document, and as CSV with a row for every line and one for every total. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from tuneport.cli.output import decimal_text, printable

if TYPE_CHECKING:
    from decimal import Decimal

    from tuneport.quote import Quote, QuoteLine, Usage
    from tuneport.quoting.break_even import BreakEven
    from tuneport.span import Span

LINE_KEYS = (
    "item",
    "amount",
    "amount_low",
    "amount_high",
    "unit",
    "price",
    "price_low",
    "price_high",
    "currency",
    "price_usd",
    "cost_usd",
    "cost",
    "cost_low",
    "cost_high",
    "when",
    "as_of",
    "source",
    "confidence",
    "doubts",
    "note",
)
COLUMNS = ("provider", "base", "tier", "availability", "ends", *LINE_KEYS)
_FORMULA = ("=", "+", "-", "@")
"""What makes a spreadsheet take a cell for a formula."""


def quotes_document(quotes: Sequence[Quote]) -> dict[str, Any]:
    """All quotes, and the break-even of every two that can be bought."""
    from tuneport.quoting.break_even import break_evens

    return {"quotes": [quote_document(one) for one in quotes], "break_even": [_break_even_document(each) for each in break_evens(quotes)]}


def quote_document(quote: Quote) -> dict[str, Any]:
    """A quote; money as decimal strings, what is not known as null. `_usd` is null where the currency is another."""
    dollars = quote.total if quote.currency == "USD" else None
    return {
        "provider": quote.provider,
        "base": quote.base,
        "tier": quote.tier,
        "lines": [line_document(line) for line in quote.lines],
        **{f"{name}_usd": value for name, value in _spanned("total", dollars).items()},
        **_spanned("total", quote.total),
        **_spanned("once", quote.once),
        **_spanned("monthly", quote.monthly),
        **_spanned("thousand_requests", quote.thousand_requests),
        "currency": quote.currency,
        "availability": quote.availability,
        "why": quote.why,
        "ends": _day(quote),
        "billed": quote.billed,
        "usage": _usage_document(quote.usage),
        "epochs_assumed": quote.epochs_assumed,
        "notes": list(quote.notes),
    }


def line_document(line: QuoteLine) -> dict[str, Any]:
    """One line, with the keys LINE_KEYS."""
    from tuneport.quoting.wording import doubts_of

    least, most = line.price_range or (line.price, line.price)
    dollars = line.currency == "USD"
    values: dict[str, Any] = {
        "item": line.item,
        **_amounts(line.amount),
        "unit": line.unit,
        "price": _money(line.price),
        "price_low": _money(least),
        "price_high": _money(most),
        "currency": line.currency,
        "price_usd": _money(line.price) if dollars else None,
        "cost_usd": _money(line.cost.likely) if dollars and line.cost is not None else None,
        **_spanned("cost", line.cost),
        "when": line.when,
        "as_of": line.as_of,
        "source": line.source,
        "confidence": line.confidence,
        "doubts": list(doubts_of(line)),
        "note": line.note,
    }
    return {key: values[key] for key in LINE_KEYS}


def _amounts(amount: Span | None) -> dict[str, str | None]:
    if amount is None:
        return dict.fromkeys(("amount", "amount_low", "amount_high"))
    return {"amount": _plain(amount.likely), "amount_low": _plain(amount.low), "amount_high": _plain(amount.high)}


def _plain(value: Decimal) -> str:
    """Without exponent, and without zeros that say nothing."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _spanned(name: str, span: Span | None) -> dict[str, str | None]:
    """Its likely value and both ends."""
    if span is None:
        return dict.fromkeys((name, f"{name}_low", f"{name}_high"))
    return {name: decimal_text(span.likely), f"{name}_low": decimal_text(span.low), f"{name}_high": decimal_text(span.high)}


def _money(value: Decimal | None) -> str | None:
    return None if value is None else decimal_text(value)


def _day(quote: Quote) -> str | None:
    return quote.ends.isoformat() if quote.ends else None


def _usage_document(usage: Usage | None) -> dict[str, int | None] | None:
    """Tokens are null where they are as in the data."""
    if usage is None:
        return None
    return {
        "requests_per_month": usage.requests,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "months": usage.months,
    }


def _break_even_document(found: BreakEven) -> dict[str, Any]:
    """`requests_per_month` is null where `below` costs less at any number."""
    return {"below": _offer(found.below), "above": _offer(found.above), "requests_per_month": found.requests}


def _offer(quote: Quote) -> dict[str, str]:
    return {"provider": quote.provider, "base": quote.base, "tier": quote.tier}


def quotes_csv(quotes: Iterable[Quote]) -> str:
    """A header line, then COLUMNS for every line of every quote, each quote closed by the row of its total."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for quote in quotes:
        about = {**_offer(quote), "availability": quote.availability, "ends": _day(quote)}
        for values in (*map(line_document, quote.lines), _total_values(quote)):
            writer.writerow([_cell({**about, **values}.get(column)) for column in COLUMNS])
    return text.getvalue()


def _total_values(quote: Quote) -> Mapping[str, Any]:
    dollars = _money(quote.total_usd)
    months = f"{quote.usage.months} months" if quote.usage else "once"
    cost = {**_spanned("cost", quote.total), "cost_usd": dollars, "currency": quote.currency}
    return {"item": "total", **cost, "when": months, "note": quote.why}


def _cell(value: Any) -> str:
    """On one line; what a spreadsheet would run as a formula gets an apostrophe before it."""
    text = "" if value is None else printable("; ".join(value) if isinstance(value, list) else str(value))
    return f"'{text}" if text.startswith(_FORMULA) else text
