"""Who trains at a place: one at a time, and whoever is gone is found to be."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from tuneport_local.storage import lease as leases
from tuneport_local.storage.lease import BEAT_S, GONE_AFTER_S, NAME, Held, Holding, Lease, alive, holding
from tuneport_local.storage.place import Place

from tuneport.testing.clock import SimulatedClock


@pytest.fixture(params=["folder", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return Place(str(tmp_path / "one") if request.param == "folder" else f"memory://{uuid.uuid4().hex}/one")


class Acting(SimulatedClock):
    """Each time somebody sleeps, another machine does something."""

    def __init__(self, act: Callable[[], object]) -> None:
        super().__init__()
        self._act = act

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._act()


def another(place: Place, *, system: str = "another machine", pid: int = 1) -> Holding:
    """Holds the lease at the place."""
    found = Holding("b" * 32, "launch-1", 0, "elsewhere", system, pid, 0.0)
    place.write(NAME, json.dumps(asdict(found)).encode())
    return found


def beats(place: Place) -> Callable[[], None]:
    def beat() -> None:
        now = holding(place)
        assert now is not None
        place.write(NAME, json.dumps(asdict(replace(now, beat=now.beat + 1))).encode())

    return beat


def a_lease(place: Place, clock: SimulatedClock | None = None) -> Lease:
    return Lease(place, launch="launch-2", lost=lambda: None, clock=clock or SimulatedClock())


def test_a_place_where_nobody_trains_is_taken_and_given_back(place: Place) -> None:
    lease = a_lease(place)
    lease.take()
    now = holding(place)
    assert now is not None
    assert (now.launch, now.pid, now.host) == ("launch-2", os.getpid(), os.uname().nodename)
    lease.give_back()
    assert holding(place) is None


def test_whoever_shows_that_it_lives_keeps_others_out(place: Place) -> None:
    another(place)
    clock = Acting(beats(place))
    with pytest.raises(Held, match=r"another machine elsewhere trains this job at .*one; this one ends"):
        a_lease(place, clock).take()
    assert clock.monotonic() == BEAT_S
    assert holding(place) is not None


def test_a_holder_of_whom_nothing_new_is_seen_is_gone_after_a_while(place: Place) -> None:
    another(place)
    clock = SimulatedClock()
    lease = a_lease(place, clock)
    lease.take()
    assert GONE_AFTER_S <= clock.monotonic() < GONE_AFTER_S + 3 * BEAT_S
    lease.give_back()


def test_a_process_of_this_machine_that_has_ended_is_gone_at_once(place: Place) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    another(place, system=leases._system(), pid=ended.pid)
    clock = SimulatedClock()
    lease = a_lease(place, clock)
    lease.take()
    assert clock.monotonic() < BEAT_S
    lease.give_back()


def test_a_launch_that_its_vendor_starts_again_takes_over_at_once(place: Place) -> None:
    another(place)
    clock = SimulatedClock()
    lease = Lease(place, launch="launch-1", lost=lambda: None, clock=clock)
    lease.take()
    assert clock.monotonic() < BEAT_S
    lease.give_back()


def test_a_lease_in_the_middle_of_being_written_is_none_that_was_given_back(place: Place) -> None:
    first = another(place)
    contents = iter([b"", json.dumps(asdict(replace(first, beat=1))).encode()])
    assert alive(place, clock=Acting(lambda: place.write(NAME, next(contents))))


def test_of_two_that_take_it_at_once_one_goes_away(place: Place) -> None:
    clock = Acting(lambda: another(place))
    with pytest.raises(Held):
        a_lease(place, clock).take()


def test_whoever_loses_its_lease_hears_of_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "BEAT_S", 0.01)
    lost = threading.Event()
    lease = Lease(place, launch="launch-2", lost=lost.set, clock=SimulatedClock())
    lease.take()
    another(place)
    assert lost.wait(10)
    lease.give_back()
    assert holding(place) is not None
