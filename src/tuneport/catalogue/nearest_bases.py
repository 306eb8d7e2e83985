"""Which base of one provider is nearest to one of another: the dated table nearest.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from tuneport.catalogue.catalogue import catalogue
from tuneport.catalogue.entry import Base
from tuneport.prices.book import read_row


class Group(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Bases that are near to each other, as `PROVIDER:ID`, and why. A group without a name holds the same weights under several names."""

    bases: tuple[str, ...]
    reason: str
    source: str
    as_of: date
    name: str = ""


@dataclass(frozen=True, slots=True)
class Nearest:
    """A base that stands in for another; `same` weights, or only of the same tier."""

    base: Base
    same: bool
    reason: str
    source: str
    as_of: date


@cache
def groups() -> tuple[Group, ...]:
    """Those of the same weights first, then the tiers."""
    text = files("tuneport.catalogue").joinpath("nearest.toml").read_text(encoding="utf-8")
    table: Mapping[str, Any] = tomllib.loads(text)
    rows = [*table["same"], *table["tiers"]]
    return tuple(read_row(row, Group, place=f"nearest.toml: row {number}") for number, row in enumerate(rows, start=1))


def tiers() -> tuple[Group, ...]:
    """The groups of bases of like size and price, smallest first."""
    return tuple(group for group in groups() if group.name)


def nearest(base: Base, provider: str) -> tuple[Nearest, ...]:
    """The bases of `provider` that stand in for `base`, nearest first: itself, the same weights, or, where there are none, its tier's."""
    if base.provider == provider:
        return (Nearest(base, True, "as named", base.source, base.as_of),)
    found: dict[str, Nearest] = {}
    for group in groups():
        if base.uri not in group.bases or (group.name and any(each.same for each in found.values())):
            continue
        for uri in group.bases:
            if uri.partition(":")[0] == provider:
                found.setdefault(uri, Nearest(_of(uri), not group.name, _reason(group), group.source, group.as_of))
    return tuple(found.values())


def usual(provider: str, *, method: str, weights: str) -> tuple[Nearest, ...]:
    """The bases that a provider is compared by where none is named: of each tier the first that is trained so, smallest first."""
    found: dict[str, Nearest] = {}
    for group in tiers():
        here = (_of(uri) for uri in group.bases if uri.partition(":")[0] == provider)
        base = next((each for each in here if each.takes_method(method, weights=weights)), None)
        if base is not None:
            found.setdefault(base.uri, Nearest(base, False, _reason(group), group.source, group.as_of))
    return tuple(found.values())


def _of(uri: str) -> Base:
    provider, _, name = uri.partition(":")
    return catalogue().demand(name, provider=provider)


def _reason(group: Group) -> str:
    return f"{group.name}: {group.reason}" if group.name else group.reason
