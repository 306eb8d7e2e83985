"""Graders from files: a recipe's, a table of their own, or Python code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tuneport.errors import RecipeError
from tuneport.graders import Grader, PythonGrader, with_sources
from tuneport.recipe import ENDINGS, read_values
from tuneport.tables import sentences

_ADAPTER: TypeAdapter[Grader] = TypeAdapter(Grader)


def grader_of(values: Any) -> Grader:
    """A grader from JSON-like data. Raises RecipeError."""
    try:
        found: Grader = _ADAPTER.validate_python(values)
    except ValidationError as error:
        raise RecipeError(f"the grader: {sentences(error)}") from None
    return found


def read_grader(path: Path) -> Grader:
    """The grader of a .py file with a function `grade(sample, item)`, of a recipe, or of a file with a grader's keys (`kind` …).

    Raises RecipeError naming the file.
    """
    if path.suffix == ".py":
        return PythonGrader(name=path.stem, file=str(path))  # type: ignore[call-arg]
    if path.suffix.lower() not in ENDINGS:
        raise RecipeError(f"{path.name!r} is no grader: it is a .py file, or a recipe or grader in {', '.join(ENDINGS)}.")
    try:
        return grader_of(with_sources(_table(read_values(path)), folder=path.parent))
    except RecipeError as error:
        raise RecipeError(f"{path}: {error.message}", remedy=error.remedy) from None


def _table(values: Any) -> Any:
    if not isinstance(values, Mapping):
        raise RecipeError("it holds no table.")
    method = values.get("method")
    if isinstance(method, Mapping) and "grader" in method:
        return method["grader"]
    if "kind" not in values:
        raise RecipeError("it holds no grader: neither method.grader, as a recipe, nor the kind of one.")
    return values
