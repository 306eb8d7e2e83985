"""How shares, points and intervals read in a parity report, in the terminal and on a page."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from tuneport.plurals import counted

if TYPE_CHECKING:
    from tuneport.intervals import Difference
    from tuneport.parity.compared import Agreement, Asked, Latency, Measured, Who

NAMES: Mapping[Who, str] = {"old": "the old model", "new": "the new model", "prompted": "the prompted base"}

_KEPT = "\n\t"
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that make what stands beside them read the other way round."""


def number(value: float) -> str:
    """A margin as it was given: `3`, `2.5`."""
    return f"{value:g}"


def percent(share: float) -> str:
    """`93.0%`; neither 0 nor 100 unless it is."""
    shown = f"{100 * share:.1f}"
    if 0 < share < 1 and shown in ("0.0", "100.0"):
        return "<0.1%" if share < 0.5 else ">99.9%"
    return f"{shown}%"


def points(share: float) -> str:
    """A difference in points, with its sign: `+1.2`, `-0.4`, `0.0`."""
    shown = f"{100 * share:+.1f}"
    return "0.0" if shown in ("+0.0", "-0.0") else shown


def interval(found: Difference) -> str:
    """`-2.1 to +1.3`."""
    return " to ".join(map(points, found.interval))


def value(found: float | None, measured: Measured) -> str:
    """A metric: a share in percent, or the number itself."""
    if found is None:
        return "n/a"
    return percent(found) if measured.points else f"{found:.3g}"


def difference(measured: Measured) -> str:
    """`-0.4 points (-2.1 to +1.3)`, or why there is none."""
    found = measured.difference
    if found is None:
        return measured.reason
    if not measured.points:
        return f"{found.value:+.3g} ({found.interval[0]:+.3g} to {found.interval[1]:+.3g})"
    return f"{points(found.value)} points ({interval(found)})"


def agreement(found: Agreement) -> str:
    """`the same answer on 186 of 200 rows: 93.0% (88.6% to 95.8%)`."""
    low, high = map(percent, found.interval)
    return f"the same answer on {found.same:,} of {counted(found.rows, 'row')}: {percent(found.share)} ({low} to {high})"


def latency(found: Latency | None) -> str:
    """`0.42 s, 95% within 1.10 s`."""
    return f"{_seconds(found.median_s)}, 95% within {_seconds(found.p95_s)}" if found else "not recorded"


def _seconds(time_s: float) -> str:
    return f"{time_s:.2f} s" if time_s < 10 else f"{time_s:.0f} s"


def tokens(asked: Asked | None) -> str:
    """`412 in, 9 out`: means of one request."""
    return f"{asked.tokens[0]:,.0f} in, {asked.tokens[1]:,.0f} out" if asked and asked.tokens else "not recorded"


def cost(per_1000: Decimal | None, currency: str) -> str:
    """`0.42`, `3.10 EUR`, `unknown`."""
    from tuneport.quoting.wording import UNKNOWN, money

    if per_1000 is None:
        return UNKNOWN
    return money(per_1000) if currency == "USD" else f"{money(per_1000)} {currency}"


def clean(text: str) -> str:
    """With a mark in place of what must not reach a reader's page: control characters, halves of surrogate pairs, turns of direction."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _unwanted(c) else c for c in text)


def _unwanted(character: str) -> bool:
    return character in _TURNING or (unicodedata.category(character) in ("Cc", "Cs") and character not in _KEPT)


def one_line(text: str, *, most: int) -> str:
    """On one line, cut off after `most` characters; what cannot be seen is left out."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
