"""`tuneport quote`: what a recipe would cost at every provider, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tuneport.cli import recipe_input as given
from tuneport.cli.output import Output, decimal_text
from tuneport.cli.session import session_of
from tuneport.cli.views import duration

if TYPE_CHECKING:
    from tuneport.quote import Quote, QuoteLine

app = typer.Typer(rich_markup_mode=None, add_completion=False)


@app.command()
def quote(
    context: typer.Context,
    source: given.RecipeOrData = None,
    *,
    provider: Annotated[list[str] | None, typer.Option("--provider", metavar="NAME", help="Only this provider; may be repeated.")] = None,
    train: given.Train = None,
    validation: given.Validation = None,
    format: given.FromFormat = None,
    columns: given.Columns = None,
    base: given.Base = None,
    method: given.Method = None,
    epochs: given.Epochs = None,
    learning_rate: given.LearningRate = None,
    batch_size: given.BatchSize = None,
    rank: given.Rank = None,
) -> None:
    """What a recipe would cost at every provider. Sends nothing; each price says where it is from and how old it is.

    Exit code 1 when no provider can say.
    """
    recipe = given.read_recipe(source, given.flags_in(context))
    session = session_of(context)
    quotes = session.client.quote(recipe, providers=provider or None)
    if session.json:
        session.out.document({"quotes": [quote_document(one) for one in quotes]})
    elif quotes:
        print_quotes(quotes, out=session.out)
    else:
        session.out.say("No provider is installed. See: tuneport providers")
    raise typer.Exit(0 if any(one.lines for one in quotes) else 1)


def quote_document(quote: Quote) -> dict[str, Any]:
    """A quote for scripts; money as decimal strings, unknown money as null."""
    return {
        "provider": quote.provider,
        "base": quote.base,
        "lines": [_line_document(line) for line in quote.lines],
        "total_usd": _money(quote.total_usd),
        "availability": quote.availability,
        "billed": quote.billed,
        "notes": list(quote.notes),
    }


def _line_document(line: QuoteLine) -> dict[str, Any]:
    return {
        "item": line.item,
        "amount": f"{line.amount:f}",
        "unit": line.unit,
        "price_usd": _money(line.price_usd),
        "cost_usd": _money(line.cost_usd),
        "as_of": line.as_of,
        "source": line.source,
        "confidence": line.confidence,
        "note": line.note,
    }


def _money(value: Decimal | None) -> str | None:
    return None if value is None else decimal_text(value)


def print_quotes(quotes: Sequence[Quote], *, out: Output) -> None:
    """The totals side by side, then every line with its price and where that is from."""
    headers = ("Provider", "Base", "Total USD", "Availability")
    out.table(headers, [(one.provider, one.base, total_text(one), one.availability) for one in quotes], right=(2,), last_is_long=True)
    lines = [(one, line) for one in quotes for line in one.lines]
    if lines:
        out.say()
        rows = [_row(one, line) for one, line in lines]
        out.table(("Provider", "Item", "Amount", "Price USD", "Cost USD", "Price from"), rows, right=(2, 3, 4), last_is_long=True)
    for note in dict.fromkeys([*(f"{one.provider}: {line.note}" for one, line in lines if line.note), *_notes(quotes)]):
        out.say(note, style="dim")


def _notes(quotes: Sequence[Quote]) -> list[str]:
    return [f"{one.provider}: {note}" for one in quotes for note in one.notes]


def total_text(quote: Quote) -> str:
    """The sum, or why there is none."""
    if not quote.lines:
        return "-"
    if quote.total_usd is not None:
        return f"{quote.total_usd:.2f}"
    return "not known" if quote.billed else "not billed"


def _row(quote: Quote, line: QuoteLine) -> tuple[str, ...]:
    unknown = "?" if quote.billed else "-"
    price = unknown if line.price_usd is None else decimal_text(line.price_usd)
    cost = unknown if line.cost_usd is None else f"{line.cost_usd:.2f}"
    origin = ", ".join(word for word in (line.confidence, line.source, line.as_of) if word)
    return quote.provider, line.item, _amount(line), price, cost, origin


def _amount(line: QuoteLine) -> str:
    if line.unit == "hour":
        return f"{duration(float(line.amount) * 3600)} h" if line.amount >= 1 else f"{duration(float(line.amount) * 3600)} min"
    return f"{line.amount:,.12g} {line.unit}" + ("" if line.amount == 1 else "s")
