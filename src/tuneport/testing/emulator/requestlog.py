"""What was asked of an emulator, line by line, for tests to count and compare."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

SECRET_HEADERS = frozenset({"authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie", "proxy-authorization"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One request. `status` None: no answer went out. `effect`: it changed something. `route` None: the emulator has no such path."""

    number: int
    at: datetime
    method: str
    path: str
    route: str | None
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body_bytes: int
    body_sha256: str
    status: int | None
    effect: bool
    fault: str | None

    def __str__(self) -> str:
        said = "no answer" if self.status is None else str(self.status)
        return f"{self.method} {self.path} -> {said}{', took effect' if self.effect else ''}{f'   [{self.fault}]' if self.fault else ''}"


class RequestLog:
    """All requests in the order in which they arrived."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._lock = threading.Lock()
        self._numbers = 0

    def next_number(self) -> int:
        with self._lock:
            self._numbers += 1
            return self._numbers

    def add(self, entry: Entry) -> None:
        with self._lock:
            self._entries.append(entry)

    def of(self, route: str | None = None) -> list[Entry]:
        """The requests to `METHOD /template`, or all."""
        with self._lock:
            entries = sorted(self._entries, key=lambda entry: entry.number)
        return [entry for entry in entries if route is None or entry.route == route]

    def count(self, route: str | None = None) -> int:
        return len(self.of(route))

    def effects(self, route: str | None = None) -> int:
        """How many of them changed something."""
        return sum(entry.effect for entry in self.of(route))

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.of())

    def __len__(self) -> int:
        return self.count()

    def __str__(self) -> str:
        return "\n".join(str(entry) for entry in self)


def without_keys(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: "[hidden]" if name in SECRET_HEADERS else value for name, value in headers.items()}
