"""A job on a machine that a launcher rents for it: one launch at the vendor, followed through the job's place on storage.

Where the worker here ends, what it launched goes on: the next one finds it in the job's record and follows it. A launch whose answer is not
known is looked for and never made again by itself: then the job pauses, and only who resumes it may have another one made.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.clock import Clock, SystemClock
from tuneport.errors import CredentialsRefused, QuotaExceeded, TuneportError, Unreachable
from tuneport.settings import load_settings
from tuneport_local.engines.engine import Outcome, Stop
from tuneport_local.engines.installed import opened
from tuneport_local.engines.launcher import Launcher
from tuneport_local.engines.launching import Launching, order_of
from tuneport_local.engines.rental import Rental
from tuneport_local.engines.reports import Report
from tuneport_local.engines.rounds import outcome_of
from tuneport_local.engines.watching import Watching
from tuneport_local.jobs.failures import Interrupted, first_line
from tuneport_local.storage.followed import Followed
from tuneport_local.tracking.tracked import tracked

if TYPE_CHECKING:
    from tuneport_local.jobs.folder import JobFolder
    from tuneport_local.training.spec import TrainingSpec

_SHOWN = 300
_PASSING = (CredentialsRefused, QuotaExceeded, Unreachable)


def run(folder: JobFolder, spec: TrainingSpec) -> Outcome:
    """Has a rented machine train the job. Raises TuneportError with a sentence; Interrupted where what was launched may go on."""
    return hired(folder, spec, SystemClock(), launcher=_launcher_of(folder))


def hired(folder: JobFolder, spec: TrainingSpec, clock: Clock, *, launcher: Launcher) -> Outcome:
    """The same with a launcher that is open, and somebody's clock."""
    with tracked(folder) as tracking:
        try:
            report = _followed(folder, spec, clock, launcher=launcher)
        except Exception as error:
            raise _while_it_goes_on(folder, error) from error
        outcome = outcome_of(report)
        tracking.ended(outcome)
    return outcome


def _followed(folder: JobFolder, spec: TrainingSpec, clock: Clock, *, launcher: Launcher) -> Report:
    """How what goes on there, or was launched now, has ended."""
    assert spec.rented is not None
    place = launcher.place(spec.rented, folder.id)
    followed = Followed(folder, place)
    try:
        while Launching(folder, launcher, spec.rented, followed=followed, place=place, clock=clock).begun(base=spec.base):
            report = Watching(folder, launcher, spec.rented, followed=followed, place=place, clock=clock).ended()
            if report.kind != "paused" or folder.wish() != "run" or folder.asked_to_go_on():
                return report
            folder.next_attempt()  # it was paused while nobody followed, and the job has been resumed since
        return Report(0, "paused")
    except Stop:
        if folder.wish() == "cancel":
            with suppress(Exception):
                _cancelled(folder, launcher, spec.rented)
                followed.finish()
        raise


def stop(folder: JobFolder) -> None:
    """Ends what the vendor has going for a job that is over here. One that cannot be told is an event."""
    values = folder.recipe().get("hyperparameters", {})
    rental = Rental.of(folder.path)
    if not rental.goes_on:
        return
    try:
        launcher = _launcher_of(folder)
        with suppress(TuneportError):  # whoever begins after all reads it and ends
            launcher.place(values["rented"], folder.id).write("wish", b"cancel")
        if not _cancelled(folder, launcher, values["rented"]):
            raise Interrupted(f"its job {rental.name} was not found")
    except Exception as error:  # whatever an SDK raises
        said = f"engine {values.get('engine')!r} could not be told that the job is cancelled ({first_line(error)[:_SHOWN]})"
        folder.event("warning", f"{said}: look for {rental.name} there, and end it")


def pause(folder: JobFolder) -> None:
    """Has what goes on there for a job that nobody follows here stop after its step. One that cannot be told is an event."""
    if not Rental.of(folder.path).goes_on:
        return
    try:
        _launcher_of(folder).place(folder.recipe()["hyperparameters"]["rented"], folder.id).write("wish", b"pause")
    except Exception as error:  # whatever an SDK raises
        folder.event("warning", f"what trains the job elsewhere could not be told to pause ({first_line(error)[:_SHOWN]})")


def _launcher_of(folder: JobFolder) -> Launcher:
    recipe = folder.recipe()
    try:
        return opened(recipe["hyperparameters"]["engine"], load_settings(home=Path(recipe["home"])))
    except TuneportError as error:
        raise _while_it_goes_on(folder, error) from error


def _cancelled(folder: JobFolder, launcher: Launcher, settings: Mapping[str, Any]) -> bool:
    """Whether the vendor's job was known, and was ended."""
    rental = Rental.of(folder.path)
    rented = rental.rented or launcher.find(order_of(folder, rental.name, settings))
    if rented is None:
        return False
    launcher.cancel(rented, settings)
    rental.over().write(folder.path)
    return True


def _while_it_goes_on(folder: JobFolder, error: Exception) -> Exception:
    """An error here is none of what was launched: the job can be followed again. Nor is one of an expired login, or of a vendor that has no
    machine now, one of the job."""
    rental = Rental.of(folder.path)
    if isinstance(error, Interrupted) or not (rental.goes_on or isinstance(error, _PASSING)):
        return error
    remedy = error.remedy if isinstance(error, TuneportError) else ""
    what = error.message if isinstance(error, TuneportError) else f"{type(error).__name__}: {first_line(error)[:_SHOWN]}."
    then = f"What was launched as {rental.name} may go on, and resume follows it." if rental.goes_on else "Resume asks for a machine again."
    return Interrupted(what, remedy=f"{remedy} {then}".strip())
