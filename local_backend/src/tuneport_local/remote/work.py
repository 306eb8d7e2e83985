"""One launch: takes the lease, fetches the job's folder, trains, sends what it writes, and leaves how it ended.

When the machine is taken away (SIGTERM) the training stops after its step, with a checkpoint that gets to the place, and nothing is said of
an end: the vendor starts the same launch again, which goes on from there. Without that signal it goes on from the checkpoint before.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from tuneport.clock import Clock
from tuneport.errors import TuneportError
from tuneport.files import write_text
from tuneport.job import JobState
from tuneport_local.engines.engine import ENGINES, Stop
from tuneport_local.engines.reports import Report
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.jobs.launch import claim
from tuneport_local.remote.brought import base_taken
from tuneport_local.remote.fitness import refuse_machine
from tuneport_local.remote.printed import kept_in
from tuneport_local.storage.ended import ended, leave
from tuneport_local.storage.lease import Held, Lease
from tuneport_local.storage.place import Place
from tuneport_local.storage.sent import fetched, sending
from tuneport_local.training.spec import TrainingSpec

TAKEN_AWAY = 128 + signal.SIGTERM
_SHUT_OUT = 75
_TRAINING = frozenset({JobState.RUNNING, JobState.FINALIZING})
_NOT_THERE = ("address", "storage", "rented", "track")
"""Settings of the machine that the job was sent from."""


def worked(place: Place, *, launch: str, clock: Clock | None = None) -> int:
    """The exit code of a launch."""
    if (before := ended(place, [launch])) is not None:
        print(f"this launch has ended already: {before.kind} {before.message}")
        return _code(before)
    lease = Lease(place, launch=launch, lost=lambda: _shut_out("another machine took the lease of this job"), clock=clock)
    try:
        lease.take()
    except Held as held:
        print(f"tuneport: {held.message}")
        return 0
    try:
        report = _trained(place)
        if report is None:
            return TAKEN_AWAY
        leave(place, report, launch=launch)
        return _code(report)
    finally:
        lease.give_back()


def _trained(place: Place) -> Report | None:
    """How the job ended; None where the machine is taken away before it has."""
    terminator = _Terminator()
    copy: Path | None = None
    try:
        copy = fetched(place, home=Path())
        folder = JobFolder(_as_here(copy, place))
        terminator.folder = folder
        with sending(copy, place), kept_in(folder.log), _locked(folder):
            report = _reported(folder)
    except Stop:
        report = None
    except TuneportError as error:
        report = Report.of(0, error)
    finally:
        if copy is not None:
            shutil.rmtree(copy.parent, ignore_errors=True)
    taken_away = terminator.came and report is not None and report.kind == "paused" and place.read("wish") != b"pause"
    return None if taken_away else report


def _reported(folder: JobFolder) -> Report:
    """Trains, and says how it ended."""
    attempt = folder.status().attempt
    if any(line.get("attempt") == attempt for _, line in folder.readings()):
        folder.next_attempt()  # this launch was here before, on another machine
    if folder.wish() == "cancel":
        return Report(0, "cancelled")
    try:
        spec = TrainingSpec.from_dict(folder.recipe())
        refuse_machine(spec)
        return Report(0, ENGINES[spec.engine].load().run(folder, spec))
    except Exception as error:  # whatever a library raises: the worker that follows decides what it means for the job
        traceback.print_exc()
        return Report.of(0, error)


def _as_here(copy: Path, place: Place) -> Path:
    """The copy, with what of its recipe is about the machine that sent it as it is here, and its base where that was sent too."""
    path = copy / "recipe.json"
    recipe: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    home = copy.parent / "home"
    home.mkdir(exist_ok=True)
    values = {name: value for name, value in recipe["hyperparameters"].items() if name not in _NOT_THERE}
    values["engine"] = "accelerate" if values.get("workers", 1) > 1 else "process"
    write_text(path, json.dumps({**recipe, "home": str(home), "hyperparameters": values}, indent=1))
    if (wish := place.read("wish")) is not None:
        (copy / "wish").write_bytes(wish)
    base_taken(place, home=home)
    return copy


@contextmanager
def _locked(folder: JobFolder) -> Iterator[None]:
    """The members of a group wait on the job's lock, and end with whoever holds it."""
    descriptor = claim(folder)
    assert descriptor is not None
    try:
        yield
    finally:
        os.close(descriptor)


class _Terminator:
    """Hears that the machine is taken away. A training that runs stops by itself, like for a pause; anything before it is broken off."""

    def __init__(self) -> None:
        self.came = False
        self.folder: JobFolder | None = None
        signal.signal(signal.SIGTERM, self._hear)

    def _hear(self, _number: int, _frame: FrameType | None) -> None:
        again, self.came = self.came, True
        if not again and self.folder is not None and self.folder.status().state in _TRAINING:
            self.folder.ask("pause")
        else:
            raise Stop


def _shut_out(why: str) -> None:
    print(f"tuneport: {why}; this one ends.", flush=True)
    sys.stderr.flush()
    os._exit(_SHUT_OUT)


def _code(report: Report) -> int:
    return 0 if report.kind in ("succeeded", "paused", "cancelled") else 1
