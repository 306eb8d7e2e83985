"""Listings in pages: a cursor is the id of the last item that was seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

Item = TypeVar("Item")


class UnknownCursor(LookupError):
    """The listing has no item of that id."""


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    items: Sequence[Item]
    has_more: bool


def cursor_page(items: Sequence[Item], *, after: str | None, limit: int, id_of: Callable[[Item], str]) -> Page[Item]:
    """The `limit` items behind the one called `after`, in the order given. Raises UnknownCursor."""
    start = 0
    if after is not None:
        start = next((n + 1 for n, item in enumerate(items) if id_of(item) == after), -1)
        if start < 0:
            raise UnknownCursor(after)
    return Page(items[start : start + limit], start + limit < len(items))


def newest_first(items: Iterable[Item], *, made_at: Callable[[Item], datetime]) -> list[Item]:
    """Items made at the same moment come in the reverse of the order given: the later one first."""
    return sorted(items, key=made_at)[::-1]


def visible(items: Iterable[Item], *, made_at: Callable[[Item], datetime], now: datetime, lag_s: float) -> list[Item]:
    """The items that a listing shows which learns of each only `lag_s` seconds after it was made."""
    return [item for item in items if made_at(item) + timedelta(seconds=lag_s) <= now]
