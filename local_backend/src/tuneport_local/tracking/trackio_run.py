"""A job as a run of trackio. Its own variables decide: TRACKIO_DIR, TRACKIO_PROJECT, TRACKIO_SPACE_ID, TRACKIO_SERVER_URL, …

Without a space or a server everything stays on this machine.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from tuneport_local.tracking.reporter import PROJECT, About, End


class TrackioRun:
    """The run has the job's name. trackio knows no state of a run, so that the end is an alert with the word."""

    def __init__(self, about: About) -> None:
        self._about = about
        self._run: Any = None

    def begin(self, run: str | None) -> str:
        import trackio

        self._run = trackio.init(
            project=os.environ.get("TRACKIO_PROJECT", PROJECT),
            name=run or self._about.name,
            config={**self._about.settings, "job": self._about.job_id},
            resume="allow",
            embed=False,
            auto_log_gpu=False,
            auto_log_cpu=False,
        )
        return str(self._run.name)

    def send(self, step: int, readings: Mapping[str, float], *, at_ms: int) -> None:
        self._run.log(dict(readings), step=step)

    def end(self, how: End) -> None:
        from trackio import AlertLevel

        self._run.alert(title=how, level=AlertLevel.ERROR if how in ("failed", "killed") else AlertLevel.INFO)
        self._run.finish()

    @property
    def where(self) -> str:
        return f"run {self._run.name} of project {self._run.project}"
