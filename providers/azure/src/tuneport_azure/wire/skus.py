"""How much of a base can be deployed in which tier, and until when: rows of the account's models and of the region's quota."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from tuneport.replies import day_in, object_in, objects_in

USUAL_CAPACITY = 50
"""Where nothing says another: what Microsoft's samples deploy with, and the default of its list of models (recorded 2026-06-25).
With 1, gpt-4.1 answers one request a minute."""


@dataclass(frozen=True, slots=True)
class Sku:
    """A tier of a base's tuned models. Capacity counts 1,000 tokens a minute; `requests` a minute come with one of it."""

    usual: int = USUAL_CAPACITY
    most: int | None = None
    step: int = 1
    quota: str = ""
    requests: float | None = None
    ends: date | None = None


@dataclass(frozen=True, slots=True)
class Quota:
    """What a region gives a subscription of one thing."""

    name: str
    used: int
    limit: int

    @property
    def free(self) -> int:
        return max(0, self.limit - self.used)


def sku_of(rows: Iterable[Mapping[str, Any]], *, base: str | None, name: str) -> Sku | None:
    """The tier `name` of the tuned models of a base; None where the list does not have it."""
    for row in rows:
        if base is not None and _is_base(row, base):
            for sku in objects_in(row, "skus"):
                if _same(sku.get("name"), name) and str(sku.get("usageName")).casefold().endswith("-finetune"):
                    return _sku(sku)
    return None


def format_of(rows: Iterable[Mapping[str, Any]], *, base: str | None) -> str:
    """What a PUT calls the maker of the base; a wrong one is answered with a 500."""
    found = (row.get("format") for row in rows if base is not None and _is_base(row, base))
    return next((name for name in found if isinstance(name, str) and name), "OpenAI")


def quota_of(rows: Iterable[Mapping[str, Any]], name: str) -> Quota | None:
    """The quota of that name; None where the list does not have it."""
    for row in rows:
        called, used, limit = row.get("name"), row.get("currentValue"), row.get("limit")
        if not isinstance(called, Mapping) or not _same(called.get("value"), name):
            continue
        if isinstance(used, int | float) and isinstance(limit, int | float):
            return Quota(name, int(used), int(limit))
    return None


def _is_base(row: Mapping[str, Any], base: str) -> bool:
    name, version = row.get("name"), row.get("version")
    return _same(f"{name}-{version}", base) or _same(name, base)


def _sku(row: Mapping[str, Any]) -> Sku:
    capacity = object_in(row, "capacity")
    usual, most, step = (_count(capacity.get(key)) for key in ("default", "maximum", "step"))
    return Sku(
        usual=usual or min(USUAL_CAPACITY, most or USUAL_CAPACITY),
        most=most,
        step=step or 1,
        quota=str(row.get("usageName") or ""),
        requests=_requests(row),
        ends=day_in(row, "deprecationDate"),
    )


def _requests(row: Mapping[str, Any]) -> float | None:
    """A minute, with a capacity of 1."""
    for limit in objects_in(row, "rateLimits"):
        count, period_s = limit.get("count"), limit.get("renewalPeriod")
        if _same(limit.get("key"), "request") and isinstance(count, int | float) and isinstance(period_s, int | float) and period_s > 0:
            return count * 60 / period_s
    return None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _same(one: Any, other: str) -> bool:
    return isinstance(one, str) and one.casefold() == other.casefold()
