"""Statistics as one HTML page that needs nothing else: no script, no font, no address. Of the rows it holds nothing but labels."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from tuneport.histogram import Bin
from tuneport.html_page import document, row, table
from tuneport.statistics import Statistics, Tokens
from tuneport.statistics_text import bin_name, guessed_text, labels_text, limit_text, spread_text

_WIDTH, _HEIGHT = 720, 260
_LEFT, _BOTTOM, _TOP = 8, 44, 26
"""Pixels of the drawing, and of its margins."""

_STYLE = """
.facts th { white-space: nowrap; width: 11rem }
td.bar { width: 45%; vertical-align: middle }
table.numbers { width: auto } .numbers td, .numbers th { padding-right: 2rem }
svg rect, td.bar rect { fill: var(--bar) }
svg text.count { fill: var(--ink) }
"""


def page(found: Statistics, *, title: str) -> str:
    """The whole page."""
    parts = [_facts(found), _drawing(found.tokens), _longest(found), _labels(found)]
    return document(title, parts, said=_source(found.tokens), style=_STYLE)


def _source(tokens: Tokens) -> str:
    limit = f" Limit: {tokens.limit.source}." if tokens.limit else ""
    return f"Tokens: {tokens.source}.{limit}"


def _facts(found: Statistics) -> str:
    tokens = found.tokens
    kinds = ", ".join(f"{kind} {count:,}" if len(found.kinds) > 1 else kind for kind, count in found.kinds.items())
    pairs = [
        ("Rows", f"{found.rows:,}"),
        ("Kind", kinds),
        ("Turns a row", spread_text(found.turns)),
        ("Characters asked", spread_text(found.asked)),
        ("Characters answered", spread_text(found.answered)),
        ("Tokens a row", spread_text(tokens.spread)),
        ("Counted by", f"{tokens.counted_by}, {'exactly' if tokens.exact else 'an estimate'}"),
        ("Of which guessed", guessed_text(tokens)),
        ("Over the limit", limit_text(tokens)),
    ]
    bad = {"Over the limit"} if tokens.over_limit else set()
    rows = [row((name, ""), (text, "bad" if name in bad else ""), head=True) for name, text in pairs if text]
    return f'<table class="facts">{"".join(rows)}</table>'


def _drawing(tokens: Tokens) -> str:
    if not tokens.bins:
        return ""
    said = "Rows by tokens" if tokens.exact else "Rows by tokens, estimated"
    return f"<h2>{said}</h2>\n{_histogram(tokens.bins, title=said)}"


def _histogram(bins: Sequence[Bin], *, title: str) -> str:
    """Columns with their numbers above, and the first token count of each below."""
    room, width = _HEIGHT - _BOTTOM - _TOP, (_WIDTH - 2 * _LEFT) / len(bins)
    most = max(each.rows for each in bins)
    usual = bins[0].most - bins[0].least
    drawn = [
        _column(each, x=_LEFT + place * width, width=width, height=room * each.rows / most, open_ended=each.most - each.least > usual)
        for place, each in enumerate(bins)
    ]
    floor = _HEIGHT - _BOTTOM
    axis = f'<line x1="{_LEFT}" y1="{floor + 0.5}" x2="{_WIDTH - _LEFT}" y2="{floor + 0.5}"/>'
    below = f'<text x="{_WIDTH / 2:g}" y="{_HEIGHT - 6}" text-anchor="middle">tokens from</text>'
    label = escape(title, quote=True)
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">{axis}{"".join(drawn)}{below}</svg>'


def _column(found: Bin, *, x: float, width: float, height: float, open_ended: bool) -> str:
    floor, middle = _HEIGHT - _BOTTOM, x + width / 2
    tall = max(height, 1.5) if found.rows else 0
    told = escape(f"{bin_name(found)} tokens: {found.rows:,} rows")
    column = f'<rect x="{x + 2:.1f}" y="{floor - tall:.1f}" width="{width - 4:.1f}" height="{tall:.1f}"><title>{told}</title></rect>'
    count = f'<text class="count" x="{middle:.1f}" y="{floor - tall - 6:.1f}" text-anchor="middle">{short(found.rows)}</text>'
    beyond = "+" if open_ended else ""
    least = f'<text x="{middle:.1f}" y="{floor + 17}" text-anchor="middle">{short(found.least)}{beyond}</text>'
    return column + (count if found.rows else "") + least


def short(number: int) -> str:
    """At most five characters: 950, 1,234, 27.2k, 3.1M."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**4, "k")):
        if number >= size:
            shown = number / (1000 if letter == "k" else size)
            return f"{shown:.1f}{letter}" if shown < 100 else f"{shown:.0f}{letter}"
    return f"{number:,}"


def _longest(found: Statistics) -> str:
    if not found.longest:
        return ""
    rows = [row((f"{each.line}", "number"), (f"{each.tokens:,}", "number"), (f"{each.characters:,}", "number")) for each in found.longest]
    return f"<h2>Longest rows</h2>\n{table(('Line', 'Tokens', 'Characters'), rows, numbers=(0, 1, 2), kind='numbers')}"


def _labels(found: Statistics) -> str:
    if not found.labels:
        return ""
    most = max(found.labels.values())
    rows = [
        f'<tr><td class="name">{escape(label)}</td><td class="number">{count:,}</td><td class="bar">{_bar(count / most)}</td></tr>'
        for label, count in found.labels.items()
    ]
    said = labels_text(found.labels)
    return f"<h2>{escape(said[:1].upper() + said[1:])}</h2>\n{table(('Label', 'Rows', ''), rows, numbers=(1,))}"


def _bar(share: float) -> str:
    bar = f'<rect x="0" y="1" width="{max(0.5, 100 * share):.1f}" height="8"/>'
    return f'<svg viewBox="0 0 100 10" preserveAspectRatio="none" style="height: .8rem" aria-hidden="true">{bar}</svg>'
