"""All bases that are known, by provider and name."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from tuneport.catalogue.entry import Base
from tuneport.errors import UnknownModel
from tuneport.last_days import base_name
from tuneport.nearest import did_you_mean
from tuneport.prices.book import read_row, tables

__all__ = ["Catalogue", "base_name", "catalogue"]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The bases in the order of their files."""

    bases: tuple[Base, ...]

    def of(self, provider: str) -> tuple[Base, ...]:
        """The bases of one provider."""
        return tuple(base for base in self.bases if base.provider == provider)

    def providers(self) -> tuple[str, ...]:
        """Every provider with a base."""
        return tuple(dict.fromkeys(base.provider for base in self.bases))

    def find(self, name: str, *, provider: str | None = None) -> Base | None:
        """The base of that id or name, at that provider or, without one, at the first that has it. `PROVIDER:NAME` names both.

        The id of a tuned model (`ft:gpt-4.1-mini-2025-04-14:acme::x`, `gpt-4.1-2025-04-14.ft-0f3c`) means its base.
        """
        first, _, rest = name.partition(":")
        if provider is None and rest and first in self.providers():
            return self.find(rest, provider=first)
        wanted = base_name(name)
        return next((base for base in self.bases if provider in (None, base.provider) and base.goes_by(wanted)), None)

    def demand(self, name: str, *, provider: str | None = None) -> Base:
        """Likewise. Raises UnknownModel."""
        found = self.find(name, provider=provider)
        if found is None:
            among = self.bases if provider is None else self.of(provider)
            known = [each for base in among for each in (base.id, *base.names)]
            where = f" of {provider}" if provider else ""
            raise UnknownModel(f"no base{where} is called {name!r} in the catalogue; {did_you_mean(name, known, most=6)}")
        return found


_MAKERS_FIRST = ("openai.toml", "vertex.toml")
"""Files that come before the others: a model that several offer is known by who made it."""


@cache
def catalogue() -> Catalogue:
    """The catalogue that comes with this version."""
    found: list[Base] = []
    for entry in sorted(files("tuneport.catalogue").iterdir(), key=lambda each: (each.name not in _MAKERS_FIRST, each.name)):
        if entry.name.endswith(".toml") and entry.name != "nearest.toml":
            rows = tables(entry.read_text(encoding="utf-8"), "models", place=entry.name)
            found += [read_row(row, Base, place=f"{entry.name}: row {number}") for number, row in enumerate(rows, start=1)]
    return Catalogue(tuple(found))
