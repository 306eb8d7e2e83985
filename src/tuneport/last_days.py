"""The last days of bases, read without anything that costs start-up time: for the line under `jobs list`.

`tuneport.catalogue` has every fact and checks every row. Its files come with this version, so here they are only read.
"""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).with_name("catalogue")


@dataclass(frozen=True, slots=True)
class LastDays:
    """The last day for new jobs and for answers, as in `tuneport.catalogue.Base`; those of `earliest` may come later."""

    training_ends: date | None
    serving_ends: date | None
    earliest: tuple[str, ...]


@cache
def last_days(provider: str) -> Mapping[str, LastDays]:
    """Of each base of a provider of the catalogue, by its names in small letters. Empty where no end is known, or no such provider."""
    path = {each.stem: each for each in _FOLDER.glob("*.toml")}.get(provider)
    text = "" if path is None else path.read_text(encoding="utf-8")
    if "serving_ends" not in text:  # most files have none, and need not be parsed
        return {}
    rows = tomllib.loads(text)["models"]
    return {name.casefold(): _days(row) for row in reversed(rows) for name in (*row.get("names", ()), row["id"])}


def _days(row: Mapping[str, Any]) -> LastDays:
    return LastDays(row.get("training_ends"), row.get("serving_ends"), tuple(row.get("earliest", ())))


def vendor_of(name: str, *, profiles: Mapping[str, Mapping[str, Any]], known: Collection[str]) -> str | None:
    """Which of the `known` vendors' facts hold for a provider or profile: those of its own name, else those of its plug-in's.

    None for another address, which is another vendor, though it may speak the same dialect.
    """
    profile = profiles.get(name, {})
    plugin, elsewhere = str(profile.get("provider", name)), "base_url" in profile
    if name in known and not (elsewhere and name == plugin):
        return name
    return plugin if plugin in known and not elsewhere else None


def catalogue_files() -> frozenset[str]:
    """The names of the catalogue's files: its providers, and the table of what is nearest."""
    return frozenset(each.stem for each in _FOLDER.glob("*.toml"))


def base_name(name: str) -> str:
    """The base in the id of a tuned model as OpenAI and Azure write it; any other name as it is."""
    if name.startswith("ft:"):
        return name.split(":")[1]
    return name.partition(".ft-")[0] or name
