"""The price book: the rows that come with this version, and over them those of the user's own files."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tuneport.errors import ConfigError
from tuneport.prices.price import Price, Unit

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PriceBook:
    """All rows, those that win over others first."""

    rows: tuple[Price, ...]

    @classmethod
    def load(cls, own: Iterable[Path] = ()) -> PriceBook:
        """The rows that come with this version, under those of the files `own`, of which the last wins. Raises ConfigError."""
        mine: tuple[Price, ...] = ()
        for path in own:
            mine = (*own_prices(path), *mine)
        return cls((*mine, *shipped()))

    def of(self, provider: str) -> tuple[Price, ...]:
        """The rows of one provider."""
        return tuple(row for row in self.rows if row.provider == provider)

    def providers(self) -> tuple[str, ...]:
        """Every provider with a row."""
        return tuple(dict.fromkeys(row.provider for row in self.rows))

    def prices(
        self,
        provider: str,
        model: str,
        unit: Unit,
        *,
        parameters_b: Decimal | None = None,
        method: str = "",
        weights: str = "",
        tier: str = "",
        region: str = "",
        names: Sequence[str] = (),
    ) -> tuple[Price, ...]:
        """The rows that say what that unit costs, the one to go by first; the others contradict it.

        A row that names the model, method, weights or region wins over one that does not; `tier` must be the row's own, and a row without
        a region holds for all. The user's rows win over every other, the one read last over those before it, those without a tier hold for
        all tiers, and they may call the model by another of its `names`.
        """
        asked = {"method": method, "weights": weights, "region": region}
        fitting = [
            row
            for row in self.rows
            if row.provider == provider
            and row.unit == unit
            and (row.tier == tier or (row.confidence == "yours" and not row.tier))
            and all(getattr(row, key) in ("", value) for key, value in asked.items())
            and any(row.holds_for(each, parameters_b=parameters_b) for each in (model, *(names if row.confidence == "yours" else ())))
        ]
        best = min(map(_preference, fitting), default=None)
        found = tuple(row for row in fitting if _preference(row) == best)
        return found[:1] if found and found[0].confidence == "yours" else found

    def tiers(self, provider: str, model: str, unit: Unit, *, parameters_b: Decimal | None = None) -> tuple[str, ...]:
        """The tiers in which that unit has a price, in the order of the book."""
        found = (row for row in self.rows if row.provider == provider and row.unit == unit)
        return tuple(dict.fromkeys(row.tier for row in found if row.holds_for(model, parameters_b=parameters_b)))


def _preference(row: Price) -> tuple[int, int, int, int]:
    """Smaller is better: the user's own, then one for exactly this model, then the one that says most, then not retired."""
    named = sum(bool(word) for word in (row.method, row.weights, row.region))
    return row.confidence != "yours", row.by_size or row.is_pattern, -named, row.status == "retired"


@cache
def shipped() -> tuple[Price, ...]:
    """The rows that come with this version."""
    found: list[Price] = []
    for entry in sorted(files("tuneport.prices").iterdir(), key=lambda each: each.name):
        if entry.name.endswith(".toml") and entry.name != "gpus.toml":
            found += read_prices(entry.read_text(encoding="utf-8"), place=entry.name)
    return tuple(found)


def own_prices(path: Path) -> tuple[Price, ...]:
    """The rows of a user's file, all of them `yours`. What a row does not say of its source is: this file, on the day it was last changed.

    Raises ConfigError naming the file, the row and the key.
    """
    try:
        text = path.read_text(encoding="utf-8")
        changed = date.fromtimestamp(path.stat().st_mtime)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the prices cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    rows = read_prices(text, place=str(path), usual={"as_of": changed, "source": path.name, "confidence": "yours"})
    return tuple(msgspec.structs.replace(row, confidence="yours") for row in rows)


def read_prices(text: str, *, place: str, usual: Mapping[str, Any] | None = None) -> tuple[Price, ...]:
    """The rows `[[prices]]` of a TOML text; `usual` is what a row says that does not say otherwise. Raises ConfigError."""
    return tuple(
        read_row({**(usual or {}), **row}, Price, place=f"{place}: row {number} of [[prices]]")
        for number, row in enumerate(tables(text, "prices", place=place), start=1)
    )


def tables(text: str, key: str, *, place: str) -> Sequence[dict[str, Any]]:
    """The tables `[[key]]` of a TOML text that may hold nothing else. Raises ConfigError."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{place}: is not TOML: {error}.") from None
    rows = found.pop(key, [])
    if found or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"{place}: holds something else than tables [[{key}]].")
    return rows


def read_row(row: Mapping[str, Any], kind: type[T], *, place: str) -> T:
    """A row as a value of `kind`. Raises ConfigError naming the place and the key."""
    try:
        return msgspec.convert(row, kind)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{place}: {error}.") from None
