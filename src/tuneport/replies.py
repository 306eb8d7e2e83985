"""Values of JSON that a provider answered with, as they come: missing, null, of another type, or in another spelling than specified."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

Json = Mapping[str, Any]


def text_in(row: Json, key: str) -> str | None:
    """The text under a key; None where there is none or an empty one."""
    value = row.get(key)
    return value if isinstance(value, str) and value else None


def object_in(row: Json, key: str) -> Json:
    """The object under a key, empty where there is none."""
    value = row.get(key)
    return value if isinstance(value, Mapping) else {}


def texts_in(row: Json, key: str) -> tuple[str, ...]:
    """The texts of a list under a key; empty where there is no list."""
    value = row.get(key)
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list | tuple) else ()


def objects_in(row: Json, key: str) -> list[Json]:
    """The objects of a list under a key; empty where there is no list."""
    value = row.get(key)
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def number_of(value: Any) -> float | None:
    """A finite number; None for anything else, true and false included."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def whole_in(row: Json, key: str) -> int | None:
    """The whole number under a key."""
    value = row.get(key)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    number = number_of(value)
    return int(number) if number is not None and number.is_integer() else None


def time_in(row: Json, key: str) -> datetime | None:
    """Seconds since 1970, or a time in ISO 8601, as a time in UTC. 0 is none: some servers write it where OpenAI has null."""
    value = row.get(key)
    number = number_of(value)
    try:
        if number is not None:
            return datetime.fromtimestamp(number, UTC) if number else None
        return _in_utc(datetime.fromisoformat(value)) if isinstance(value, str) else None
    except (ValueError, OverflowError, OSError):
        return None


def day_in(row: Json, key: str) -> date | None:
    """Likewise, the day in UTC."""
    at = time_in(row, key)
    return None if at is None else at.date()


def _in_utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
