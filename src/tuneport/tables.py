"""Tables of settings that a user wrote, read into frozen values: an unknown key is refused with the nearest known one, and every wrong
value with one sentence a key. What recipes, a provider's own options and its profile have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tuneport.errors import UsageError
from tuneport.nearest import refuse_unknown_keys


class Table(BaseModel):
    """The settings of one table. Values are taken as they are: no text becomes a number, no number a yes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


T = TypeVar("T", bound=Table)


def read_table(kind: type[T], values: Mapping[str, Any], *, place: str, error: type[UsageError]) -> T:
    """`values` as a `kind`. Raises `error` naming `place`, the key and what it takes."""
    try:
        refuse_unknown_keys(values, kind.model_fields)
    except ValueError as unknown:
        raise error(f"{place}: {unknown}") from None
    try:
        return kind.model_validate(dict(values))
    except ValidationError as problems:
        raise error(f"{place}: {sentences(problems)}") from None


def sentences(error: ValidationError, *, wanted: Mapping[str, str] | None = None) -> str:
    """`epochs must be at least 1 or 'auto', not 0.` One sentence a key, whatever number of types pydantic tried for it.

    `wanted` says for a key what to write after `must be`, where pydantic's own reason would tell a user nothing.
    """
    by_key: dict[str, list[Any]] = {}
    for detail in error.errors():
        by_key.setdefault(str(detail["loc"][0]) if detail["loc"] else "", []).append(detail)
    return " ".join(_sentence(key, details, (wanted or {}).get(key)) for key, details in by_key.items())


def _sentence(key: str, details: list[Any], told: str | None) -> str:
    first = details[0]
    if first["type"] == "missing":
        return f"{key} is missing."
    if first["type"] == "value_error":
        said = first["msg"].removeprefix("Value error, ")
        return f"{key}: {said}" if key else said
    wanted = told or " or ".join(dict.fromkeys(_wanted(detail) for detail in details))
    given = first["input"]
    shown = f", not {given!r}" if isinstance(given, int | float | str) and len(str(given)) < 80 else ""
    return f"{key} must be {wanted}{shown}."


def _wanted(detail: Any) -> str:
    """What would have been right, after `must be`."""
    template = _WANTED.get(detail["type"])
    if template is None:
        return str(detail["msg"]).removeprefix("Input should be ")
    return template.format(**detail.get("ctx", {}))


_WANTED = {
    "greater_than_equal": "at least {ge:g}",
    "greater_than": "above {gt:g}",
    "less_than_equal": "at most {le:g}",
    "less_than": "below {lt:g}",
    "finite_number": "finite",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "float_type": "a number",
    "decimal_type": "a number",
    "bool_type": "true or false",
    "literal_error": "{expected}",
    "string_type": "text",
    "dict_type": "a table",
    "model_type": "a table",
    "tuple_type": "a list",
    "string_pattern_mismatch": "text that fits {pattern}",
    "string_too_short": "a name",
    "too_short": "a table with a name for each provider",
}
