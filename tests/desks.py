"""A submit desk over the fake cloud, and a wire on which named requests go wrong in a written order."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tuneport.plan import Plan
from tuneport.registry import JobRegistry
from tuneport.submit import Desk
from tuneport.testing.clock import SimulatedClock
from tuneport.testing.cloud import FakeCloud
from tuneport.testing.fake import open_fake
from tuneport.testing.translation import Names, fake_plan
from tuneport.testing.wire import HttpAnswer, Kind, NoAnswer, Reply

Trouble = HttpAnswer | NoAnswer
ROWS = (b'{"messages":[]}', b'{"messages":[1]}')


class ScriptedWire:
    """`before(call, error)`: the next request that begins so never arrives. `after(call, error)`: it takes effect, its answer is lost."""

    def __init__(self) -> None:
        self._before: dict[str, deque[Trouble]] = defaultdict(deque)
        self._after: dict[str, deque[Trouble]] = defaultdict(deque)
        self.sent: list[str] = []

    def before(self, call: str, *errors: Trouble) -> None:
        self._before[call].extend(errors)

    def after(self, call: str, *errors: Trouble) -> None:
        self._after[call].extend(errors)

    def send(self, call: str, effect: Callable[[], Reply], *, kind: Kind) -> Reply:
        self.sent.append(call)
        self._strike(call, self._before)
        reply = effect()
        self._strike(call, self._after)
        return reply

    @staticmethod
    def _strike(call: str, script: dict[str, deque[Trouble]]) -> None:
        for prefix, errors in script.items():
            if call.startswith(prefix) and errors:
                raise errors.popleft()

    def count(self, prefix: str) -> int:
        """How many requests that begin so were sent."""
        return sum(call.startswith(prefix) for call in self.sent)


class Bench:
    """Everything a submit test needs, with the fake cloud behind a scripted wire."""

    def __init__(self, home: Path, *, names: Names = "provider", **cloud: object) -> None:
        self.clock = SimulatedClock()
        self.cloud = FakeCloud(self.clock, **cloud)  # type: ignore[arg-type]
        self.wire = ScriptedWire()
        self.trainer = open_fake(self.cloud, names=names, wire=self.wire)
        self.registry = JobRegistry(home, clock=self.clock)
        self.names: Names = names

    @property
    def desk(self) -> Desk:
        return Desk(provider="fake", trainer=self.trainer, registry=self.registry, clock=self.clock)

    def plan(self, *rows: bytes, seed: int = 0) -> Plan:
        return fake_plan(rows=rows or ROWS, names=self.names, seed=seed)

    @property
    def creates(self) -> int:
        return self.cloud.counts["POST /jobs"] + self.cloud.counts["PUT /jobs"]


@contextmanager
def bench(home: Path, *, names: Names = "provider", **cloud: object) -> Iterator[Bench]:
    """A bench whose registry is closed in the end."""
    made = Bench(home, names=names, **cloud)
    try:
        yield made
    finally:
        made.registry.close()
