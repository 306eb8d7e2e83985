"""Somebody far away who does not answer for a while: asked again, and told of once. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tuneport.clock import Clock
from tuneport.errors import TuneportError
from tuneport_local.jobs.failures import Interrupted, first_line

if TYPE_CHECKING:
    from tuneport_local.jobs.folder import JobFolder

_SAID_AFTER_S = 60.0
_PATIENCE_S = 24 * 3600.0


class Silence:
    """How long `who` has not answered."""

    def __init__(self, who: str, folder: JobFolder, *, clock: Clock) -> None:
        self._who = who
        self._folder = folder
        self._clock = clock
        self._since: float | None = None
        self._told = False

    def answers(self, ask: Callable[[], object]) -> bool:
        """Asks, and says whether there was an answer. Raises Interrupted after a day without one."""
        try:
            ask()
        except (TuneportError, OSError) as error:
            self._silent(error)
            return False
        if self._told:
            self._folder.event("info", f"{self._who} answers again")
        self._since, self._told = None, False
        return True

    def _silent(self, error: Exception) -> None:
        now = self._clock.monotonic()
        self._since = now if self._since is None else self._since
        if now - self._since > _PATIENCE_S:
            raise Interrupted(f"{self._who} has not answered for a day: {first_line(error)}.") from None
        if not self._told and now - self._since >= _SAID_AFTER_S:
            self._told = True
            self._folder.event("warning", f"{self._who} does not answer; the job goes on there, and is asked for again and again: {error}")
