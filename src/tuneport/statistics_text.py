"""How statistics read for people, in the terminal and on a page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tuneport.histogram import Bin, Spread
    from tuneport.statistics import Tokens


def spread_text(spread: Spread) -> str:
    """`8 to 120, median 40, 95 % up to 98; 4,210 in all`."""
    if spread.least == spread.most:
        return f"{spread.least:,}"
    return f"{spread.least:,} to {spread.most:,}, median {spread.median:,}, 95 % up to {spread.p95:,}; {spread.total:,} in all"


def bin_name(found: Bin) -> str:
    """`50 - 99`, or `7` for a bin of one number."""
    return f"{found.least:,}" if found.least == found.most else f"{found.least:,} - {found.most:,}"


def guessed_text(tokens: Tokens) -> str:
    """`tools in 12 rows`; '' where nothing is."""
    return "; ".join(f"{what} in {_rows(rows)}" for what, rows in tokens.guessed.items())


def limit_text(tokens: Tokens) -> str:
    """`0 rows of more than 65,536 tokens`; '' where no limit is known."""
    return f"{_rows(tokens.over_limit)} of more than {tokens.limit.tokens:,} tokens" if tokens.limit else ""


def labels_text(labels: Mapping[str, int]) -> str:
    """`3 labels, the commonest 2.0 times as often as the rarest`."""
    ratio = max(labels.values()) / min(labels.values())
    return f"rows by label: {len(labels):,} labels, " + (
        "all equally often" if ratio == 1 else f"the commonest {ratio:,.1f} times as often as the rarest"
    )


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"
