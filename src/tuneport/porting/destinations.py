"""The dated, sourced table destinations.toml: what each provider can be told about training."""

from __future__ import annotations

import tomllib
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from tuneport.prices.book import read_row

Rate = Literal["multiplier", "absolute"]


class Destination(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What one provider can be told; the keys are explained in destinations.toml."""

    provider: str
    takes: tuple[str, ...]
    rates: tuple[Rate, ...]
    adapter: Literal["none", "rank"] | tuple[int, ...]
    seed: bool
    formats: dict[str, str]
    as_of: date
    source: str
    usual_rate: Decimal | None = None
    epochs_most: int | None = None
    batch_most: int | None = None


@cache
def destinations() -> dict[str, Destination]:
    """All of them, by provider."""
    rows = tomllib.loads(files("tuneport.porting").joinpath("destinations.toml").read_text(encoding="utf-8"))["destinations"]
    read = [read_row(row, Destination, place=f"destinations.toml: row {number}") for number, row in enumerate(rows, start=1)]
    return {each.provider: each for each in read}
