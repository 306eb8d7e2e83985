"""The copies of a job's folder that its program and its members have on a cluster, and the storage between them. Imports no torch."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import TypeVar

from tuneport.errors import ConfigError
from tuneport_local.engines.member import trained
from tuneport_local.engines.reports import ENDED, FOLDER, Report
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.storage.place import MARKER, Place
from tuneport_local.storage.sent import NOT_SHARED, Sending, brought_up, fetched, sending

Found = TypeVar("Found")
SAID = "tuneport: "
"""How a line begins that is meant for whoever follows the job and does not see the storage either."""


class Copies:
    """The program's own copy: it is up to date before the members begin, and again once they have ended."""

    def __init__(self, folder: Path, place: Place) -> None:
        self.url = place.url
        self.filesystem = place.filesystem
        self._folder = folder
        self._place = place
        self._sender = Sending(folder, place)

    def kept(self, start: Callable[[], Found]) -> Found:
        """What `start` returns. What the program has written goes to the members, and what they have left comes back."""
        self._place.remove(FOLDER)
        self._sender.send(all_of_it=True)
        found = start()
        brought_up(self._folder, self._place)
        self.heard()
        for name in self._place.names("checkpoints"):
            if name.endswith(MARKER):  # whether there is one, and which, is all that the program asks
                (self._folder / "checkpoints" / name).parent.mkdir(parents=True, exist_ok=True)
                (self._folder / "checkpoints" / name).write_bytes(self._place.read(f"checkpoints/{name}") or b"")
        self._sender = Sending(self._folder, self._place)
        return found

    def heard(self) -> None:
        """Takes what the members have said of themselves."""
        self._place.take(FOLDER, self._folder / FOLDER)

    def end(self, report: Report) -> None:
        """Leaves how the job ended where the job's worker looks for it."""
        self._sender.send(all_of_it=True)
        self._place.write(f"{FOLDER}/{ENDED}", report.to_json())


def home() -> Path:
    """Where bases lie on this machine."""
    return Path(os.environ.get("TUNEPORT_HOME") or Path(tempfile.gettempdir()) / "tuneport-home")


def driven(url: str, drive: Callable[[JobFolder, Copies], Report]) -> None:
    """Has the job at `url` driven from a copy of it. Where this machine does not see it, the program's log says so, and it ends."""
    place = Place(url)
    try:
        folder = fetched(place, home=home())
    except ConfigError as error:
        print(f"{SAID}{error.message}", flush=True)
        raise SystemExit(1) from None
    copies = Copies(folder, place)
    copies.end(drive(JobFolder(folder), copies))
    shutil.rmtree(folder.parent, ignore_errors=True)


def member(config: dict[str, str]) -> None:
    """What Ray Train runs in each member on a cluster. Raises RuntimeError where all have to begin again, and where the storage is not
    shared: whoever cannot be told there is told so."""
    rank, place = int(os.environ["RANK"]), Place(config["job"])
    try:
        folder = JobFolder(fetched(place, home=home()))
    except ConfigError as error:
        raise RuntimeError(f"{SAID}{error.message}") from None
    place.write(f"{FOLDER}/{rank}.pid", f"{os.getpid()}\n".encode())
    with nullcontext() if rank else sending(folder.path, place):
        report = trained(folder, rank=rank)
    shutil.rmtree(folder.path.parent, ignore_errors=True)  # all of it is on the storage
    place.write(f"{FOLDER}/{rank}.json", report.to_json())
    if report.begins_again:
        raise RuntimeError("this member has left its reason on the storage")


def refuse_what_is_not_shared(failures: Iterable[Exception]) -> None:
    """Raises ConfigError where one of the members said so."""
    for failure in failures:
        _, said, words = str(failure).partition(SAID)
        if said:
            raise ConfigError(words.splitlines()[0], remedy=NOT_SHARED)
