"""Processes that train one job together: each learns from its share of every batch, and all decide alike.

The first of them speaks for the job: it alone writes events, readings and checkpoints, and what it sees (a wish, the time) holds for all.
What is measured is added up over all, so that every one of them comes to the same conclusion at the same step. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from tuneport.job import JobState
from tuneport_local.training.joblog import JobLog

Value = TypeVar("Value")


class Group(Protocol):
    """`rank` is this process's number, `size` how many there are; `here` how many of them on this machine, `seat` its number there."""

    @property
    def rank(self) -> int: ...

    @property
    def size(self) -> int: ...

    @property
    def here(self) -> int: ...

    @property
    def seat(self) -> int: ...

    def agreed(self, value: Value) -> Value:
        """What the first process says. Every one of them has to ask."""

    def told(self, value: Value) -> list[Value]:
        """What every one of them says, in the order of their numbers."""

    def added(self, *values: float) -> tuple[float, ...]:
        """The sums over all."""


class Alone:
    """One process: everything is as it says."""

    rank, size, here, seat = 0, 1, 1, 0

    def agreed(self, value: Value) -> Value:
        return value

    def told(self, value: Value) -> list[Value]:
        return [value]

    def added(self, *values: float) -> tuple[float, ...]:
        return values


ALONE = Alone()


def dealt(batches: Sequence[Value], group: Group) -> Iterator[tuple[Value, bool]]:
    """This process's share of batches that are already made, and whether each counts: all get as many, so that what they compute together
    they do equally often, and the last may be one that another has as well."""
    rounds = -(-len(batches) // group.size)
    for place in range(group.rank, rounds * group.size, group.size):
        yield batches[min(place, len(batches) - 1)], place < len(batches)


class Listening:
    """The job as it is for the processes that only help: they read its folder and say nothing."""

    def __init__(self, job: JobLog) -> None:
        self.path: Path = job.path
        self.checkpoints: Path = job.checkpoints
        self.adapter: Path = job.adapter

    def event(self, level: str, message: str, data: dict[str, Any] | None = None) -> None: ...

    def metric(self, step: int, values: dict[str, float]) -> None: ...

    def phase(self, state: JobState, detail: str = "") -> None: ...

    def wish(self) -> Literal["run", "pause", "cancel"]:
        return "run"
