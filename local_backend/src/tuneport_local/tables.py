"""Tables of settings that a user wrote, read into frozen values: an unknown key is refused with the nearest known one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tuneport.errors import UsageError


class Table(BaseModel):
    """The settings of one table. Values are taken as they are: no text becomes a number, no number a yes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


T = TypeVar("T", bound=Table)


def read_table(kind: type[T], values: Mapping[str, Any], *, place: str, error: type[UsageError]) -> T:
    """`values` as a `kind`. Raises `error` naming `place`, the key and what it takes."""
    for key in values:
        if key not in kind.model_fields:
            near = difflib.get_close_matches(str(key), kind.model_fields, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(kind.model_fields)}."
            raise error(f"{place}: unknown key {key!r}; {hint}")
    try:
        return kind.model_validate(dict(values))
    except ValidationError as problems:
        raise error(f"{place}: {'; '.join(_sentences(problems))}.") from None


def _sentences(problems: ValidationError) -> list[str]:
    """One sentence a key, however many types were tried for it."""
    by_key: dict[str, list[Any]] = {}
    for detail in problems.errors():
        by_key.setdefault(str(detail["loc"][0]), []).append(detail)
    return [f"{key} {' or '.join(dict.fromkeys(map(_wanted, details)))}, not {details[0]['input']!r}" for key, details in by_key.items()]


def _wanted(detail: Any) -> str:
    what = str(detail["msg"]).removeprefix("Input ").replace("should match pattern", "should look like")
    return what[:1].lower() + what[1:]
