"""One of the other machines: it waits for the first, trains with it in each round that it calls, and says nothing of the job."""

from __future__ import annotations

import json
import shutil
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.errors import TuneportError
from tuneport_local.engines.reports import Report, cleared, reports
from tuneport_local.engines.restarting import Lost
from tuneport_local.jobs.failures import MachineGaveOut
from tuneport_local.machine.memory_there import killed_for_memory
from tuneport_local.remote.crew import Crew
from tuneport_local.remote.fitness import refuse_machine
from tuneport_local.storage.ended import ended
from tuneport_local.storage.lease import Holding, holding
from tuneport_local.storage.place import Place
from tuneport_local.training.checkpoints import newest_checkpoint
from tuneport_local.training.spec import TrainingSpec

if TYPE_CHECKING:
    from tuneport_local.jobs.folder import JobFolder
    from tuneport_local.remote.line import Line

PATIENCE_S = 600.0
_LOOK_EVERY_S = 1.0
_SETTLED = ("succeeded", "paused", "cancelled")


class Helper:
    """`copied` makes a copy of the job's folder on this machine, locked for as long as this process lives."""

    def __init__(self, place: Place, crew: Crew, *, launch: str, copied: Callable[[], JobFolder]) -> None:
        self._place, self._crew, self._launch, self._copied = place, crew, launch, copied
        self._folder: JobFolder | None = None
        self._taken_part = ""
        self._before: Holding | None = None

    def helped(self) -> int:
        """The exit code: that of the job, or 1 for a machine that waited in vain. Raises Stop when the machine is taken away."""
        from tuneport_local.remote.line import Dead, Line

        try:
            while True:
                try:
                    if (code := self._waited()) is not None:
                        return code
                    return self._followed(Line(self._crew))
                except Dead:
                    print("the first machine does not answer any more: waiting for it, or for its successor", flush=True)
        except TuneportError as error:
            print(f"tuneport: {error}", flush=True)
            return 1
        finally:
            if self._folder is not None:
                shutil.rmtree(self._folder.path.parent, ignore_errors=True)

    def _waited(self) -> int | None:
        """Waits for the first machine. The exit code where it has ended already, or never will begin."""
        from tuneport_local.remote.line import reachable

        end = time.monotonic() + PATIENCE_S
        while not reachable(self._crew):
            if (report := ended(self._place, [self._launch])) is not None:
                return 0 if report.kind in _SETTLED else 1
            if self._anothers():
                print("tuneport: another launch trains this job; this machine ends.", flush=True)
                return 0
            if time.monotonic() > end:
                raise MachineGaveOut(
                    f"the first machine did not begin within {PATIENCE_S / 60:.0f} minutes; machine {self._crew.number} ends."
                )
            time.sleep(_LOOK_EVERY_S)
        return None

    def _anothers(self) -> bool:
        """Whether another launch holds the lease, and shows it."""
        before, self._before = self._before, holding(self._place)
        now = self._before
        return now is not None and before is not None and now.launch != self._launch and now != before and now.holder == before.holder

    def _followed(self, line: Line) -> int:
        """Takes part in one round after the other, until the first machine says that it is over."""
        from tuneport_local.remote.line import OVER, ROUND

        end = time.monotonic() + PATIENCE_S
        while True:
            line.beat()
            if (over := line.heard(OVER)) is not None:
                return 0 if over["kind"] in _SETTLED else 1
            called = line.heard(ROUND)
            if called is not None and called["run"] != self._taken_part:
                self._taken_part = called["run"]
                self._round(line, run=called["run"], checkpoint=called["checkpoint"])
                end = time.monotonic() + PATIENCE_S
            elif time.monotonic() > end:
                raise MachineGaveOut(
                    f"the first machine called nobody for {PATIENCE_S / 60:.0f} minutes; machine {self._crew.number} ends."
                )
            else:
                time.sleep(_LOOK_EVERY_S)

    def _round(self, line: Line, *, run: str, checkpoint: str) -> None:
        from tuneport_local.remote.line import told
        from tuneport_local.remote.members import taken_part

        number = self._crew.number
        if line.heard(f"ready/{run}/{number}") is not None:  # this machine was here before, and was started anew in the middle of it
            line.say(f"told/{run}/{number}", told([], Lost(number * (self._workers() // self._crew.size))))
            return
        try:
            folder, spec = self._prepared(checkpoint)
        except Exception as error:  # the first machine tells the job why
            traceback.print_exc()
            line.say(f"told/{run}/{number}", told([Report.of(number, error)], None))
            return
        cleared(folder.path)
        kills = killed_for_memory()
        line.say(f"ready/{run}/{number}", {})
        lost = taken_part(folder, spec, self._crew, line, run=run)
        said = reports(folder.path)
        if lost is not None and kills is not None and (killed_for_memory() or 0) > kills:
            said.append(Report(lost.rank, "memory", "the system ended a process for want of memory"))
        line.say(f"told/{run}/{number}", told(said, lost))

    def _workers(self) -> int:
        recipe: dict[str, Any] = json.loads(self._place.read("recipe.json") or b"{}")
        return int(recipe["hyperparameters"]["workers"])

    def _prepared(self, checkpoint: str) -> tuple[JobFolder, TrainingSpec]:
        """A copy of the job's folder as the first machine has it: with that checkpoint as its newest one, '' for none."""
        if self._folder is None:
            self._folder = self._copied()
            refuse_machine(TrainingSpec.from_dict(self._folder.recipe()))
        folder, end = self._folder, time.monotonic() + PATIENCE_S
        while _newest(folder.checkpoints) != checkpoint:
            if time.monotonic() > end:
                raise MachineGaveOut(f"machine {self._crew.number} does not see {checkpoint} at {self._place.url}.")
            shutil.rmtree(folder.checkpoints)
            folder.checkpoints.mkdir()
            if checkpoint:
                self._place.take(f"checkpoints/{checkpoint}", folder.checkpoints / checkpoint)
                time.sleep(_LOOK_EVERY_S)
        return folder, TrainingSpec.from_dict(folder.recipe())


def _newest(checkpoints: Path) -> str:
    found = newest_checkpoint(checkpoints, say=lambda _: None)
    return found.path.name if found else ""
