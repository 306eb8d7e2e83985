"""Which request suffers which fault: as a test writes it down, or as a seed decides."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tuneport.testing.emulator.faults import (
    ExtraField,
    Fault,
    IgnoredFilters,
    LaggingList,
    MissingField,
    RateLimited,
    Reset,
    ServerError,
    SlowBody,
    Truncated,
    UnknownWord,
)
from tuneport.testing.emulator.routing import Route

ANYTIME: Final[Sequence[Fault]] = (
    RateLimited(None),
    RateLimited(0.0),
    RateLimited(2.0),
    RateLimited(20.0, as_date=True),
    RateLimited(2000.0),
    ServerError(500),
    ServerError(502, "html"),
    ServerError(503),
    ServerError(503, "empty"),
    ServerError(504, "html"),
    Reset(),
    SlowBody(4, 0.001),
)
AFTER_EFFECT: Final[Sequence[Fault]] = (
    ServerError(500, after_effect=True),
    ServerError(502, "html", after_effect=True),
    ServerError(504, "empty", after_effect=True),
    Reset(after_effect=True),
    Truncated(),
    Truncated(admitted=True),
    UnknownWord(),
    MissingField(),
    ExtraField(),
)
READ_ONLY: Final[Sequence[Fault]] = (LaggingList(), IgnoredFilters())
EVERY: Final = (*ANYTIME, *AFTER_EFFECT, *READ_ONLY)
"""What a seed draws from. `Silence` is not among it: it costs the client its whole time-out, so a test asks for it by name."""


@dataclass(slots=True)
class _Rule:
    fault: Fault
    route: str | None
    skip: int
    left: int | None

    def wants(self, route: Route) -> bool:
        if self.left == 0 or self.route not in (None, route.name):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.left is not None:
            self.left -= 1
        return True


class FaultPlan:
    """Written rules first, in the order in which they were given; then, with a `seed`, `share` of all requests by chance.

    The same seed and the same requests in the same order suffer the same faults. `counts` holds how often each kind came.
    """

    def __init__(self, *, seed: int | None = None, share: float = 0.0, among: Sequence[Fault] = EVERY) -> None:
        self.chance = random.Random(f"emulator faults {seed}")
        self.share = share if seed is not None else 0.0
        self.among = among
        self.counts: Counter[str] = Counter()
        self._rules: list[_Rule] = []
        self._lock = threading.Lock()

    def once(self, fault: Fault, *, on: str | None = None, after: int = 0) -> None:
        """The next request to `on` (`METHOD /template`; None: any) suffers it; with `after`, that many pass before."""
        self.times(1, fault, on=on, after=after)

    def times(self, times: int, fault: Fault, *, on: str | None = None, after: int = 0) -> None:
        self._rules.append(_Rule(fault, on, after, times))

    def always(self, fault: Fault, *, on: str | None = None) -> None:
        self._rules.append(_Rule(fault, on, 0, None))

    def calm(self) -> None:
        """Nothing goes wrong from here on."""
        with self._lock:
            self._rules.clear()
            self.share = 0.0

    def draw(self, route: Route) -> Fault | None:
        """What the request that has just arrived suffers, if anything."""
        with self._lock:
            fault = next((rule.fault for rule in self._rules if rule.wants(route)), None) or self._by_chance(route)
            if fault is not None:
                self.counts[type(fault).__name__] += 1
            return fault

    def _by_chance(self, route: Route) -> Fault | None:
        if self.chance.random() >= self.share:
            return None
        faults = [fault for fault in self.among if _shows(fault, route)]
        return self.chance.choice(faults) if faults else None


def _shows(fault: Fault, route: Route) -> bool:
    return not (route.changes and fault.spoils == "listing") and (route.stores or fault.spoils != "upload")
