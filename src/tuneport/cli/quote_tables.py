"""Quotes for people: the offers side by side, cheapest first, then their lines, where one gets cheaper than another, and notes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuneport.cli.output import Output, printable, ruled_table
from tuneport.columns import aligned
from tuneport.quoting.cheapest import FLAT, any_flat, sentence, told
from tuneport.quoting.columns import Column, columns_of
from tuneport.quoting.offers import Names, availability_text, doubts, in_order, is_open, part_text, remarks, with_tier
from tuneport.quoting.wording import amount_text, cost_text, doubts_of, price_text, usage_text

if TYPE_CHECKING:
    from rich.text import Text

    from tuneport.quote import Quote, QuoteLine

FEW = 4
"""So many offers show their lines without being asked."""
_MARK = "*"
_A_MONTH = "/month"
_GAP = 2
_BASE_LEAST, _OFFER_LEAST = 18, 12
"""Letters that a base gets at least, before the provider moves into its column, and then both together."""
_PIECES = re.compile(r"[^-/_:@ ]*[-/_:@ ]?")


def print_quotes(quotes: Sequence[Quote], *, out: Output, every_line: bool = False) -> None:
    """Everything that is known of the quotes. Lines only of few offers, or when `every_line` is asked for."""
    ordered = in_order(quotes)
    names = Names.of(ordered)
    _print_offers(ordered, out=out, names=names)
    detailed = [quote for quote in ordered if quote.lines]
    if detailed and (every_line or len(detailed) <= FEW):
        _print_lines(detailed, out=out)
    elif detailed:
        out.say("\nEvery line, with where its price is from: --lines")
    _print_break_even(ordered, out=out, names=names)
    _print_remarks(ordered, out=out, names=names)


def cost_sentence(quotes: Sequence[Quote]) -> str:
    """What a job costs: `0.18 USD`; `0.014 USD (developer), 0.020 USD (global)`."""
    return ", ".join(_cost(quote) + (f" ({quote.tier})" if quote.tier else "") for quote in quotes)


def _cost(quote: Quote) -> str:
    text = part_text(quote, quote.once)
    return f"{text} USD" if quote.currency == "USD" and text[:1].isdigit() else text


def _print_offers(quotes: Sequence[Quote], *, out: Output, names: Names) -> None:
    usage = next((quote.usage for quote in quotes if quote.usage), None)
    if usage is not None:
        out.say(f"For {usage_text(usage)}:\n")
    columns = columns_of(quotes)
    rows = [_Row(quote, tuple(_money(quote, column) for column in columns)) for quote in quotes]
    if out.terminal:
        _Sheet(rows, [_stacked(column.header) for column in columns], names, out.width).print(out)
    else:
        headers = [header.upper() for header in ("Provider", "Base", *(column.header for column in columns), "Availability")]
        cells = [(row.quote.provider, with_tier(row.quote.base, row.quote.tier), *row.money, availability_text(row.quote)) for row in rows]
        out.table(headers, cells, right=range(2, 2 + len(columns)))
    if found := doubts(line for quote in quotes for line in (*quote.lines, *quote.per_request)):
        out.say(f"{_MARK} rests on a price with a doubt: {', '.join(found)}", style="dim")


def _money(quote: Quote, column: Column) -> str:
    return printable((_MARK if column.doubted(quote) else "") + column.text(quote))


@dataclass(frozen=True, slots=True)
class _Row:
    """An offer with the cells of its money."""

    quote: Quote
    money: tuple[str, ...]

    @property
    def style(self) -> str:
        """Struck out where it is closed."""
        if self.quote.availability == "closed":
            return "strike dim"
        return "" if is_open(self.quote) else "dim"

    @property
    def availability(self) -> Text:
        """Never struck out."""
        from rich.text import Text

        soon = self.quote.availability == "closing"
        return Text(printable(availability_text(self.quote)), style="yellow" if soon else self.style.removeprefix("strike "))


@dataclass(frozen=True, slots=True)
class _Sheet:
    """The offers on a terminal: names are broken where they can be, and share a column where it is narrow."""

    rows: Sequence[_Row]
    headers: Sequence[str]
    names: Names
    width: int

    def print(self, out: Output) -> None:
        from rich.text import Text

        room, wide = self._room()
        providers = _widest(row.quote.provider for row in self.rows)
        apart = room - providers - _GAP >= _BASE_LEAST
        table = ruled_table()
        table.padding = (0, _GAP - 1, 0, 0)
        for header in ("Provider", "Base") if apart else ("Offer",):
            table.add_column(header, no_wrap=True)
        for header in self.headers:
            table.add_column(header, justify="right", no_wrap=True)
        table.add_column("Availability" if wide else "Avail-\nability", overflow="fold")
        for row in self.rows:
            provider, base = printable(row.quote.provider), printable(self.names.with_tier(row.quote))
            named = (provider, broken(base, room - providers - _GAP)) if apart else (broken(f"{provider} {base}", room),)
            table.add_row(*(Text.assemble((cell, row.style)) for cell in (*named, *row.money)), row.availability)
        out.console().print(table)

    def _room(self) -> tuple[int, bool]:
        """What the money and the availability leave for provider and base, and whether the availability stands on one line."""
        money = [_widest((*header.split("\n"), *(row.money[place] for row in self.rows))) for place, header in enumerate(self.headers)]
        rest = self.width - sum(money) - _GAP * (len(self.headers) + 1)
        states = [availability_text(row.quote) for row in self.rows]
        providers = _widest(row.quote.provider for row in self.rows)
        names = providers + _GAP + _widest(self.names.with_tier(row.quote) for row in self.rows)
        wide = rest - _widest(("Availability", *states)) >= names
        taken = _widest(("Availability", *states) if wide else ("Avail-", *" ".join(states).split()))
        return min(names, max(_OFFER_LEAST, rest - taken)), wide


def _widest(texts: Iterable[str]) -> int:
    return max(map(len, texts), default=0)


def _stacked(header: str) -> str:
    """A header of two words on two lines."""
    return header.replace(" ", "\n", 1)


def broken(text: str, width: int) -> str:
    """The text in lines of at most `width`, broken behind hyphens, slashes and spaces; in the middle of words where nothing else helps."""
    lines = [""]
    for piece in _PIECES.findall(text):
        for start in range(0, len(piece), width):
            part = piece[start : start + width]
            if len((lines[-1] + part).rstrip()) > width:
                lines.append("")
            lines[-1] += part
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _print_lines(quotes: Sequence[Quote], *, out: Output) -> None:
    """All lines under one another, whosever they are; where their prices are from stands once, below."""
    sources: dict[str, int] = {}
    monthly = any(line.when == "monthly" for quote in quotes for line in quote.lines)
    cells: list[tuple[str, ...]] = [("Item", "Amount", "Price", _by_month("Cost", "", apart=monthly), "From")]
    cells += [_line_cells(line, sources, billed=quote.billed, monthly=monthly) for quote in quotes for line in quote.lines]
    drawn = aligned(cells, right=(1, 2, 3))
    indent = "" if out.terminal and _widest(drawn) + _GAP > out.width else " " * _GAP
    shown = iter([indent + line for line in drawn])
    out.say(f"\n{next(shown)}", style="dim")
    for quote in quotes:
        out.say(f"{quote.provider} {with_tier(quote.base, quote.tier)}", style="strong")
        for _ in quote.lines:
            out.raw(next(shown))
        for item, note in dict.fromkeys((line.item, line.note) for line in quote.lines if line.note):
            out.say(f"    {item}: {note}", style="dim")
    if sources:
        out.say("\nPrices from")
        for origin, number in sources.items():
            out.say(f"  [{number}] {origin}", style="dim")


def _line_cells(line: QuoteLine, sources: dict[str, int], *, billed: bool, monthly: bool) -> tuple[str, ...]:
    """`sources` gets the line's own, if it is a new one. `monthly`: some lines are paid every month."""
    origin = _origin(line)
    mark = _MARK if doubts_of(line) else ""
    where = f"[{sources.setdefault(origin, len(sources) + 1)}]{mark}" if origin else "-"
    cost = _by_month(cost_text(line, billed=billed), line.when, apart=monthly)
    return printable(line.item), printable(amount_text(line)), printable(price_text(line, billed=billed)), cost, where


