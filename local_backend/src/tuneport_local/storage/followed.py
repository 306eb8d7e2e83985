"""A job's folder here keeping up with its place, where another machine trains it. Imports no torch.

Events and readings are added to what is here, once and in order; the client's own events stay where they are. How far the place has been
read stands in `<job>/followed.json`, so that the next worker goes on from there.
"""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuneport.files import whole_folder, write_text
from tuneport.job import JobState
from tuneport_local.jobs.folder import JobFolder, JobStatus
from tuneport_local.storage.place import MARKER, Place
from tuneport_local.storage.sent import RESULT_FILES

_FILE = "followed.json"
_LISTS = ("events.jsonl", "metrics.jsonl")
_LOG = "worker.log"
_UNDERWAY = frozenset({JobState.VALIDATING, JobState.STARTING, JobState.RUNNING, JobState.FINALIZING})


class Followed:
    """The job `folder`, trained at `place`."""

    def __init__(self, folder: JobFolder, place: Place) -> None:
        self._folder = folder
        self._place = place
        self._read = _places(folder.path / _FILE)
        self._wish = "run"
        self._state = b""

    def send(self) -> None:
        """Everything that whoever trains there needs. What the place has already, checkpoints among it, stays."""
        place, path = self._place, self._folder.path
        sent: dict[str, int] = {}
        for name in (*_LISTS, "memory.json", "state.json"):
            if (path / name).is_file():
                data = (path / name).read_bytes()
                place.write(name, data)
                sent[name] = len(data)
        there = {name.partition("/")[0] for name in place.names("checkpoints") if name.endswith(MARKER)}
        for marker in sorted(path.glob(f"checkpoints/step-*/{MARKER}")):
            if marker.parent.name not in there:
                place.put(marker.parent, f"checkpoints/{marker.parent.name}")
        place.remove("group")
        place.remove("wish")
        for file in sorted((path / "data").glob("*")):  # they never change
            if place.size(f"data/{file.name}") != file.stat().st_size:
                place.put(file, f"data/{file.name}")
        place.put(path / "recipe.json", "recipe.json")
        self._keep({_LOG: self._read.get(_LOG, 0), **{name: sent.get(name, 0) for name in _LISTS}})

    def keep_up(self) -> None:
        """Takes over what is new there, and passes on what the client would like."""
        wish = self._folder.wish()
        if wish != self._wish:
            self._place.write("wish", wish.encode())
            self._wish = wish
        new = {name: self._new(name) for name in _LISTS}
        self._take_state()  # whoever reads of a step here reads as well that the job runs
        for name, data in new.items():
            self._take_lines(name, data)
        self._take_log()

    def finish(self) -> None:
        """Takes what the training has left: checkpoints, what was trained, run.json."""
        self.keep_up()
        path = self._folder.path
        for name in ("memory.json", *RESULT_FILES):
            if (data := self._place.read(name)) is not None:
                (path / name).write_bytes(data)
        self._take_checkpoints()
        for name in ("adapter", "model"):
            if self._place.names(name) and not (path / name).is_dir():
                with whole_folder(path / name) as part:
                    self._place.take(name, part)

    def _take_checkpoints(self) -> None:
        """Those there, in place of those here."""
        here = self._folder.checkpoints
        there = {name.partition("/")[0] for name in self._place.names("checkpoints") if name.endswith(MARKER)}
        for step in sorted(there):
            if not (here / step / MARKER).is_file():
                self._place.take(f"checkpoints/{step}", here / step)
        for path in here.glob("step-*"):
            if there and path.name not in there:
                shutil.rmtree(path, ignore_errors=True)

    def _take_lines(self, name: str, data: bytes) -> None:
        start = self._read.get(name, 0)
        whole = data[: data.rfind(b"\n") + 1]
        if not whole:
            return
        with (self._folder.path / name).open("ab") as file:
            file.write(whole)
        self._keep({**self._read, name: start + len(whole)})
        if name == "metrics.jsonl":
            self._tell(whole)

    def _take_log(self) -> None:
        """What the machine there has printed goes to our own log."""
        if data := self._new(_LOG):
            sys.stdout.write(data.decode(errors="replace"))
            sys.stdout.flush()
            self._keep({**self._read, _LOG: self._read.get(_LOG, 0) + len(data)})

    def _new(self, name: str) -> bytes:
        """What has been added to a file since it was last read: not all of it is fetched each time."""
        start = self._read.get(name, 0)
        if (self._place.size(name) or 0) <= start:
            return b""
        return self._place.read(name, start=start) or b""

    def _tell(self, lines: bytes) -> None:
        for raw in lines.splitlines():
            line = json.loads(raw)
            step = int(line.pop("step"))
            values = {key: value for key, value in line.items() if key not in ("attempt", "at")}
            for hear in self._folder.hearing:
                hear(step, values)

    def _take_state(self) -> None:
        """What is new there: where the job stands here may be newer than what was written there before."""
        data = self._place.read("state.json") or b""
        if data == self._state:
            return
        try:
            there = JobStatus.from_json(data)
        except (ValueError, TypeError, AttributeError):
            return  # it is being written
        self._state = data
        here = self._folder.status()
        if there.state in _UNDERWAY and (there.state, there.detail, there.attempt) != (here.state, here.detail, here.attempt):
            self._folder.write_status(replace(here, attempt=there.attempt))
            self._folder.phase(there.state, there.detail)

    def _keep(self, read: dict[str, int]) -> None:
        self._read = read
        write_text(self._folder.path / _FILE, json.dumps(read) + "\n")


def _places(path: Path) -> dict[str, int]:
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: int(found.get(name, 0)) for name in (*_LISTS, _LOG)}
