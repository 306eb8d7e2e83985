"""Listings in pages, newest first; a page's token says where the next begins."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from tuneport.testing.emulator import Answer, Request, json_answer, visible
from tuneport.testing.emulator.paging import newest_first
from tuneport_vertex.emulator import refusals
from tuneport_vertex.emulator.refusals import refuse
from tuneport_vertex.emulator.world import World

Item = TypeVar("Item")
LABEL = re.compile(r'labels\.([\w-]+)\s*[:=]\s*"?([\w-]*|\*)"?')


def paged(
    items: Iterable[Item],
    request: Request,
    world: World,
    *,
    rows: str,
    made_at: Callable[[Item], datetime],
    labels: Callable[[Item], Mapping[str, str]],
    show: Callable[[Item], dict[str, Any]],
) -> Answer:
    """One page under the name `rows`. Raises Refusal for a token that no listing gave."""
    habits = world.habits
    lag_s = max(habits.listing_lag_s, request.weather.lag_s)
    listed = newest_first(visible(items, made_at=made_at, now=world.now(), lag_s=lag_s), made_at=made_at)
    wanted = _wanted(request)
    if habits.honours_filters and wanted and not request.weather.ignores_filters:
        listed = [item for item in listed if all(_has(labels(item), key, value) for key, value in wanted)]
    size = request.asked_whole("pageSize", refuse=refuse, otherwise=0, least=0, most=10**9) or habits.default_page
    start = _start(request)
    page: Sequence[Item] = listed[start : start + min(size, habits.largest_page)]
    answer: dict[str, Any] = {rows: [show(item) for item in page]} if page else {}
    if start + len(page) < len(listed):
        answer["nextPageToken"] = base64.urlsafe_b64encode(f"at:{start + len(page)}".encode()).decode()
    return json_answer(answer)


def _start(request: Request) -> int:
    token = request.asked("pageToken", refuse=refuse)
    if not token:
        return 0
    try:
        word, _, number = base64.urlsafe_b64decode(token).decode().partition(":")
        if word == "at":
            return int(number)
    except ValueError:
        pass
    raise refusals.refusal("INVALID_ARGUMENT", "The page token is invalid.")


def _wanted(request: Request) -> list[tuple[str, str]]:
    """The labels that a filter asks for; other conditions are not rehearsed."""
    return LABEL.findall(request.asked("filter", refuse=refuse) or "")


def _has(labels: Mapping[str, str], key: str, value: str) -> bool:
    return key in labels and value in ("*", labels[key])
