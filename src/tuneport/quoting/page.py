"""Quotes as one HTML page that needs nothing else: the offers side by side, where one gets cheaper than another, and every line."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from html import escape
from itertools import pairwise

from tuneport.html_page import document, drawn_row, table
from tuneport.quote import Quote, QuoteLine
from tuneport.quoting import picture as drawing
from tuneport.quoting.cheapest import FLAT, any_flat, cheapest, rounded, sentence, told
from tuneport.quoting.columns import Column, columns_of
from tuneport.quoting.offers import Names, availability_text, doubts, in_order, is_open, remarks, with_tier
from tuneport.quoting.wording import amount_text, cost_text, doubts_of, price_text, usage_text, when_text

_STYLE = (
    """
body { max-width: 62rem }
h3 { display: inline; font-size: 1rem }
details { margin: .2rem 0 } details[open] { margin: 1rem 0 1.6rem }
summary { cursor: pointer; margin-bottom: .3rem } summary span { color: var(--dim) }
.wide { overflow-x: auto } .wide svg { min-width: 44rem } th:first-child { min-width: 9rem }
th small, td small { display: block; font-weight: 400; font-size: .8125rem; color: var(--dim); overflow-wrap: anywhere }
table.lines { table-layout: fixed; min-width: 54rem; font-size: .875rem }
.lines th { width: 11% } .lines th:first-child { width: 25% } .lines th:nth-child(2) { width: 16% }
.lines th:nth-child(5) { width: 8% } .lines th:last-child { width: 29% } .lines :is(td, th) { padding-right: .9rem }
tr.closed :is(th, td):not(.open) { text-decoration: line-through; color: var(--dim); font-weight: 400 }
tr.closed td, tr.unavailable td, tr.unavailable th { color: var(--dim) }
.mark { color: var(--bad); font-weight: 600; white-space: nowrap }
.soon { color: var(--bad) }
ul { padding-left: 1.2rem; color: var(--dim) } li { margin: .2rem 0; overflow-wrap: anywhere } li b { color: var(--ink); font-weight: 600 }
@media (min-width: 60rem) { .offers td:last-child { white-space: nowrap } }
"""
    + drawing.STYLE
)
MOST_UNFOLDED = 8


def page(quotes: Sequence[Quote], *, title: str, on: date) -> str:
    """The whole page. `on` is the day of the quotes."""
    found = in_order(quotes)
    names = Names.of(found)
    parts = [
        _intro(found, on=on),
        _offers(found, names=names),
        _break_even(found, names=names),
        _all_lines(found),
        _remarks(found, names=names),
    ]
    said = f"Quoted on {on}; nobody's bill, and no offer of anybody's."
    return document(title, parts, said=said, style=_STYLE)


def _intro(quotes: Sequence[Quote], *, on: date) -> str:
    usage = next((quote.usage for quote in quotes if quote.usage), None)
    sentences = [f"Quoted on {on}."]
    sentences += [f"For {usage_text(usage)}."] if usage else []
    sentences += ["Amounts are in USD where no other currency stands; a range where what goes into it is estimated or contradicted."]
    return f"<p>{escape(' '.join(sentences))}</p>"


def _offers(quotes: Sequence[Quote], *, names: Names) -> str:
    columns = columns_of(quotes)
    rows = [_offer(quote, columns, names=names) for quote in quotes]
    headers = ("Offer", *(column.header for column in columns), "Availability")
    shown = table(headers, rows, numbers=range(1, len(columns) + 1), kind="offers")
    return f'<div class="wide">{shown}</div>{_legend(quotes)}'


def _legend(quotes: Sequence[Quote]) -> str:
    found = ", ".join(doubts(line for quote in quotes for line in (*quote.lines, *quote.per_request)))
    marked = f'<p><span class="mark">*</span> rests on a price with a doubt: {escape(found)}. The lines say which.</p>' if found else ""
    struck = "<p>Struck out: can no longer be bought.</p>" if any(quote.availability == "closed" for quote in quotes) else ""
    return marked + struck


def _offer(quote: Quote, columns: Sequence[Column], *, names: Names) -> str:
    short = names.with_tier(quote)
    whole = f"<small>{escape(quote.base)}</small>" if names.base(quote) != quote.base else ""
    cells = [(f"{escape(quote.provider)} {escape(short)}{whole}", "")]
    for column in columns:
        mark = '<span class="mark">*</span>' if column.doubted(quote) else ""
        cells.append((f"{mark}{escape(column.text(quote))}", "number"))
    soon = " soon" if quote.availability == "closing" else ""
    cells.append((escape(availability_text(quote)), f"open{soon}"))
    return drawn_row(*cells, head=True, kind="" if is_open(quote) else quote.availability)


def _break_even(quotes: Sequence[Quote], *, names: Names) -> str:
    found = drawing.drawn(quotes)
    picture = drawing.picture(found, names=names)
    if not picture:
        return ""
    left_out = (
        ("Not drawn, and cheapest nowhere", found.dearer),
        ("Not drawn, as nothing is paid", found.free),
        ("Not drawn, as the cost is not known or in another currency", found.unknown),
    )
    rest = "".join(f"<p>{why}: {escape(', '.join(map(names.offer, which)))}.</p>" for why, which in left_out if which)
    note = "By the likely numbers. A dot: from there on another offer costs least; a ring: one offer crosses another."
    flat = f" {FLAT}." if any_flat(quotes) else ""
    items = "".join(f"<li>{text}</li>" for text in _sentences(quotes, names=names))
    return f'<h2>Break-even</h2>\n<div class="wide">{picture}</div>\n<p>{escape(note + flat)}</p><ul>{items}</ul>{rest}'


def _sentences(quotes: Sequence[Quote], *, names: Names) -> Iterable[str]:
    """Which offer costs least where, then what else is worth telling of two of them."""
    found = cheapest(quotes)
    changes = {(id(one.quote), id(other.quote)) for one, other in pairwise(found)}
    for place, each in enumerate(found):
        end = f"up to {rounded(found[place + 1].first):,}" if place < len(found) - 1 else ""
        bounds = f"from {rounded(each.first):,} {end.removeprefix('up ')}".strip() if each.first else end
        where = f"{bounds} requests a month" if bounds else "At any number of requests"
        yield f"<b>{escape(where[0].upper() + where[1:])}</b>: {escape(names.offer(each.quote))} costs least"
    yield from (escape(sentence(each, names=names)) for each in told(quotes) if (id(each.below), id(each.above)) not in changes)


def _all_lines(quotes: Sequence[Quote]) -> str:
    shown = [quote for quote in quotes if quote.lines]
    if not shown:
        return ""
    return "<h2>Every line</h2>\n" + "\n".join(_lines(quote, unfolded=place < MOST_UNFOLDED) for place, quote in enumerate(shown))


def _lines(quote: Quote, *, unfolded: bool) -> str:
    headers = ("Item", "Amount", "Price", "Cost", "When", "Price from")
    body = table(headers, [_line(line, billed=quote.billed) for line in quote.lines], numbers=(1, 2, 3), kind="lines")
    state = f" <span>{escape(availability_text(quote))}</span>"
    name = f"<h3>{escape(quote.provider)} {escape(with_tier(quote.base, quote.tier))}</h3>"
    return f'<details{" open" if unfolded else ""}><summary>{name}{state}</summary><div class="wide">{body}</div></details>'


def _line(line: QuoteLine, *, billed: bool) -> str:
    doubted = doubts_of(line)
    origin = escape(", ".join(word for word in (line.confidence, line.as_of) if word and word not in doubted))
    marks = f' <span class="mark">{escape(", ".join(doubted))}</span>' if doubted else ""
    source = f"<small>{escape(line.source)}</small>" if line.source else ""
    note = f"<small>{escape(line.note)}</small>" if line.note else ""
    return drawn_row(
        (f"{escape(line.item)}{note}", ""),
        (escape(amount_text(line)), "number"),
        (escape(price_text(line, billed=billed)), "number"),
        (escape(cost_text(line, billed=billed)), "number"),
        (escape(when_text(line)), ""),
        (f"{origin}{marks}{source}", ""),
    )


def _remarks(quotes: Sequence[Quote], *, names: Names) -> str:
    items = "".join(f"<li>{escape(text)}</li>" for text in remarks(quotes, names=names))
    return f"<h2>Notes</h2>\n<ul>{items}</ul>" if items else ""
