"""What is doubtful in the rows of the price book by themselves, and which rows of a user's own file cannot be used."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from tuneport.errors import ConfigError
from tuneport.finding import Finding
from tuneport.prices.book import own_prices, read_row, tables
from tuneport.prices.other_tables import OtherTable
from tuneport.prices.price import Price
from tuneport.prices.terms import terms, title

TRY_ANEW = "Look at the provider's page today, and put what it says into a price file of your own."


@dataclass(frozen=True, slots=True)
class OwnFile:
    """A user's price file as far as it can be used."""

    path: Path
    rows: tuple[Price, ...] = ()
    findings: tuple[Finding, ...] = ()

    @classmethod
    def read(cls, path: Path) -> OwnFile:
        """The rows of the file, and a finding for each that cannot be used."""
        try:
            return cls(path, own_prices(path))
        except ConfigError as error:
            wrong = tuple(_unreadable(path)) or (error.message,)
            return cls(path, findings=tuple(Finding("price-readable", "error", message) for message in wrong))


def _unreadable(path: Path) -> Iterator[str]:
    """What is wrong with each row: `own_prices` stops at the first."""
    try:
        rows = tables(path.read_text(encoding="utf-8"), "prices", place=str(path))
    except (ConfigError, OSError, UnicodeDecodeError):
        return
    given: dict[str, Any] = {"as_of": date.min, "source": path.name, "confidence": "yours"}
    for number, row in enumerate(rows, start=1):
        try:
            read_row({**given, **row}, Price, place=f"{path}: row {number} of [[prices]]")
        except ConfigError as error:
            yield error.message


def doubtful(rows: Iterable[Price], *, on: date) -> Iterator[Finding]:
    """The prices that can be bought and are old, or that no vendor states."""
    for row in rows:
        if row.status == "retired":
            continue
        doubts = row.doubts(on=on)
        if "old" in doubts:
            days = (on - row.as_of).days
            yield Finding("price-old", "warning", f"{title(row)}: {money(row)} is of {row.as_of}, {days:,} days ago.", remedy=TRY_ANEW)
        if "third party" in doubts:
            yield Finding("price-third-party", "warning", f"{title(row)}: {money(row)} is a third party's: {row.source}.", remedy=TRY_ANEW)


def contradictions(rows: Sequence[Price], *, place: str = "") -> Iterator[Finding]:
    """Two prices of one thing. `place` is the user's file they stand in: there it is an error, unless a note says why both are kept."""
    by_key: dict[tuple[Any, ...], list[Price]] = {}
    for row in rows:
        if row.status != "retired":
            by_key.setdefault(_key(row), []).append(row)
    for group in by_key.values():
        if len({(row.price, row.currency) for row in group}) > 1:
            noted = any(row.note for row in group)
            prices = " and ".join(f"{money(row)} ({row.as_of})" for row in group)
            said = "" if noted else "; no note says why"
            yield Finding(
                "price-contradiction",
                "error" if place and not noted else "warning",
                f"{f'{place}: ' if place else ''}{title(group[0])} has two prices, {prices}{said}.",
                remedy="Keep one, or say in `note` why there are two.",
            )


def _key(row: Price) -> tuple[Any, ...]:
    return row.provider, row.model.casefold(), row.unit, terms(row)


def different(rows: Iterable[Price], tables: Sequence[OtherTable]) -> Iterator[Finding]:
    """The prices of which another table has another."""
    for row in rows:
        for table in tables if row.status != "retired" and row.currency == "USD" else ():
            theirs = table.price(row)
            if theirs is not None and theirs != row.price:
                message = f"{title(row)}: {money(row)} here ({row.as_of}), {theirs.normalize():f} USD in {table.name}."
                yield Finding("price-differs", "warning", message, remedy=TRY_ANEW)


def money(row: Price) -> str:
    """`5.00 USD`, as many places as the source gives."""
    return f"{row.price:f} {row.currency}"
