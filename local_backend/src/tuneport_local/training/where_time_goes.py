"""Where the time of a training goes: a clock that is always on one phase, and what it has found, as a table. Imports no torch.

Phases may lie in each other; the inner one's time is not the outer one's, so that all of them together are the whole.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuneport.files import write_text

FILE = "profile.json"
OTHER = "everything else"
IN_STEPS = ("waiting for data", "forward", "backward", "optimizer")
_NAMED = 3


class PhaseClock:
    """Seconds by phase since it was made. `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seconds: dict[str, float] = {OTHER: 0.0}
        self._open = [OTHER]
        self._since = clock()

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Within: the time is this phase's, but for that of phases within it."""
        self._tick()
        self._open.append(name)
        try:
            yield
        finally:
            self._tick()
            self._open.pop()

    def seconds(self) -> dict[str, float]:
        """By phase, in the order in which they were first entered."""
        self._tick()
        return dict(self._seconds)

    def _tick(self) -> None:
        now, phase = self._clock(), self._open[-1]
        self._seconds[phase] = self._seconds.get(phase, 0.0) + now - self._since
        self._since = now


@dataclass(frozen=True, slots=True)
class Operator:
    """One kind of operation of torch, by its own time, without what it calls."""

    name: str
    calls: int
    seconds: float
    share: float


@dataclass(frozen=True, slots=True)
class WhereTimeGoes:
    """What a profile says. `steps` are those of this attempt, the first one a phase of its own; `watched_steps` of them ran under torch's
    profiler, which slows them, and are a phase too: `operators` are theirs."""

    seconds: Mapping[str, float]
    steps: int
    watched_steps: int
    operators: Sequence[Operator] = ()

    @property
    def total_s(self) -> float:
        return sum(self.seconds.values())

    @property
    def sentence(self) -> str:
        """What took most, in words."""
        most = sorted(self.seconds.items(), key=lambda item: -item[1])[:_NAMED]
        shares = ", ".join(f"{name} {seconds / self.total_s:.0%}" for name, seconds in most)
        return f"where {self.total_s:.1f} s went: {shares}; all of it is in {FILE}"

    @property
    def table(self) -> str:
        """For the log."""
        rows = [f"{name:32} {seconds:9.2f} s {seconds / self.total_s:6.1%}" for name, seconds in self.seconds.items()]
        found = [f"{one.name:32.32} {one.seconds:9.2f} s {one.share:6.1%} {one.calls:8} calls" for one in self.operators]
        operators = [f"operations of {self.watched_steps} steps, by their own time:", *found] if found else []
        return "\n".join([f"where {self.total_s:.1f} s went:", *rows, *operators])

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        phases = [
            {"phase": name, "seconds": round(spent, 4), "share": round(spent / self.total_s, 4)} for name, spent in self.seconds.items()
        ]
        counted = {"total_s": round(self.total_s, 4), "steps": self.steps, "watched_steps": self.watched_steps}
        operators = [{**asdict(one), "seconds": round(one.seconds, 5), "share": round(one.share, 4)} for one in self.operators]
        return {"schema_version": 1, **counted, "phases": phases, "operators": operators}

    def write(self, folder: Path) -> Path:
        """Into the job's folder."""
        return write_text(folder / FILE, json.dumps(self.to_dict(), indent=1) + "\n")
