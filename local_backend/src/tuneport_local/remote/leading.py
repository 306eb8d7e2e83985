"""The first of several machines: it has the lease, speaks for the job, and calls the others together for each round of the group."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING

from tuneport.job import JobState
from tuneport_local.engines.reports import Report, reports
from tuneport_local.engines.restarting import Lost
from tuneport_local.engines.rounds import rounds
from tuneport_local.jobs.failures import MachineGaveOut
from tuneport_local.remote.crew import Crew
from tuneport_local.training.checkpoints import newest_checkpoint

if TYPE_CHECKING:
    from tuneport_local.jobs.folder import JobFolder
    from tuneport_local.remote.line import Line
    from tuneport_local.training.spec import TrainingSpec

GATHER_S = 600.0
"""How long machines wait for each other."""
_LOOK_EVERY_S = 0.5
_TOLD_S = 20.0
"""How long the others may take to say how a round went with them."""
_ANSWERED = ("succeeded", "paused", "cancelled", "refused", "unreachable", "machine")


def led(folder: JobFolder, spec: TrainingSpec, crew: Crew) -> Report:
    """How the job ended. Raises TuneportError with a sentence, Stop when the machine is taken away."""
    from tuneport_local.remote.line import OVER, Dead, Line

    try:
        line = Line(crew)
    except Dead as dead:
        raise MachineGaveOut(f"the first machine cannot be reached by the others at port {crew.port}: {dead}.") from None
    ended = Report(0, "error")
    try:
        ended = rounds(folder, spec, lambda: _round(folder, spec, crew, line))
        return ended
    except Exception as error:
        ended = Report.of(0, error)
        raise
    finally:
        if ended.kind != "error":
            with suppress(Dead):
                line.say(OVER, {"kind": ended.kind})


def _round(folder: JobFolder, spec: TrainingSpec, crew: Crew, line: Line) -> Lost | None:
    """One start of the whole group. Which member was lost, where one was; what the others left lies in this job's folder then."""
    from tuneport_local.remote.line import ROUND
    from tuneport_local.remote.members import taken_part

    run = uuid.uuid4().hex
    saved = newest_checkpoint(folder.checkpoints, say=lambda _: None)
    line.say(ROUND, {"run": run, "checkpoint": saved.path.name if saved else ""})
    if not _gathered(folder, crew, line, run=run):
        return None
    folder.phase(JobState.STARTING, f"starting {spec.workers} workers on {crew.size} machines")
    lost = taken_part(folder, spec, crew, line, run=run)
    if any(report.rank == 0 and report.kind in _ANSWERED for report in reports(folder.path)):
        return None
    return _blamed(folder, [lost, *_others(folder, spec, crew, line, run=run)])


def _gathered(folder: JobFolder, crew: Crew, line: Line, *, run: str) -> bool:
    """Waits for the others. False where the client wants no more meanwhile, which is left as the first member would. Raises MachineGaveOut
    after ten minutes, and what another could not do."""
    end, said = time.monotonic() + GATHER_S, ""
    while missing := [number for number in range(1, crew.size) if line.heard(f"ready/{run}/{number}") is None]:
        for number in missing:
            _raise_refused(line, run=run, number=number)
        if (wish := folder.wish()) != "run":
            Report(0, "cancelled" if wish == "cancel" else "paused").write(folder.path)
            return False
        there = f"{crew.size - len(missing)} of {crew.size} machines are there"
        if time.monotonic() > end:
            raise MachineGaveOut(f"{there} after {GATHER_S / 60:.0f} minutes.", remedy="Resume asks for all of them again.")
        if there != said:
            folder.phase(JobState.STARTING, there)
            said = there
        time.sleep(_LOOK_EVERY_S)
    return True


def _raise_refused(line: Line, *, run: str, number: int) -> None:
    """Raises why another machine cannot take part."""
    from tuneport_local.remote.line import hear_told

    said = line.heard(f"told/{run}/{number}")
    for report in hear_told(said)[0] if said else ():
        raise report.error()


def _others(folder: JobFolder, spec: TrainingSpec, crew: Crew, line: Line, *, run: str) -> list[Lost | None]:
    """Whom the others have lost; a machine that says nothing is lost itself. What their members said is left beside what ours did."""
    from tuneport_local.remote.line import hear_told

    found: list[Lost | None] = []
    end = time.monotonic() + _TOLD_S
    for number in range(1, crew.size):
        while (said := line.heard(f"told/{run}/{number}")) is None and time.monotonic() < end:
            time.sleep(_LOOK_EVERY_S)
        if said is None:
            found.append(Lost(number * (spec.workers // crew.size)))
            continue
        theirs, lost = hear_told(said)
        for report in theirs:
            report.write(folder.path)
        found.append(lost)
    return found


def _blamed(folder: JobFolder, candidates: list[Lost | None]) -> Lost | None:
    """The one that ended without a word, before those that only missed it."""
    spoke = {report.rank for report in reports(folder.path)}
    return min((lost for lost in candidates if lost is not None), key=lambda lost: lost.rank in spoke, default=None)
