"""One launch at the vendor for a job, at most, whatever becomes of the answer. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.clock import Clock
from tuneport.errors import Ambiguous, RateLimited, Refused, Uncertain, Unreachable
from tuneport.job import JobState
from tuneport_local.bundle import Bundle, built
from tuneport_local.engines.launcher import Launcher, Order, Rented
from tuneport_local.engines.rental import Rental
from tuneport_local.jobs.failures import Interrupted
from tuneport_local.remote.brought import base_sent
from tuneport_local.storage.ended import ended
from tuneport_local.storage.lease import alive

if TYPE_CHECKING:
    from tuneport_local.jobs.folder import JobFolder
    from tuneport_local.storage.followed import Followed
    from tuneport_local.storage.place import Place

_LOOKS_S = (0.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""Pauses before each look for a launch whose answer was lost: listings lag."""
_AGAIN_S = (5.0, 60.0)
"""The first and the longest pause before a vendor that does not answer is asked again."""
_PATIENCE_S = 3600.0


class Launching:
    """The launches of one job."""

    def __init__(
        self, folder: JobFolder, launcher: Launcher, settings: Mapping[str, Any], *, followed: Followed, place: Place, clock: Clock
    ) -> None:
        self._folder = folder
        self._launcher = launcher
        self._settings = settings
        self._followed = followed
        self._place = place
        self._clock = clock

    def begun(self, *, base: str) -> bool:
        """Whether there is something to follow: what goes on already, or what was launched now; not where the client wants no more.

        Raises Interrupted where nobody knows whether it was launched, Refused with the vendor's reason.
        """
        rental = Rental.of(self._folder.path)
        if rental.phase == "launched":
            return True
        if rental.goes_on:
            if self._found(rental):
                return True
            if rental.phase == "launching":
                raise self._nobody_knows(rental)
            self._folder.event("warning", f"{rental.name} was not found again: another one is launched, as the resume asks for")
        return self._launched(rental, base=base)

    def _launched(self, before: Rental, *, base: str) -> bool:
        self._folder.phase(JobState.QUEUED, "putting the job's folder on the storage")
        self._followed.send()
        if sent := base_sent(self._place, base, home=Path(self._folder.recipe()["home"])):
            self._folder.event("info", f"base {base} lies on this machine: {sent / 1e6:,.1f} MB of it were sent with the job")
        bundle = built(self._folder.path.parent.parent / "bundles")
        rental = before.next(_named(self._folder.id, before.launches + 1)).write(self._folder.path)
        order = order_of(self._folder, rental.name, self._settings, bundle=bundle)
        self._folder.phase(JobState.QUEUED, "asking for a machine")
        rented = self._asked_for(order, rental)
        if rented is None:
            return False
        rental.launched(rented).write(self._folder.path)
        page = f" ({rented.page})" if rented.page else ""
        self._folder.event("info", f"launched as {rental.name}{page}; its folder is {self._place.url}", {"id": rented.id})
        return True

    def _asked_for(self, order: Order, rental: Rental) -> Rented | None:
        """The vendor's job; None where the client does not want it any more before there is one."""
        end, pause = self._clock.monotonic() + _PATIENCE_S, _AGAIN_S[0]
        while True:
            try:
                return self._launcher.find(order) or self._launcher.launch(order)
            except (Ambiguous, Uncertain):
                if (found := self._looked_for(order)) is not None:
                    return found
                raise self._nobody_knows(rental) from None
            except Unreachable as error:  # nothing was made
                if self._clock.monotonic() > end:
                    rental.over().write(self._folder.path)
                    raise
                self._folder.phase(JobState.QUEUED, f"asking for a machine: {error.message}")
                after = error.retry_after_s if isinstance(error, RateLimited) else None
            except Refused:
                rental.over().write(self._folder.path)
                raise
            if self._folder.wish() != "run":
                rental.over().write(self._folder.path)
                return None
            self._clock.sleep(max(after or 0.0, pause))
            pause = min(2 * pause, _AGAIN_S[1])

    def _found(self, rental: Rental) -> bool:
        """Whether a launch of which no answer is known goes on, or has ended with a word."""
        rented = self._looked_for(order_of(self._folder, rental.name, self._settings))
        if rented is not None:
            rental.launched(rented).write(self._folder.path)
            self._folder.event("info", f"{rental.name} was found", {"id": rented.id})
            return True
        return ended(self._place, rental.names) is not None or alive(self._place, clock=self._clock)

    def _looked_for(self, order: Order) -> Rented | None:
        for pause in _LOOKS_S:
            self._clock.sleep(pause)
            try:
                found = self._launcher.find(order)
            except Unreachable:
                continue
            if found is not None:
                return found
        return None

    def _nobody_knows(self, rental: Rental) -> Interrupted:
        rental.uncertain().write(self._folder.path)
        return Interrupted(
            f"whether {rental.name} was launched is not known: the answer was lost, and it was not found.",
            remedy="Look for it in the vendor's studio. Resume looks again and follows it; where it is not there, it launches another one.",
        )


def order_of(folder: JobFolder, name: str, settings: Mapping[str, Any], *, bundle: Bundle | None = None) -> Order:
    """That of a launch. Without a bundle it is for looking only."""
    recipe = folder.recipe()
    labels = {"tuneport_job": _label(folder.id), "tuneport_recipe": str(recipe.get("recipe_fingerprint") or "")[:32]}
    return Order(folder.id, name, settings, bundle.path if bundle else Path(), bundle.sha256 if bundle else "", labels)


def _named(job_id: str, number: int) -> str:
    return f"tuneport-{_label(job_id)[:48]}-{number}"


def _label(text: str) -> str:
    return re.sub(r"[^a-z0-9-]+", "-", text.lower())[:63]
