"""A group started again and again until its first member says how the job ended. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from tuneport_local.engines.engine import Outcome
from tuneport_local.engines.reports import Report, cleared, reports
from tuneport_local.engines.restarting import Lost, Restarts
from tuneport_local.machine.memory_there import killed_for_memory

if TYPE_CHECKING:
    from tuneport_local.jobs.folder import JobFolder
    from tuneport_local.training.spec import TrainingSpec

_OUTCOMES = ("succeeded", "paused", "cancelled")


def rounds(folder: JobFolder, spec: TrainingSpec, start: Callable[[], Lost | None]) -> Report:
    """How the job ended. `start` starts the members, waits until all have ended, and says which was lost, where one was.

    Raises MachineGaveOut when members were lost too often, and what a member other than the first had to say.
    """
    restarts = Restarts(folder, spec)
    while True:
        cleared(folder.path)
        kills = killed_for_memory()
        lost = start()
        said = reports(folder.path)
        if said and said[0].rank == 0 and said[0].kind not in ("memory", "error"):
            return said[0]  # what the first says counts, whatever became of the others after it
        restarts.again(said, lost=lost, for_memory=kills is not None and (killed_for_memory() or 0) > kills)


def outcome_of(report: Report) -> Outcome:
    """What a report means for the job. Raises its error."""
    if report.kind not in _OUTCOMES:
        raise report.error()
    return cast(Outcome, report.kind)
