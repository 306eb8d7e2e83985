"""What a job's folder has written, sent on to its place: by whoever trains, on a machine of a cluster. Imports no torch."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tuneport.errors import ConfigError
from tuneport.files import write_bytes
from tuneport_local.storage.place import MARKER, Place

NOT_SHARED = "Name storage that every machine reaches under the same address: a bucket, or a folder mounted on all of them."
_EVERY_S = 1.0
_BYTES_A_SECOND = 1_000_000
"""A file that only grows is sent whole each time: the longer it is, the more seldom."""
_SMALL = ("state.json", "memory.json", "events.jsonl", "metrics.jsonl", "worker.log")
"""In this order: whoever reads of a step reads as well that the job runs."""
_RESULTS = ("adapter", "model")
RESULT_FILES = ("run.json", "profile.json")


def fetched(place: Place, *, home: Path) -> Path:
    """A copy of the job's folder on this machine, ready to go on from. Raises ConfigError where the place does not show it here."""
    recipe = place.read("recipe.json")
    if recipe is None:
        raise ConfigError(
            f"storage {place.url} holds no recipe.json as {os.uname().nodename} sees it: not all machines of the cluster share it.",
            remedy=NOT_SHARED,
        )
    folder = Path(tempfile.mkdtemp(prefix="tuneport-job-")) / place.url.rstrip("/").rpartition("/")[2]
    (folder / "checkpoints").mkdir(parents=True)
    place.take("data", folder / "data")
    write_bytes(folder / "recipe.json", json.dumps(_moved(json.loads(recipe), folder, home=home), indent=1).encode())
    brought_up(folder, place)
    place.take("checkpoints", folder / "checkpoints")
    return folder


def brought_up(folder: Path, place: Place) -> None:
    """What others have written there meanwhile, small files only."""
    for name in _SMALL:
        if (data := place.read(name)) is not None:
            write_bytes(folder / name, data)


def _moved(recipe: dict[str, Any], folder: Path, *, home: Path) -> dict[str, Any]:
    """The recipe with the paths of this copy."""
    files = {purpose: str(folder / "data" / Path(path).name) if path else None for purpose, path in recipe["files"].items()}
    return {**recipe, "files": files, "home": str(home)}


class Sending:
    """Sends what has changed since it was last sent."""

    def __init__(self, folder: Path, place: Place) -> None:
        self._folder = folder
        self._place = place
        self._sent: dict[str, tuple[int, int]] = {name: _stamp(folder / name) for name in _SMALL}
        self._due: dict[str, float] = {}
        self._checkpoints = {path.parent.name for path in folder.glob(f"checkpoints/step-*/{MARKER}")}
        self._wish = b""

    def send(self, *, all_of_it: bool = False) -> None:
        """Checkpoints first, so that an event never tells of one that is not there."""
        self._send_checkpoints()
        for name in _SMALL:
            stamp, now = _stamp(self._folder / name), time.monotonic()
            if stamp == self._sent[name] or (now < self._due.get(name, 0.0) and not all_of_it):
                continue
            with suppress(FileNotFoundError):
                data = (self._folder / name).read_bytes()
                self._place.write(name, data)
                self._due[name] = now + len(data) / _BYTES_A_SECOND
            self._sent[name] = stamp
        if all_of_it:
            self._send_results()

    def hear_wish(self) -> None:
        """What the client would like, as it stands there."""
        wish = self._place.read("wish") or b""
        if wish != self._wish:
            self._wish = wish
            write_bytes(self._folder / "wish", wish)

    def _send_checkpoints(self) -> None:
        there = {path.parent.name for path in self._folder.glob(f"checkpoints/step-*/{MARKER}")}
        for name in sorted(there - self._checkpoints):
            self._place.put(self._folder / "checkpoints" / name, f"checkpoints/{name}")
        for name in sorted(self._checkpoints - there):
            self._place.remove(f"checkpoints/{name}")
        self._checkpoints = there

    def _send_results(self) -> None:
        for name in _RESULTS:
            if (self._folder / name).is_dir():
                self._place.put(self._folder / name, name)
        for name in RESULT_FILES:
            if (self._folder / name).is_file():
                self._place.put(self._folder / name, name)


@contextmanager
def sending(folder: Path, place: Place) -> Iterator[None]:
    """While the block runs, what it writes is sent on and the client's wishes are heard. Storage that gives out for a while costs a delay;
    at the end everything has to get there: raises ConfigError where it does not."""
    sender, over = Sending(folder, place), threading.Event()

    def keep_up() -> None:
        while not over.wait(_EVERY_S):
            with suppress(ConfigError):
                sender.hear_wish()
                sender.send()

    thread = threading.Thread(target=keep_up, name="storage", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        sender.send(all_of_it=True)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        found = path.stat()
    except FileNotFoundError:
        return (0, 0)
    return (found.st_size, found.st_mtime_ns)
