"""Client processes inside one interpreter: killed at any line, taking turns at every request and every wait, always in the same order."""

from __future__ import annotations

import importlib
import random
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from types import FrameType
from typing import Any

from tuneport.clock import Clock
from tuneport.registry import JobRegistry
from tuneport.testing.clock import SimulatedClock

WATCHED = ("submit", "syncing", "looking", "second_run", "upload", "registry", "registry_schema", "poll", "retry", "job")
"""The modules of tuneport in which a client may be killed at any line."""
DECISIVE = ("submit", "syncing", "looking", "second_run", "upload")
"""Those whose order of steps is the promise. The registry executes most of the lines, so some kills are counted in these alone."""


class Killed(BaseException):
    """kill -9, as far as one interpreter can play it: nothing of the process may reach the registry or the wire afterwards."""


class Turns:
    """Lets one of several threads run at a time and hands over only where `give_way` is called, as the seed says."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._changed = threading.Condition()
        self._alive: list[int] = []
        self._current = -1
        self._mine = threading.local()

    def run(self, works: Sequence[Callable[[], None]]) -> None:
        """Runs all of them to their ends; a single one in the caller's own thread."""
        if len(works) == 1:
            works[0]()
            return
        self._alive = list(range(len(works)))
        self._current = self._chance.choice(self._alive)
        threads = [threading.Thread(target=self._run_one, args=(number, work), daemon=True) for number, work in enumerate(works)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _run_one(self, number: int, work: Callable[[], None]) -> None:
        self._mine.number = number
        self._await_turn(number)
        try:
            work()
        finally:
            with self._changed:
                self._alive.remove(number)
                self._hand_over()

    def give_way(self) -> None:
        if len(self._alive) > 1:
            with self._changed:
                self._hand_over()
            self._await_turn(self._mine.number)

    def _hand_over(self) -> None:
        if self._alive:
            self._current = self._chance.choice(self._alive)
            self._changed.notify_all()

    def _await_turn(self, number: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._current == number)


@dataclass(frozen=True, slots=True)
class PatientClock:
    """The clock of one process: whoever sleeps lets the others go first."""

    clock: SimulatedClock
    turns: Turns

    def now(self) -> datetime:
        return self.clock.now()

    def monotonic(self) -> float:
        return self.clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)
        self.turns.give_way()


@dataclass(frozen=True, slots=True)
class Death:
    """Where a process is killed: at the n-th line executed in the modules `within`."""

    at_line: int
    within: tuple[str, ...] = WATCHED

    @classmethod
    def drawn(cls, chance: random.Random) -> Death:
        """Mostly anywhere in the few hundred lines of a submit, half of that in the decisive modules; sometimes far out, in a long wait."""
        draw = chance.random()
        if draw < 0.4:
            return cls(chance.randint(1, 80), DECISIVE)
        return cls(chance.randint(1, 300) if draw < 0.8 else int(10 ** chance.uniform(0.3, 3.2)))


class Process:
    """One start of the client. It is killed at the n-th line that `alive` executes in the watched modules, if there is such a `death`."""

    def __init__(self, name: str, *, clock: SimulatedClock, turns: Turns, death: Death | None = None) -> None:
        self.name = name
        self.clock: Clock = PatientClock(clock, turns)
        self.killed_where: str | None = None
        self.lines = 0
        self._turns = turns
        self._death = death
        self._files: frozenset[str] = frozenset()
        self._cut_off: list[Callable[[], None]] = []

    def on_death(self, cut: Callable[[], None]) -> None:
        """`cut` is called the moment the process dies: what the operating system would close."""
        self._cut_off.append(cut)

    def die(self, where: str) -> None:
        if self.killed_where is None:
            self.killed_where = where
            for cut in self._cut_off:
                cut()
        raise Killed(where)

    def give_way(self) -> None:
        if self.killed_where is not None:
            raise Killed(self.killed_where)
        self._turns.give_way()

    @contextmanager
    def alive(self) -> Iterator[None]:
        """Runs the body as this process; restores whatever traced before (a debugger, coverage)."""
        if self._death is None:
            yield
            return
        before, self._files = sys.gettrace(), files_of(self._death.within)
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Any:
        return self._step if frame.f_code.co_filename in self._files else None

    def _step(self, frame: FrameType, event: str, argument: Any) -> Any:
        if event == "line":
            self.lines += 1
            if self._death is not None and self.lines == self._death.at_line:
                self.die(f"{frame.f_code.co_filename.rpartition('/')[2]}:{frame.f_lineno}")
        return self._step


@cache
def files_of(modules: tuple[str, ...]) -> frozenset[str]:
    """The source files of these modules of tuneport."""
    return frozenset(importlib.import_module(f"tuneport.{name}").__file__ or "" for name in modules)


class DeadConnection:
    """What a killed process has left of its database: nothing it still tries may do anything, nor complain."""

    def execute(self, *_: object) -> None:
        raise Killed("a dead process writes to the registry")

    executemany = execute

    def commit(self) -> None: ...

    def rollback(self) -> None: ...

    def close(self) -> None: ...


def cut_off(registry: JobRegistry) -> None:
    """Takes its connection from a registry as the operating system would: what was not committed is gone."""
    connection = vars(registry)["_db"]
    vars(registry)["_db"] = DeadConnection()
    connection.close()


def forget(error: BaseException | None) -> None:
    """Drops the frames an exception holds, and with them the locks that the death of a process would free."""
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
