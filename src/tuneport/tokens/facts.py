"""The dated, sourced table facts.toml: which model has which encoding, and what is estimated by what factor."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any, Literal, TypeVar


@dataclass(frozen=True, slots=True)
class Fact:
    """`models` are patterns; `source` and `as_of` (a date) say where it comes from."""

    models: tuple[str, ...]
    source: str
    as_of: str

    @property
    def said(self) -> str:
        """Source and date for people."""
        return f"{self.source}; {self.as_of}"


@dataclass(frozen=True, slots=True)
class Encoding(Fact):
    """The encoding of some models. `marks` says whether what stands around their messages is documented or taken to be as usual."""

    encoding: str
    marks: Literal["documented", "assumed"]
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Estimate(Fact):
    """Tokens for each character of a row's texts."""

    tokens_per_character: float
    provider: str | None = None


@dataclass(frozen=True, slots=True)
class Images(Fact):
    """What an image costs; the rules are told in facts.toml. Lengths in pixels."""

    rule: Literal["tiles", "patches", "area", "fixed"]
    each: float = 1.0
    base: int = 0
    side: int = 1
    within: int = 0
    short: int = 0
    small: int = 0
    most: int = 0
    low: int | None = None


@dataclass(frozen=True, slots=True)
class Marks:
    """Tokens around a message, a name, and before the reply."""

    per_message: int
    per_name: int
    per_reply: int
    source: str
    as_of: str


@dataclass(frozen=True, slots=True)
class ToolMarks:
    """Tokens around tools and their parameters; `per_tool` by encoding."""

    per_tool: Mapping[str, int]
    per_properties: int
    per_property: int
    per_enum: int
    per_value: int
    per_list: int
    source: str
    as_of: str


@dataclass(frozen=True, slots=True)
class Facts:
    """The whole table."""

    rows: Marks
    tools: ToolMarks
    encodings: tuple[Encoding, ...]
    estimates: tuple[Estimate, ...]
    images: tuple[Images, ...]
    any_model: Estimate


@cache
def facts() -> Facts:
    """The table that comes with this version."""
    table = tomllib.loads(files("tuneport.tokens").joinpath("facts.toml").read_text(encoding="utf-8"))
    return Facts(
        rows=Marks(**table["rows"]),
        tools=ToolMarks(**table["tools"]),
        encodings=_rows(Encoding, table["encodings"]),
        estimates=_rows(Estimate, table["estimates"]),
        images=_rows(Images, table["images"]),
        any_model=Estimate(models=("*",), **table["any_model"]),
    )


T = TypeVar("T", bound=Fact)


def _rows(kind: type[T], rows: Iterable[dict[str, Any]]) -> tuple[T, ...]:
    return tuple(kind(**{**row, "models": tuple(row["models"])}) for row in rows)


def fact_of(model: str, known: Iterable[T]) -> T | None:
    """The first fact that fits the model: `gpt-4.1-mini`, `openai:gpt-4.1-mini`, `ft:gpt-4.1-mini-2025-04-14:acme::x` …"""
    name = model.casefold()
    tuned = re.search(r"(?:^|:)ft:([^:]+)", name)
    parts = [tuned[1]] if tuned else [name, *re.split(r"[:/@]", name)]
    return next((fact for fact in known if any(fnmatchcase(part, pattern) for part in parts for pattern in fact.models)), None)
