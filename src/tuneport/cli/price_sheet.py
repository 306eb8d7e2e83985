"""`tuneport prices show`: everything that is known of one model, or of all of one provider."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from tuneport.cli.price_files import Prices, price_book, refuse_unknown_provider, today
from tuneport.cli.session import Session, session_of
from tuneport.errors import UsageError

if TYPE_CHECKING:
    from tuneport.catalogue import Base, Nearest
    from tuneport.limits import Target
    from tuneport.prices import Price, PriceBook
    from tuneport.prices.gpus import Gpu

Thing = Annotated[str, typer.Argument(metavar="PROVIDER[:MODEL]", help="openai:gpt-4.1-mini, fireworks, gpu:H100 …")]


def show(context: typer.Context, thing: Thing, *, prices: Prices = None) -> None:
    """Everything known of a model: prices, limits, dates, and the nearest elsewhere; each with source and day."""
    session = session_of(context)
    book = price_book(session, prices)
    provider, _, name = thing.partition(":")
    refuse_unknown_provider(book, provider)
    if name:
        print_sheet(session, sheet(book, provider, name), on=today(session))
    else:
        print_provider(session, book, provider, on=today(session))


@dataclass(frozen=True, slots=True)
class Sheet:
    """What is known of one model, or one GPU. `nearest` are those of all other providers."""

    provider: str
    model: str
    base: Base | None
    gpu: Gpu | None
    rows: tuple[Price, ...]
    limits: tuple[Target, ...]
    nearest: tuple[Nearest, ...]


def sheet(book: PriceBook, provider: str, name: str) -> Sheet:
    """What is known of what goes by that name. Raises UsageError where nothing is."""
    from tuneport.catalogue import catalogue
    from tuneport.prices.gpus import find_gpu

    base = catalogue().find(name, provider=provider)
    if base is not None:
        return Sheet(provider, base.id, base, None, prices_of(book, base), limits_of(base), elsewhere(base))
    gpu = find_gpu(name)
    model = name if gpu is None else gpu.name
    rows = tuple(row for row in book.of(provider) if row.model.casefold() == model.casefold())
    if not rows:
        _refuse_unknown_model(book, provider, name)
    return Sheet(provider, model, None, gpu, rows, (), ())


def prices_of(book: PriceBook, base: Base) -> tuple[Price, ...]:
    """Every row that holds for it, and the hours of the GPUs that serve it where it is paid by those."""
    hours = base.serving == "gpu hour"
    return tuple(
        row
        for row in book.of(base.provider)
        if row.holds_for(base.id, parameters_b=base.parameters_b)
        or (hours and row.unit == "GPU hour" and base.serving_gpu in ("", row.model))
    )


def limits_of(base: Base) -> tuple[Target, ...]:
    """What its provider takes of training data, for each of its methods; nothing where no limits of the provider are known."""
    from tuneport.limits import providers, target

    return tuple(target(base.uri, method=method) for method in base.methods) if base.provider in providers() else ()


def elsewhere(base: Base) -> tuple[Nearest, ...]:
    """The nearest bases of every other provider."""
    from tuneport.catalogue import catalogue, nearest

    others = (name for name in catalogue().providers() if name != base.provider)
    return tuple(each for name in others for each in nearest(base, name))


def _refuse_unknown_model(book: PriceBook, provider: str, name: str) -> None:
    from tuneport.catalogue import catalogue
    from tuneport.nearest import did_you_mean

    known = dict.fromkeys(word for base in catalogue().of(provider) for word in (base.id, *base.names))
    known |= dict.fromkeys(row.model for row in book.of(provider))
    raise UsageError(f"nothing is known of a model {name!r} of {provider}; {did_you_mean(name, known)}")


def print_provider(session: Session, book: PriceBook, provider: str, *, on: date) -> None:
    """All bases and all prices of one provider."""
    from tuneport.catalogue import catalogue
    from tuneport.cli import price_views as views

    rows, bases = book.of(provider), catalogue().of(provider)
    if session.json:
        documents = {
            "prices": [views.price_document(row, on=on) for row in rows],
            "bases": [views.base_document(base, on=on) for base in bases],
        }
        session.out.document({"provider": provider, "on": on.isoformat(), **documents})
        return
    if bases:
        session.out.table(views.BASE_HEADERS, [views.base_row(base, on=on, today=on) for base in bases], right=(3,))
        session.out.say()
    if rows:
        print_prices(session, rows, on=on)
    else:
        session.out.say(f"No price of {provider} is known.")


def print_prices(session: Session, rows: Sequence[Price], *, on: date) -> None:
    """Prices of many models; on a terminal, which is too narrow for it, without who says so."""
    from tuneport.cli.price_views import PRICE_HEADERS, SOURCED_HEADERS, price_row

    headers = PRICE_HEADERS if session.out.terminal else SOURCED_HEADERS
    session.out.table(headers, [price_row(row, on=on)[: len(headers)] for row in rows], right=(3,))
    if session.out.terminal:
        session.out.say("Says who: tuneport prices show PROVIDER:MODEL", style="dim")


def print_sheet(session: Session, found: Sheet, *, on: date) -> None:
    """The sheet for people, or for scripts."""
    from tuneport.cli import price_views as views

    if session.json:
        session.out.document(
            {
                "provider": found.provider,
                "model": found.model,
                "on": on.isoformat(),
                "base": views.base_document(found.base, on=on) if found.base else None,
                "gpu": views.gpu_document(found.gpu) if found.gpu else None,
                "prices": [views.price_document(row, on=on) for row in found.rows],
                "limits": [views.limits_document(each) for each in found.limits],
                "nearest": [views.nearest_document(each, on=on) for each in found.nearest],
            }
        )
        return
    if found.base is not None or found.gpu is not None:
        session.out.fields(views.base_fields(found.base, on=on) if found.base else views.gpu_fields(found.gpu) if found.gpu else ())
        session.out.say()
    _print_prices(session, found, on=on)
    _print_limits(session, found.limits)
    if found.nearest:
        session.out.say("\nNearest elsewhere:")
        print_nearest(session, found.nearest, on=on)


def print_nearest(session: Session, found: Sequence[Nearest], *, on: date) -> None:
    """The bases, and where it is said that they are near."""
    from tuneport.cli.price_views import NEAREST_HEADERS, nearest_rows

    session.out.table(NEAREST_HEADERS, nearest_rows(found, on=on))
    _print_sources(session, [each.source for each in found])


def _print_sources(session: Session, sources: Sequence[str]) -> None:
    from tuneport.cli.price_views import numbered

    for source, number in numbered(sources).items():
        session.out.say(f"{number} {source}", style="dim")


def _print_prices(session: Session, found: Sheet, *, on: date) -> None:
    from tuneport.cli.price_views import ONE_MODEL_HEADERS, one_models_rows

    if not found.rows:
        session.out.say("No price of it is known.")
        return
    session.out.table(ONE_MODEL_HEADERS, one_models_rows(found.rows, model=found.model, on=on), right=(1,))
    _print_sources(session, [row.source for row in found.rows])
    for note in dict.fromkeys(f"{row.unit}: {row.note}" for row in found.rows if row.note):
        session.out.say(note, style="dim")


def _print_limits(session: Session, limits: Sequence[Target]) -> None:
    from tuneport.cli.price_views import known_limits, limits_text

    if limits:
        session.out.say("\nLimits of training data:")
    for each in limits:
        session.out.say(f"  {each.method}: {limits_text(known_limits(each)) or 'none known'}")
    for source in dict.fromkeys(source for each in limits for source in each.sources):
        session.out.say(f"  {source}", style="dim")
