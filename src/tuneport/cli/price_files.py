"""What the commands about prices have in common: the user's own files, the day, and which providers there are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tuneport.cli.session import Session
from tuneport.errors import UsageError

if TYPE_CHECKING:
    from tuneport.prices import PriceBook

Prices = Annotated[
    list[Path] | None,
    typer.Option("--prices", metavar="FILE", help="Your own prices (TOML), over all others; may be repeated. See docs/prices.md"),
]


def own_files(session: Session, files: Sequence[Path] | None) -> tuple[Path, ...]:
    """The configured price files and over them those on the line; the last wins."""
    return (*session.client.settings.prices, *(files or ()))


def price_book(session: Session, files: Sequence[Path] | None) -> PriceBook:
    """The book under all own files. Raises ConfigError."""
    from tuneport.prices import PriceBook

    return PriceBook.load(own_files(session, files))


def today(session: Session) -> date:
    """By the client's clock."""
    return session.client.clock.now().date()


def refuse_unknown_provider(book: PriceBook, provider: str) -> None:
    """Raises UsageError for one of which neither the book nor the catalogue knows anything."""
    from tuneport.catalogue import catalogue
    from tuneport.nearest import did_you_mean

    known = dict.fromkeys((*book.providers(), *catalogue().providers()))
    if provider not in known:
        raise UsageError(f"neither a price nor a model of a provider {provider!r} is known; {did_you_mean(provider, known)}")
