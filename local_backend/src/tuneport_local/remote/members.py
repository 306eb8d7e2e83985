"""One round of one machine among several: its members, started by torch's agent beside those of the others, and an eye on the others.

Whoever of the machines loses a member says so, and all end theirs: a GPU that waits for another would not notice.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from tuneport_local.engines.accelerate import first_lost, started
from tuneport_local.engines.reports import process_of, reports
from tuneport_local.engines.restarting import Lost
from tuneport_local.remote.crew import Crew
from tuneport_local.remote.line import Dead, Line

if TYPE_CHECKING:
    from tuneport_local.jobs.folder import JobFolder
    from tuneport_local.training.spec import TrainingSpec

EVERY_S = 1.0
SILENT_S = 60.0
"""After so long without a sign a machine counts as lost."""
_GRACE_S = 5.0
"""For members to end by themselves, with a word: they miss the one that is gone."""
MEETING_S = 600.0


def taken_part(folder: JobFolder, spec: TrainingSpec, crew: Crew, line: Line, *, run: str) -> Lost | None:
    """Starts the members of this machine for a round, and waits until all have ended. Which one was lost, where one of them was by itself.

    Raises Stop when the system ends this process.
    """
    here = spec.workers // crew.size
    ranks = range(crew.number * here, (crew.number + 1) * here)
    meeting = {
        "min_nodes": crew.size,
        "max_nodes": crew.size,
        "run_id": run,
        "rdzv_backend": "static",
        "rdzv_endpoint": f"{crew.address}:{crew.port}",
        "rdzv_configs": {"rank": crew.number, "timeout": MEETING_S},
    }
    with Eye(folder, crew, line, ranks=ranks, run=run) as eye:
        failures = started(folder, spec, here=here, meeting=meeting)
        if failures:
            eye.say_lost()
    if not failures or eye.ended_them:
        return None
    return first_lost(failures, silent={*ranks} - {report.rank for report in reports(folder.path)})


class Eye:
    """Within: this machine shows that it lives, and ends its members where another has lost one, or is gone."""

    def __init__(self, folder: JobFolder, crew: Crew, line: Line, *, ranks: range, run: str) -> None:
        self.ended_them = False
        self._folder, self._crew, self._line, self._ranks, self._lost = folder, crew, line, ranks, f"lost/{run}"
        self._over = threading.Event()
        self._seen: dict[int, tuple[int, float]] = {}
        self._thread = threading.Thread(target=self._look, name="the other machines", daemon=True)

    def __enter__(self) -> Eye:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def say_lost(self) -> None:
        """That this machine has lost a member."""
        with suppress(Dead):
            self._line.say(self._lost, {"machine": self._crew.number})

    def _look(self) -> None:
        while not self._over.wait(EVERY_S):
            if self._one_is_lost() and not self._over.wait(_GRACE_S):
                self._end_members()

    def _one_is_lost(self) -> bool:
        try:
            self._line.beat()
            if self._crew.number == 0:
                for number in range(1, self._crew.size):
                    self._look_at(number)
            return self._line.heard(self._lost) is not None
        except Dead:
            return True

    def _look_at(self, number: int) -> None:
        """Of the first machine: whether another still gives signs of life."""
        now, beats = time.monotonic(), self._line.beats(number)
        had, since = self._seen.get(number, (-1, now))
        self._seen[number] = (beats, now) if beats != had else (had, since)
        if now - self._seen[number][1] > SILENT_S:
            self._line.say(self._lost, {"machine": number})

    def _end_members(self) -> None:
        self.ended_them = True
        for rank in self._ranks:
            if (pid := process_of(self._folder.path, rank=rank)) is not None:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
