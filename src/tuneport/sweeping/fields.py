"""A recipe with other values in some of its fields, checked as if they had been written there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from tuneport.errors import RecipeError, UsageError
from tuneport.recipe import Recipe
from tuneport.sweeping.space import Choices, Dimension, Range, Space

_DATA = ("train", "validation")


def with_values(recipe: Recipe, values: Mapping[str, Any]) -> Recipe:
    """The recipe with each field, by its dotted name, at this value. Raises RecipeError naming the field."""
    content = recipe.to_dict() | {name: getattr(recipe, name) for name in _DATA if getattr(recipe, name) is not None}
    for name, value in values.items():
        _put(content, name, value)
    return Recipe.parse(content)


def _put(content: dict[str, Any], name: str, value: Any) -> None:
    *path, last = name.split(".")
    table = content
    for step in path:
        below = table.get(step)
        if below is None:
            below = {}
        if not isinstance(below, dict):
            raise RecipeError(f"{name}: {step} is no table in this recipe, so it has no {last}.")
        table[step] = dict(below)
        table = table[step]
    table[last] = value


def settled(space: Mapping[str, Dimension], recipe: Recipe) -> dict[str, Dimension]:
    """The space with whole numbers where the field takes no others. Raises UsageError for a field that there is not, with the nearest, and
    for a bound or a choice that the recipe would refuse."""
    if not space:
        raise UsageError("nothing is given that could be varied.", remedy="Add --space FIELD=LOW..HIGH or --space FIELD=A,B")
    found = {name: _fitted(name, each, recipe) for name, each in space.items()}
    for _ in one_at_a_time(found, recipe):
        pass
    return found


def _fitted(name: str, each: Dimension, recipe: Recipe) -> Dimension:
    if isinstance(each, Choices) or not _whole(each.low) or not _whole(each.high):
        return each
    between = int(each.low) + 0.5
    try:
        with_values(recipe, {name: between})
    except RecipeError:
        return replace(each, whole=True)
    return each if not name.startswith("options.") else replace(each, whole=True)


def _whole(value: float) -> bool:
    return float(value).is_integer()


def one_at_a_time(space: Space, recipe: Recipe) -> Iterator[tuple[str, Any, Recipe]]:
    """Every bound and every choice of each field, with the first value of all the others: (field, value, recipe). Raises UsageError."""
    first = {name: each.ends[0] for name, each in space.items()}
    for name, each in space.items():
        for value in each.ends:
            try:
                yield name, value, with_values(recipe, {**first, name: value})
            except RecipeError as error:
                raise UsageError(f"space {name}={_shown(each)}: {error.message}", remedy=error.remedy) from None


def _shown(each: Range | Choices) -> str:
    return str(each)
