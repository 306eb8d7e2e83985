"""The dated, sourced table destinations.toml: what each provider can be told about training."""

from __future__ import annotations

import tomllib
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from tuneport.prices.book import read_row

Rate = Literal["multiplier", "absolute"]


class Destination(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one provider can be told, perhaps of some bases only; the keys are explained in destinations.toml."""

    provider: str
    bases: str = ""
    takes: tuple[str, ...]
    rates: tuple[Rate, ...]
    adapter: Literal["none", "rank"] | tuple[int, ...]
    seed: bool
    formats: dict[str, str]
    as_of: date
    source: str
    usual_rate: Decimal | None = None
    usual_rates: dict[str, Decimal] = {}
    epochs_most: int | None = None
    batch_most: int | None = None

    def rate_of(self, method: str) -> Decimal | None:
        """The learning rate that its multiplier 1 means for the method, where that is known."""
        return self.usual_rates.get(method, self.usual_rate)


@cache
def _rows() -> tuple[Destination, ...]:
    rows = tomllib.loads(files("tuneport.porting").joinpath("destinations.toml").read_text(encoding="utf-8"))["destinations"]
    return tuple(read_row(row, Destination, place=f"destinations.toml: row {number}") for number, row in enumerate(rows, start=1))


@cache
def destinations() -> dict[str, Destination]:
    """What holds of each provider's bases in general, by provider."""
    return {each.provider: each for each in _rows() if not each.bases}


def destination_of(provider: str, base: str | None = None) -> Destination | None:
    """What holds of that base, where there is something of its own to say, else of the provider's in general; None where nobody knows."""
    own = (each for each in _rows() if each.provider == provider and each.bases and base and fnmatchcase(base, each.bases))
    return next(own, destinations().get(provider))
