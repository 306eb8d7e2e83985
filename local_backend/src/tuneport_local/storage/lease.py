"""Who trains at a place: one machine at a time, whatever was launched twice. Imports no torch.

The holder of a lease writes it anew again and again. Storage of this kind has no lock, and what it shows may be as old as its caches
(gcsfuse and blobfuse keep what they know of a file for a minute or two): a holder counts as gone only when nothing new was seen of it for
longer than that, or at once where it was a process of this very machine that has ended, or of the very launch that begins anew: a vendor
starts a launch again when its machine is gone. A lease that was given back is not there.
"""

from __future__ import annotations

import json
import os
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tuneport.clock import Clock, SystemClock
from tuneport.errors import ConfigError
from tuneport_local.jobs.launch import process_started
from tuneport_local.storage.place import Place

NAME = "lease.json"
BEAT_S = 5.0
GONE_AFTER_S = 180.0
_SETTLING_S = 1.0
"""Two that take a lease at the same moment both have written after it, and read the same."""


@dataclass(frozen=True, slots=True)
class Holding:
    """Whoever holds a lease. `launch` is what started it; `system` tells machines apart within which `pid` and `started` name a process."""

    holder: str
    launch: str
    beat: int
    host: str
    system: str
    pid: int
    started: float

    @property
    def gone(self) -> bool:
        """Whether it was a process of this machine, and is no more."""
        if not self.system or self.system != _system():
            return False
        started = process_started(self.pid)
        return started is None or abs(started - self.started) >= 2.0


class Held(ConfigError):
    """Another machine trains there."""


def holding(place: Place) -> Holding | None:
    """Who holds the lease, as the storage shows it; None where nobody does."""
    try:
        found: dict[str, Any] = json.loads(place.read(NAME) or b"")
        return Holding(**found)
    except (ValueError, TypeError):
        return None


def alive(place: Place, *, clock: Clock | None = None) -> bool:
    """Whether somebody holds the lease and shows it. Takes GONE_AFTER_S to find that a holder is gone without giving it back."""
    clock = clock or SystemClock()
    first = holding(place)
    if first is None or first.gone:
        return False
    end, missing = clock.monotonic() + GONE_AFTER_S, 0
    while clock.monotonic() < end and missing < 2:  # once it may be in the middle of being written
        clock.sleep(BEAT_S)
        now = holding(place)
        if now is not None and now != first:
            return True
        missing = missing + 1 if now is None else 0
    return False


class Lease:
    """That of one process at one place. `lost` is called, from a thread, when another holds it after all."""

    def __init__(self, place: Place, *, launch: str, lost: Callable[[], object], clock: Clock | None = None) -> None:
        self._place = place
        self._clock = clock or SystemClock()
        self._lost = lost
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)
        started = process_started(os.getpid()) or 0.0
        self._mine = Holding(uuid.uuid4().hex, launch, 0, os.uname().nodename, _system(), os.getpid(), started)

    def take(self) -> None:
        """Raises Held where another has it."""
        before = holding(self._place)
        if (before is None or before.launch != self._mine.launch) and alive(self._place, clock=self._clock):
            self._refuse()
        self._write(0)
        self._clock.sleep(_SETTLING_S)
        if self._anothers():
            self._refuse()
        self._thread.start()

    def give_back(self) -> None:
        """For whoever comes next. Storage that does not take it leaves a lease that nobody renews."""
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        with suppress(ConfigError):
            if not self._anothers():
                self._place.remove(NAME)

    def _beat(self) -> None:
        beat = 0
        while not self._over.wait(BEAT_S):
            beat += 1
            with suppress(ConfigError):
                if self._anothers():
                    self._lost()
                    return
                self._write(beat)

    def _anothers(self) -> bool:
        now = holding(self._place)
        return now is not None and now.holder != self._mine.holder

    def _write(self, beat: int) -> None:
        self._place.write(NAME, json.dumps({**asdict(self._mine), "beat": beat}).encode())

    def _refuse(self) -> None:
        other = holding(self._place)
        where = f" {other.host}" if other else ""
        raise Held(f"another machine{where} trains this job at {self._place.url}; this one ends.")


def _system() -> str:
    """The boot of this machine, and the container in it where process numbers mean the same; '' where the system does not say."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text(encoding='ascii').strip()} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""
