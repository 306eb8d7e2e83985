"""The dated, sourced table rules.toml: what each provider bills of a training job."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec

from tuneport.prices.book import read_row
from tuneport.prices.price import Confidence

Preference = Literal["", "prompt once", "prompt twice", "unknown"]
Validation = Literal["free", "as training", "as input", "unknown"]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How one provider bills some methods; the words are told in rules.toml."""

    provider: str
    methods: tuple[str, ...]
    per: Literal["1M training tokens", "training hour"]
    validation: Validation
    failed: str
    as_of: date
    confidence: Confidence
    source: str
    preference: Preference = ""
    tiers: tuple[str, ...] = ("",)
    serving_tiers: tuple[str, ...] = ("",)
    usual_epochs: int | None = None
    packs: bool = False
    reference_pass: bool = False
    note: str = ""


class Machines(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Machines that a provider rents whole: how many of which GPU each of them has."""

    provider: str
    gpu: str
    counts: dict[str, int]
    as_of: date
    source: str


@cache
def _table() -> Mapping[str, Any]:
    return tomllib.loads(files("tuneport.quoting").joinpath("rules.toml").read_text(encoding="utf-8"))


@cache
def rules() -> tuple[Rule, ...]:
    """All of them."""
    return tuple(read_row(row, Rule, place=f"rules.toml: row {number}") for number, row in enumerate(_table()["rules"], start=1))


@cache
def machines() -> tuple[Machines, ...]:
    """All of them."""
    return tuple(read_row(row, Machines, place="rules.toml: machines") for row in _table()["machines"])


def rule_of(provider: str, method: str) -> Rule | None:
    """How that provider bills that method; None where it is not known."""
    return next((rule for rule in rules() if rule.provider == provider and method in rule.methods), None)


def quoted_providers() -> tuple[str, ...]:
    """The providers whose billing is known."""
    return tuple(dict.fromkeys(rule.provider for rule in rules()))
