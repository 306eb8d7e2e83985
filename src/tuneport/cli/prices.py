"""`tuneport prices`: the price book, row by row and model by model, and what is doubtful in it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuneport.cli.data_files import STANDARD, Overwrite, refuse_targets
from tuneport.cli.price_check import check
from tuneport.cli.price_files import Prices, price_book, refuse_unknown_provider, today
from tuneport.cli.price_sheet import print_prices, show
from tuneport.cli.session import Session, session_of
from tuneport.errors import UsageError
from tuneport.plurals import counted

if TYPE_CHECKING:
    from tuneport.prices import Price, PriceBook

app = typer.Typer(
    rich_markup_mode=None,
    no_args_is_help=True,
    add_completion=False,
    help="The price book: what training and answers cost, since when, says who.",
)


class Status(StrEnum):
    """Whether it can be bought: by anybody, still by some, no longer."""

    ACTIVE = "active"
    CLOSING = "closing"
    RETIRED = "retired"


Csv = Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the rows as CSV, every column; - is standard output.")]


@app.command("list")
def list_prices(
    context: typer.Context,
    *,
    provider: Annotated[str | None, typer.Option("--provider", metavar="NAME", help="Only of this provider; gpu is rented GPUs.")] = None,
    model: Annotated[
        str | None, typer.Option("--model", metavar="MODEL", help="Only what holds for this model: a name, or a pattern as in a shell.")
    ] = None,
    unit: Annotated[str | None, typer.Option("--unit", metavar="UNIT", help="Only this unit, or units with this word: training.")] = None,
    status: Annotated[Status | None, typer.Option("--status", help="Only what can be bought, is about to end, or has ended.")] = None,
    prices: Prices = None,
    csv: Csv = None,
    overwrite: Overwrite = False,
) -> None:
    """The rows of the price book, your own first. Old and uncertain ones are marked."""
    from tuneport.cli.price_views import price_document

    session = session_of(context)
    on = today(session)
    refuse_targets([csv] if csv else [], sources=prices or (), overwrite=overwrite)
    if csv == STANDARD and session.json:
        raise UsageError("--json and --csv - both want standard output.", remedy="Name a file: --csv FILE")
    book = price_book(session, prices)
    found = _chosen(book, provider=provider, model=model, unit=unit, status=status)
    if csv is not None:
        _write_csv(session, csv, found, on=on)
    if session.json:
        session.out.document({"on": on.isoformat(), "prices": [price_document(row, on=on) for row in found]})
    elif csv != STANDARD and found:
        print_prices(session, found, on=on)
    elif csv != STANDARD:
        session.out.say("The book has no such price.")


def _chosen(book: PriceBook, *, provider: str | None, model: str | None, unit: str | None, status: Status | None) -> list[Price]:
    if provider is not None:
        refuse_unknown_provider(book, provider)
    units = None if unit is None else _units(unit)
    return [
        row
        for row in book.rows
        if provider in (None, row.provider)
        and (units is None or row.unit in units)
        and status in (None, row.status)
        and (model is None or _is_of(row, model))
    ]


def _units(word: str) -> Sequence[str]:
    """The unit of that name, or all that have the word in it."""
    from tuneport.nearest import did_you_mean
    from tuneport.prices import UNITS

    found = [each for each in UNITS if each == word] or [each for each in UNITS if word.casefold() in each.casefold()]
    if not found:
        raise UsageError(f"there is no unit {word!r}; {did_you_mean(word, UNITS)}")
    return found


def _is_of(row: Price, model: str) -> bool:
    """Whether the row's own model fits the word, or the row holds for what goes by that name at its provider."""
    from fnmatch import fnmatchcase

    from tuneport.catalogue import catalogue
    from tuneport.prices.gpus import find_gpu

    if fnmatchcase(row.model.casefold(), model.casefold()):
        return True
    base, gpu = catalogue().find(model, provider=row.provider), find_gpu(model)
    of_base = base is not None and row.unit != "GPU hour" and row.holds_for(base.id, parameters_b=base.parameters_b)
    return of_base or (gpu is not None and row.unit == "GPU hour" and row.holds_for(gpu.name))


def _write_csv(session: Session, target: Path, rows: Sequence[Price], *, on: date) -> None:
    from tuneport.cli.price_views import prices_csv
    from tuneport.files import write_bytes

    text = prices_csv(rows, on=on)
    if target == STANDARD:
        session.out.raw(text.removesuffix("\n"))
    else:
        write_bytes(target, text.encode("utf-8"))
        if not session.json:
            session.out.say(f"Wrote {counted(len(rows), 'price')} to {target}.")


app.command()(show)
app.command()(check)
