"""The process that tells one tracking tool of one job: `python -m tuneport_local.tracking.follower FOLDER TOOL`.

It reads the job's folder and never touches the training: whatever the tool does (hang, crash, take memory), no step waits for it. It
outlives the worker, so that also a job whose worker was killed gets its end there. What could not be told is told by the next attempt.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout

from tuneport.files import write_bytes
from tuneport.job import JobState
from tuneport.redaction import without_secrets
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.jobs.launch import worker_holds
from tuneport_local.tracking.reporter import About, End
from tuneport_local.tracking.telling import readings_of, run_name, settings_of
from tuneport_local.tracking.tools import TOOLS, reporter_of

FOLDER = "tracking"
_LOOK_EVERY_S = 1.0
_WAITS_S = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
_PATIENCE_S = 120.0
"""How long a tool is waited for once the job is over, in all."""
_ENDS: Mapping[JobState, End] = {
    JobState.SUCCEEDED: "succeeded",
    JobState.FAILED: "failed",
    JobState.EXPIRED: "failed",
    JobState.CANCELLED: "cancelled",
    JobState.PAUSED: "paused",
}
_SECRET_NAME = re.compile(r"KEY|TOKEN|PASSWORD|SECRET|CREDENTIAL", re.IGNORECASE)
_USER_IN_ADDRESS = re.compile(r"(?<=://)[^/@\s]+@")


@dataclass(slots=True)
class Told:
    """What a tool has been told of a job: its run there, and of each reading the last step. Kept in `tracking/<tool>.json`."""

    path: Path
    run: str | None = None
    sent: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Told:
        """What was kept; nothing where that cannot be read."""
        try:
            said = json.loads(path.read_bytes())
            return cls(path, said["run"], {str(name): int(step) for name, step in said["sent"].items()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return cls(path)

    def new(self, step: int, readings: Mapping[str, float]) -> dict[str, float]:
        """Those readings that have not been sent for this step or a later one: what is trained again is not told twice."""
        return {name: value for name, value in readings.items() if step > self.sent.get(name, -1)}

    def keep(self) -> None:
        """Writes it down."""
        write_bytes(self.path, json.dumps({"run": self.run, "sent": self.sent}).encode())


class Follower:
    """One job and one tool, which is waited for `patience_s` once the job is over."""

    def __init__(self, folder: JobFolder, tool: str, *, patience_s: float) -> None:
        recipe = folder.recipe()
        shared = Path(recipe["home"]) / "local" / FOLDER
        about = About(folder.id, run_name(recipe, folder.id), settings_of(recipe), folder.path / FOLDER, shared)
        self._job = folder
        self._name = TOOLS[tool].called
        self._patience_s = patience_s
        self._attempt = folder.status().attempt
        self._told = Told.read(folder.path / FOLDER / f"{tool}.json")
        self._reporter = reporter_of(tool, about)
        self._open = False
        self._place = 0
        self._failures = 0
        self._over_at: float | None = None

    def run(self) -> bool:
        """Tells the tool until the job is over; whether it heard everything."""
        while True:
            end = self._end()
            if end is not None and self._over_at is None:
                self._over_at = time.monotonic()
                self._leave_after(self._patience_s + 5.0)
            if not self._job.exists() or self._job.status().attempt != self._attempt:
                return False  # deleted, or it goes on already: then its next follower waits for this one
            if self._try(end):
                return True
            if self._over_at is not None and time.monotonic() - self._over_at > self._patience_s:
                self._give_up()
                return False
            time.sleep(_WAITS_S[min(self._failures, len(_WAITS_S)) - 1] if self._failures else _LOOK_EVERY_S)

    def _try(self, end: End | None) -> bool:
        """Tells what there is; whether that was the end."""
        try:
            self._tell(end)
        except Exception as error:
            self._trouble(error)
            return False
        if self._failures:
            self._event("info", f"{self._name} answers again")
        self._failures = 0
        return end is not None

    def _tell(self, end: End | None) -> None:
        if not self._open:
            self._begin()
        before = dict(self._told.sent)
        for step, readings, at_ms in self._readings():
            self._reporter.send(step, readings, at_ms=at_ms)
            self._told.sent |= dict.fromkeys(readings, step)
        if self._told.sent != before:
            self._told.keep()
        if end is not None:
            self._reporter.end(end)

    def _begin(self) -> None:
        run = self._reporter.begin(self._told.run)
        self._open = True
        if self._told.run is None:
            self._told.run = run
            self._told.keep()
            self._event("info", f"{self._name}: {_plain(self._reporter.where)}")

    def _readings(self) -> Iterator[tuple[int, dict[str, float], int]]:
        """What the job has measured since the last look. A place is left behind only once what stands before it is told."""
        for place, line in self._job.readings(self._place):
            step, at = int(line.pop("step")), datetime.fromisoformat(line.pop("at"))
            line.pop("attempt", None)
            if new := self._told.new(step, readings_of(line)):
                yield step, new, int(at.timestamp() * 1000)
            self._place = place

    def _end(self) -> End | None:
        """How the job ended, if it has: by its state, or because nobody is at work any more."""
        state = self._job.status().state
        if state in _ENDS:
            return _ENDS[state]
        if worker_holds(self._job.lock):
            return None
        return _ENDS.get(self._job.status().state, "killed")  # read again: it may have ended in between

    def _trouble(self, error: Exception) -> None:
        if self._failures == 0:
            words = _plain(f"{type(error).__name__}: {error}")
            self._event("warning", f"{self._name} cannot be told ({words}); the training goes on, and it is tried again.")
        self._failures += 1

    def _give_up(self) -> None:
        said = "was not told everything; metrics.jsonl has it, and the next attempt of the job tells it"
        self._event("warning", f"{self._name} {said}.")

    def _leave_after(self, seconds: float) -> None:
        """A tool that hangs does not keep this process for ever."""

        def leave() -> None:
            self._give_up()
            os._exit(1)

        timer = threading.Timer(seconds, leave)
        timer.daemon = True
        timer.start()

    def _event(self, level: str, message: str) -> None:
        with suppress(OSError):
            self._job.event(level, message)


def _plain(text: str) -> str:
    """One line without anything secret: neither what looks so, nor what the environment calls so, nor a user in an address."""
    text = _USER_IN_ADDRESS.sub("", " ".join(text.split()))
    for name, value in os.environ.items():
        if _SECRET_NAME.search(name) and len(value) >= 6:
            text = text.replace(value, "[hidden]")
    return without_secrets(text)[:300]


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0 when the tool has heard everything."""
    parser = argparse.ArgumentParser(prog="python -m tuneport_local.tracking.follower", description="Tells a tracking tool of one job.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("tool", choices=sorted(TOOLS))
    parser.add_argument("--patience-s", type=float, default=_PATIENCE_S, help="how long to wait for the tool once the job is over")
    given = parser.parse_args(arguments)
    folder = JobFolder(given.folder.absolute())
    (folder.path / FOLDER).mkdir(exist_ok=True)
    try:
        with FileLock(folder.path / FOLDER / f"{given.tool}.lock", timeout=given.patience_s + 10.0):
            return 0 if Follower(folder, given.tool, patience_s=given.patience_s).run() else 1
    except Timeout:
        folder.event("warning", f"{TOOLS[given.tool].called} is still being told of an earlier attempt; this one is not told.")
        return 1


if __name__ == "__main__":
    sys.exit(main())