def _by_month(cost: str, when: str, *, apart: bool) -> str:
    """`apart`: what is paid every month says so, and the rest leaves room for it, so that digits stand under one another."""
    said = _A_MONTH if when == "monthly" and cost[:1].isdigit() else " " * len(_A_MONTH)
    return cost + said if apart else cost


def _origin(line: QuoteLine) -> str:
    """`vendor page, 2025-07-01, old: openai.com/api/pricing`; '' where no price is known."""
    if line.price is None and not line.source:
        return ""
    doubted = doubts_of(line)
    words = [word for word in (line.confidence, line.as_of) if word and word not in doubted]
    about = ", ".join((*words, *doubted))
    return f"{about}: {line.source}" if line.source else about


def _print_break_even(quotes: Sequence[Quote], *, out: Output, names: Names) -> None:
    found = told(quotes)
    if not found:
        return
    out.say()
    for each in found:
        out.say(sentence(each, names=names))
    if any_flat(quotes):
        out.say(f"{FLAT}.", style="dim")
    if sum(map(is_open, quotes)) > FEW:
        out.say("Every pair: --json", style="dim")


def _print_remarks(quotes: Sequence[Quote], *, out: Output, names: Names) -> None:
    if found := remarks(quotes, names=names):
        out.say()
    for text in found:
        out.say(text, style="dim")
