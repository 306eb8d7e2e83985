"""Which bases of a provider are quoted for a job: the one that is named, else the nearest, else the usual ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tuneport.catalogue import Base, catalogue, nearest
from tuneport.catalogue.nearest_bases import Nearest, usual
from tuneport.errors import UnknownModel
from tuneport.nearest import did_you_mean


@dataclass(frozen=True, slots=True)
class QuotedBase:
    """A base to quote; `instead` says for which other one it stands, and why."""

    base: Base
    instead: str = ""


@dataclass(frozen=True, slots=True)
class NoBase:
    """Why nothing can be quoted at a provider, and the base that was looked for."""

    name: str
    why: str


def bases(provider: str, base: str | Mapping[str, str] | None, *, method: str, weights: str) -> tuple[QuotedBase, ...] | NoBase:
    """What to quote at `provider` for the base of a recipe: a name, one name for each of some providers, or None.

    Of those that stand in for another, the ones that are trained so; where there is none, the nearest, which will say so.
    """
    if base is None:
        found = tuple(QuotedBase(each.base) for each in usual(provider, method=method, weights=weights))
        return found or NoBase("-", f"no base of {provider} is known to be trained by {method} ({weights})")
    standing = _bases(provider, base)
    if isinstance(standing, NoBase):
        return standing
    return tuple(each for each in standing if each.base.takes_method(method, weights=weights)) or standing[:1]


def _bases(provider: str, base: str | Mapping[str, str]) -> tuple[QuotedBase, ...] | NoBase:
    if isinstance(base, Mapping):
        if provider in base:
            return _named(provider, base[provider])
        known = (catalogue().find(name, provider=at) for at, name in base.items())
        wanted = next((each for each in known if each is not None), None)
        return _standing_in(provider, wanted, looked_for=next(iter(base.values())))
    found = catalogue().find(base, provider=provider)
    return (QuotedBase(found),) if found is not None else _standing_in(provider, catalogue().find(base), looked_for=base)


def _named(provider: str, name: str) -> tuple[QuotedBase, ...] | NoBase:
    try:
        return (QuotedBase(catalogue().demand(name, provider=provider)),)
    except UnknownModel as unknown:
        return NoBase(name, unknown.message)


def _standing_in(provider: str, wanted: Base | None, *, looked_for: str) -> tuple[QuotedBase, ...] | NoBase:
    if wanted is None:
        near = did_you_mean(looked_for, (each for base in catalogue().bases for each in (base.id, *base.names)), most=3)
        return NoBase(looked_for, f"the catalogue knows no base {looked_for!r}, so that none can be called near to it; {near}")
    found = nearest(wanted, provider)
    if not found:
        return NoBase("-", f"no base of {provider} is known to be near to {wanted.uri}")
    return tuple(QuotedBase(each.base, _instead(each, wanted)) for each in found)


def _instead(found: Nearest, wanted: Base) -> str:
    return f"stands for {wanted.uri} ({found.reason}; {found.source}, {found.as_of})"
