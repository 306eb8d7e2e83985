"""What a sweep tries: for each field of a recipe, by its dotted name, a range or some choices."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import isfinite
from typing import Any

from tuneport.errors import UsageError

_REMEDY = "Write: method.learning_rate=1e-5..1e-3:log or method.lora.rank=4,8,16"


@dataclass(frozen=True, slots=True)
class Range:
    """Every number from `low` to `high`, both included. `log`: each order of magnitude is as likely as any other. Raises UsageError."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def __post_init__(self) -> None:
        if not (isfinite(self.low) and isfinite(self.high) and self.low < self.high):
            raise UsageError(f"a range goes from a lower number to a higher one, not from {self.low:g} to {self.high:g}.")
        if self.log and self.low <= 0:
            raise UsageError(f"a logarithmic range begins above 0, not at {self.low:g}.")

    @property
    def ends(self) -> tuple[Any, ...]:
        """The values at its bounds."""
        return self.nearest(self.low), self.nearest(self.high)

    @property
    def count(self) -> int | None:
        """How many values there are; None for those that cannot be counted."""
        return int(self.high) - int(self.low) + 1 if self.whole else None

    def nearest(self, value: float) -> float | int:
        """The value as it is tried: whole, or with four digits that count, and never outside."""
        return int(value) if self.whole else min(max(float(f"{value:.4g}"), self.low), self.high)

    def __str__(self) -> str:
        return f"{self.low:g}..{self.high:g}{':log' if self.log else ''}"


@dataclass(frozen=True, slots=True)
class Choices:
    """Some values, each as likely as any other. Raises UsageError for none, and for the same twice."""

    values: tuple[Any, ...]

    def __post_init__(self) -> None:
        words = [json.dumps(value, sort_keys=True) for value in self.values]
        if not words or len(set(words)) < len(words):
            raise UsageError("choices are one value or more, each of them once." if words else "there is nothing to choose from.")

    @property
    def ends(self) -> tuple[Any, ...]:
        """All of them."""
        return self.values

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.values)

    def __str__(self) -> str:
        return ",".join(value if isinstance(value, str) else json.dumps(value) for value in self.values)


Dimension = Range | Choices
Space = Mapping[str, Dimension]


def parse_space(texts: Iterable[str]) -> dict[str, Dimension]:
    """From `NAME=LOW..HIGH[:log]` and `NAME=A,B,…`. Raises UsageError naming the text."""
    found: dict[str, Dimension] = {}
    for text in texts:
        name, given, values = text.partition("=")
        name = name.strip()
        if not given or not name:
            raise UsageError(f"--space {text!r} has no value.", remedy=_REMEDY)
        if name in found:
            raise UsageError(f"--space names {name} twice.")
        found[name] = dimension(values.strip(), name=name)
    return found


def dimension(given: str | Dimension | Sequence[Any], *, name: str) -> Dimension:
    """A range or choices, from text, from a list of values, or as it is. Raises UsageError naming the field."""
    try:
        if isinstance(given, Range | Choices):
            return given
        if not isinstance(given, str):
            return Choices(tuple(given))
        return _range(given) if ".." in given else Choices(tuple(_choices(given)))
    except UsageError as error:
        raise UsageError(f"space {name}: {error.message}", remedy=_REMEDY) from None


def _range(text: str) -> Range:
    bounds, _, how = text.partition(":")
    if how not in ("", "log"):
        raise UsageError(f"after a range stands ':log' or nothing, not {':' + how!r}.")
    low, _, high = bounds.partition("..")
    try:
        return Range(float(low), float(high), log=how == "log")
    except ValueError as error:
        raise UsageError(f"{bounds!r} is no range of numbers." if not isinstance(error, UsageError) else error.message) from None


def _choices(text: str) -> list[Any]:
    """Values separated by commas; a JSON list where one of them has a comma in it."""
    if text.startswith("["):
        try:
            return list(json.loads(text))
        except ValueError:
            raise UsageError(f"{text!r} is no list as JSON has it.") from None
    return [_value(each.strip()) for each in text.split(",") if each.strip()]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def combinations(space: Space) -> int | None:
    """How many there are; None where they cannot be counted."""
    total = 1
    for each in space.values():
        if each.count is None:
            return None
        total *= each.count
    return total


def all_values(space: Space) -> Iterable[dict[str, Any]]:
    """Every combination of a space that can be counted."""
    names = list(space)
    each = [range(int(one.low), int(one.high) + 1) if isinstance(one, Range) else one.values for one in space.values()]
    return (dict(zip(names, values, strict=True)) for values in product(*each))
