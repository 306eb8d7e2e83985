"""A launch followed until it has ended: through the job's place, and by looking at the vendor's job now and then. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from tuneport.clock import Clock
from tuneport.errors import NotFound, TuneportError
from tuneport.job import JobState
from tuneport_local.engines.launcher import Launcher, Seen
from tuneport_local.engines.launching import order_of
from tuneport_local.engines.rental import Rental
from tuneport_local.engines.reports import Report
from tuneport_local.engines.silence import Silence
from tuneport_local.jobs.failures import first_line
from tuneport_local.storage.ended import ended
from tuneport_local.storage.lease import NAME, alive, holding

if TYPE_CHECKING:
    from tuneport_local.jobs.folder import JobFolder
    from tuneport_local.storage.followed import Followed
    from tuneport_local.storage.place import Place

_EVERY_S = (2.0, 10.0)
_LOOK_EVERY_S = (2.0, 30.0)
_SHARE, _LOOK_SHARE = 1000, 50
"""The place is read again after a thousandth of the time waited, and the vendor asked after a fiftieth, within those bounds."""
_DENIED = 3
"""So often in a row the vendor has to deny a job before it counts as gone."""
_LOG_SHOWN = 300
_MARK = "tuneport: "


class Watching:
    """Of the launch that a job's record names."""

    def __init__(
        self, folder: JobFolder, launcher: Launcher, settings: Mapping[str, Any], *, followed: Followed, place: Place, clock: Clock
    ) -> None:
        self._folder = folder
        self._launcher = launcher
        self._settings = settings
        self._followed = followed
        self._place = place
        self._clock = clock
        self._rental = Rental.of(folder.path)
        self._begun = self._look_at = clock.monotonic()
        self._ran = False
        self._denied = 0
        self._storage = Silence("the job's folder", folder, clock=clock)
        self._vendor = Silence("the vendor", folder, clock=clock)

    def ended(self) -> Report:
        """How it ended, once what it left is here. Raises Interrupted where the storage, or the vendor, does not answer for a day."""
        while (report := self._ended_yet()) is None or not self._storage.answers(self._followed.finish):
            self._clock.sleep(self._share(_SHARE, _EVERY_S))
        self._rental.over().write(self._folder.path)
        return report

    def _ended_yet(self) -> Report | None:
        report: Report | None = None
        if self._storage.answers(self._followed.keep_up) and (report := self._left()) is not None:
            return report
        if (now := self._clock.monotonic()) >= self._look_at:
            self._look_at = now + self._share(_LOOK_SHARE, _LOOK_EVERY_S)
            seen: list[Seen | None] = []
            if self._vendor.answers(lambda: seen.append(self._seen())) and seen[0] is not None:
                report = self._means(seen[0])
        return report

    def _share(self, part: int, bounds: tuple[float, float]) -> float:
        least, most = bounds
        return min(max((self._clock.monotonic() - self._begun) / part, least), most)

    def _left(self) -> Report | None:
        """What the machine said of how it ended."""
        found: list[Report | None] = [None]
        self._storage.answers(lambda: found.append(ended(self._place, self._rental.names)))
        return found[-1]

    def _seen(self) -> Seen | None:
        """How the vendor's job stands; None while only the storage speaks of it."""
        rented = self._rental.rented or self._launcher.find(order_of(self._folder, self._rental.name, self._settings))
        if rented is None:
            return None if alive(self._place, clock=self._clock) else Seen("failed", "not found")
        if not self._rental.id:
            self._rental = self._rental.launched(rented).write(self._folder.path)
        try:
            seen = self._launcher.look(rented, self._settings)
        except NotFound as error:
            self._denied += 1
            if self._denied < _DENIED:
                raise
            return Seen("failed", "gone", reason=first_line(error))
        self._denied = 0
        return seen

    def _means(self, seen: Seen) -> Report | None:
        """How the job ended, where it has."""
        if seen.state == "waiting":
            return self._waits(seen)
        if seen.state == "running":
            self._ran = True
            if self._folder.status().state is JobState.QUEUED:
                self._folder.phase(JobState.STARTING, "a machine is there and is being prepared")
            return None
        if seen.state == "unknown":
            return None
        return self._left() or self._without_a_word(seen)

    def _waits(self, seen: Seen) -> Report | None:
        if self._folder.wish() == "pause":  # nobody is there to hear it
            rented = self._rental.rented
            assert rented is not None
            self._launcher.cancel(rented, self._settings)
            return Report(0, "paused")
        if self._ran:
            self._ran = False
            self._folder.event("warning", f"the machine was taken away ({seen.word}); the job goes on with the next one")
        about = f": {seen.detail}" if seen.detail else ""
        detail = f"waiting for a machine ({seen.word}){about}"
        now = self._folder.status()
        if (now.state, now.detail) != (JobState.QUEUED, detail):
            self._folder.phase(JobState.QUEUED, detail)
        return None

    def _without_a_word(self, seen: Seen) -> Report | None:
        """That of a launch that is over, and has left nothing; None where another one has the job's lease and shows it."""
        holder = holding(self._place)
        if holder is not None and holder.launch != self._rental.name and alive(self._place, clock=self._clock):
            return None
        if holder is not None and holder.launch == self._rental.name:
            self._storage.answers(lambda: self._place.remove(NAME))  # the next machine need not wait for it
        lines = self._log()
        for line in reversed(lines):
            if line.startswith(_MARK):
                return Report(0, "machine", line.removeprefix(_MARK))
        what = "was cancelled there" if seen.state == "cancelled" else "ended without a word"
        reason = f": {seen.reason.strip().splitlines()[0].rstrip('.')}" if seen.reason.strip() else ""
        end = f" The end of its log: {lines[-1][:_LOG_SHOWN].rstrip('.')}." if lines else ""
        return Report(0, "machine", f"{self._rental.name} {what} ({seen.word}{reason}).{end}", "See worker.log for more of its log.")

    def _log(self) -> list[str]:
        """The end of what was printed there, which goes to our own log as well."""
        log = ""
        if self._rental.rented is not None:
            with suppress(TuneportError):
                log = self._launcher.log(self._rental.rented, self._settings)
        print(log, flush=True)
        return [line.strip() for line in log.splitlines() if line.strip()]
