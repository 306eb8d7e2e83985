"""What becomes of a group one of whose members is gone: it begins again from the last checkpoint, or the job ends. Imports no torch."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuneport.errors import TuneportError
from tuneport_local.engines.reports import Report
from tuneport_local.jobs import marks
from tuneport_local.jobs.failures import MachineGaveOut
from tuneport_local.machine.room import note_that_it_ran_out, said, tried
from tuneport_local.machine.what_fits import what_needs_less

if TYPE_CHECKING:
    from tuneport_local.jobs.folder import JobFolder
    from tuneport_local.training.spec import TrainingSpec


@dataclass(frozen=True, slots=True)
class Lost:
    """A member that ended without success: its number, and where they are known its process and exit code (below zero: the signal)."""

    rank: int
    pid: int | None = None
    code: int | None = None

    @property
    def sentence(self) -> str:
        """`worker 1 (process 4711) was ended by SIGKILL`"""
        who = f"worker {self.rank}" + (f" (process {self.pid})" if self.pid else "")
        if self.code is None:
            return f"{who} was lost"
        if self.code >= 0:
            return f"{who} ended with exit code {self.code}"
        try:
            return f"{who} was ended by {signal.Signals(-self.code).name}"
        except ValueError:
            return f"{who} was ended by signal {-self.code}"


class Restarts:
    """Counts how often the group of a job has begun again."""

    def __init__(self, folder: JobFolder, spec: TrainingSpec) -> None:
        self._folder = folder
        self._spec = spec
        self._made = 0

    def again(self, reports: Sequence[Report], *, lost: Lost | None, for_memory: bool) -> None:
        """Prepares the next start, and tells the job. Raises TuneportError where there shall be none.

        `lost` is the member that ended first, `for_memory` whether the system has ended processes for want of memory meanwhile.
        """
        short = next((report for report in reports if report.kind == "memory"), None)
        if short is not None or for_memory:
            self._take_less(short.message if short else "the system ended a process for want of memory")
        elif (refused := next((report for report in reports if report.kind not in ("error", "succeeded")), None)) is not None:
            raise refused.error()
        elif lost is not None and lost.rank in {report.rank for report in reports}:
            raise _cause(reports)  # it was not killed: it met an error, and would meet it again
        else:
            self._count(lost)
        self._folder.next_attempt()

    def _take_less(self, why: str) -> None:
        last, less = tried(self._folder.path), note_that_it_ran_out(self._folder.path)
        had = said(last.rows, recompute=last.recompute) if last else "one row"
        if less is None:
            raise MachineGaveOut(
                f"the memory did not suffice for {had} in each of {self._spec.workers} workers ({why}).",
                remedy=f"What needs less: {what_needs_less(self._spec)}; or fewer workers.",
            )
        goes_on = f"begins again {self._where()} with {said(less.rows, recompute=less.recompute)}"
        self._folder.event("warning", f"the memory of a worker did not suffice for {had} ({why}); the group {goes_on}")

    def _count(self, lost: Lost | None) -> None:
        what = lost.sentence if lost else "a worker ended without saying why"
        most = self._spec.restarts
        if self._made >= most:
            times = "once" if most == 1 else f"{most} times"
            tried_so_far = f"and the group has begun again {times} already" if most else "and options.local.restarts is 0"
            raise MachineGaveOut(f"{what}, {tried_so_far}.", remedy="See worker.log for what it said last.")
        self._made += 1
        data = {"reason": "worker_lost", "restart": self._made, **({"rank": lost.rank, "pid": lost.pid} if lost else {})}
        self._folder.event("warning", f"{what}; the group begins again {self._where()} ({self._made} of {most} times at most)", data)

    def _where(self) -> str:
        saved = marks.newest_checkpoint(self._folder)
        return f"from {saved.name}" if saved else "from the start"


def _cause(reports: Sequence[Report]) -> TuneportError:
    """What went wrong in all of them: of errors, the first that is not about the connection to another."""
    errors = [report for report in reports if report.kind == "error"]
    return next((report for report in errors if "connection" not in report.message.lower()), errors[0]).error()
