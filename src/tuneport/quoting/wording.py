"""How money, amounts and prices read: exact where they are, as a range where they are not, and `unknown`, never 0, where nobody knows."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from tuneport.quote import QuoteLine, Usage
from tuneport.span import Span

UNKNOWN = "unknown"
NOT_BILLED = "not billed"
_MILLIONS = "1M "
_TRUSTED = ("vendor page", "vendor code", "yours", "measured", "configured")
"""Confidence that leaves no doubt by itself."""
_NO_MATTER = Decimal("0.005")
"""A range narrower than this share of its upper end is shown as its likely value."""


def money(value: Decimal) -> str:
    """Two places; two significant digits below 0.10, none after the point from 10,000 up."""
    if value >= 10_000:
        return f"{_rounded(value, 0):,f}"
    return f"{_rounded(value, 2):,f}" if value >= Decimal("0.0995") or value == 0 else f"{_rounded(value, 1 - value.adjusted()):f}"


def _rounded(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP)


def money_span(span: Span | None, *, currency: str | None = "USD") -> str:
    """`9.40`, `9.40-11.20`, `118-141`, `3.10 EUR`, `unknown`. Both ends where they are half a percent apart; no cents above 100 then."""
    if span is None or currency is None:
        return UNKNOWN
    low, high = _coarse(span.low), _coarse(span.high)
    text = f"{low}-{high}" if low != high and span.high - span.low > span.high * _NO_MATTER else money(span.likely)
    return text if currency == "USD" else f"{text} {currency}"


def _coarse(value: Decimal) -> str:
    return money(value) if value < 100 else f"{_rounded(value, 0):,f}"


def amount_text(line: QuoteLine) -> str:
    """`1,234,567 tokens`, `1.1M-1.3M tokens`, `730 hosting hours`, `4.1 min`, `unknown`."""
    if line.amount is None:
        return UNKNOWN
    if line.unit.startswith(_MILLIONS):
        return f"{_count_text(line.amount * 1_000_000)} {line.unit.split()[-1]}"
    if line.unit.endswith("hour") and line.amount.high < 1:
        return f"{_number_text(line.amount * 60)} {line.unit.removesuffix('hour')}min"
    return f"{_number_text(line.amount)} {_counted(line.unit, line.amount)}"


def _counted(unit: str, amount: Span) -> str:
    """Several of a unit; a symbol such as kWh has no plural."""
    one = amount.exact and amount.likely == 1
    symbol = unit.isalpha() and not unit.islower()
    return unit if one or symbol or unit.endswith("s") else f"{unit}s"


def _count_text(amount: Span) -> str:
    """Exact numbers in full, ranges to three digits."""
    if amount.exact:
        return f"{_rounded(amount.likely, 0):,f}"
    low, high = short_number(amount.low), short_number(amount.high)
    return low if low == high else f"{low}-{high}"


def _number_text(amount: Span) -> str:
    low, high = number(amount.low), number(amount.high)
    return number(amount.likely) if low == high else f"{low}-{high}"


def number(value: Decimal) -> str:
    """Three significant digits at least, all of a whole number, no zeros that say nothing."""
    if value == value.to_integral_value() or value >= 100:
        return f"{_rounded(value, 0):,f}"
    return f"{_rounded(value, max(0, 2 - value.adjusted())).normalize():f}"


def short_number(value: Decimal) -> str:
    """Three significant digits: 950, 12.3k, 1.2M."""
    rounded = _rounded(value, 2 - value.adjusted()) if value else value
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if rounded >= size:
            return f"{(rounded / size).normalize():f}{letter}"
    return f"{rounded.normalize():f}"


def price_text(line: QuoteLine, *, billed: bool) -> str:
    """`3.00/1M`, `0.40-3.00/1M`, `1.70`, `unknown`; in full, as the source states it."""
    if line.price is None:
        return UNKNOWN if billed else "-"
    least, most = line.price_range or (line.price, line.price)
    text = full(line.price) if least == most else f"{full(least)}-{full(most)}"
    per = "/1M" if line.unit.startswith(_MILLIONS) else ""
    return f"{text}{'' if line.currency == 'USD' else f' {line.currency}'}{per}"


def full(value: Decimal) -> str:
    """Every digit, at least two places, no exponent."""
    whole, _, places = f"{value.normalize():f}".partition(".")
    return f"{whole}.{places.ljust(2, '0')}"


def cost_text(line: QuoteLine, *, billed: bool) -> str:
    """As `money_span`; `not billed` where nobody sends a bill and no price was given."""
    if line.price is None and not billed and line.cost is None:
        return NOT_BILLED
    return money_span(line.cost, currency=line.currency)


def doubts_of(line: QuoteLine) -> tuple[str, ...]:
    """What to know of a line's price, and of who says it; nothing of a price that is not known."""
    if line.price is None:
        return ()
    if line.confidence in _TRUSTED:
        return line.doubts
    return tuple(dict.fromkeys((*line.doubts, "third party" if line.confidence == "third party" else f"confidence {line.confidence}")))


def when_text(line: QuoteLine) -> str:
    """`once`, `monthly`, `at least`."""
    return "at least" if line.when == "least" else line.when


def usage_text(usage: Usage) -> str:
    """`10,000 requests a month of 400 + 50 tokens, over 12 months`."""
    asked, said = usage.input_tokens, usage.output_tokens
    if asked is not None and said is not None:
        tokens = f" of {asked:,} + {said:,} tokens"
    elif asked is None and said is None:
        tokens = " as long as the data's"
    else:
        tokens = f", {_long('prompts', asked)} and {_long('answers', said)}"
    requests = _several(usage.requests, "request") if usage.requests else "no requests"
    return f"{requests} a month{tokens}, over {_several(usage.months, 'month')}"


def _long(what: str, tokens: int | None) -> str:
    return f"{what} as long as the data's" if tokens is None else f"{what} of {tokens:,} tokens"


def _several(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")
