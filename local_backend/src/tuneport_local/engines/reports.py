"""How the members of a group ended, each in a file of its own: `<job>/group/<rank>.json`. Their launcher reads them. Imports no torch."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

from tuneport.errors import TuneportError, Unreachable
from tuneport.files import write_bytes, write_text
from tuneport_local.jobs.failures import MachineGaveOut, OutOfMemory, first_line, out_of_memory, told

FOLDER = "group"
ENDED = "ended"
"""How the job ended, where a program between its worker and the members says so."""
Kind = Literal["succeeded", "paused", "cancelled", "memory", "machine", "unreachable", "refused", "error"]
"""An outcome; memory that did not suffice; a disk or a hub that gave out; a sentence of ours; whatever a library raised."""


@dataclass(frozen=True, slots=True)
class Report:
    """How one member ended. `message` and `remedy` are those of its error."""

    rank: int
    kind: Kind
    message: str = ""
    remedy: str = ""

    @classmethod
    def of(cls, rank: int, error: Exception) -> Report:
        """What an error means for the job."""
        if isinstance(error, OutOfMemory) or out_of_memory(error):
            return cls(rank, "memory", error.message if isinstance(error, OutOfMemory) else first_line(error))
        if not isinstance(error, TuneportError):
            return cls(rank, "error", str(told(error)))
        kind: Kind = "machine" if isinstance(error, MachineGaveOut) else "unreachable" if isinstance(error, Unreachable) else "refused"
        return cls(rank, kind, error.message, error.remedy or "")

    def error(self) -> TuneportError:
        """The error again, for whoever settles the job."""
        known = {"machine": MachineGaveOut, "memory": MachineGaveOut, "unreachable": Unreachable}.get(self.kind, TuneportError)
        return known(self.message, remedy=self.remedy)

    @property
    def begins_again(self) -> bool:
        """Whether the others cannot go on without it."""
        return self.kind in ("memory", "error")

    def write(self, job: Path, *, name: str = "") -> None:
        """Leaves it for the launcher, under its number or a name of its own."""
        write_bytes(job / FOLDER / (name or f"{self.rank}.json"), self.to_json())

    def to_json(self) -> bytes:
        """As it is left."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_json(cls, data: bytes | None) -> Report | None:
        """The inverse; None for what is not there, not whole, or of another version."""
        try:
            report = cls(**json.loads(data or b""))
        except (ValueError, TypeError):
            return None
        return report if report.kind in get_args(Kind) else None


def introduced(job: Path, *, rank: int) -> None:
    """Leaves the number of this member's process."""
    write_text(job / FOLDER / f"{rank}.pid", f"{os.getpid()}\n")


def process_of(job: Path, *, rank: int) -> int | None:
    """The number of a member's process, where it got as far as saying it."""
    try:
        return int((job / FOLDER / f"{rank}.pid").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def cleared(job: Path) -> None:
    """An empty folder, for members that are about to be started."""
    shutil.rmtree(job / FOLDER, ignore_errors=True)
    (job / FOLDER).mkdir()


def reports(job: Path) -> list[Report]:
    """Those of the members that said how they ended, in the order of their numbers."""
    found = [report for path in (job / FOLDER).glob("*.json") if (report := read(path)) is not None]
    return sorted(found, key=lambda report: report.rank)


def read(path: Path) -> Report | None:
    """One of them, or None where it is not there or not whole."""
    try:
        return Report.from_json(path.read_bytes())
    except OSError:
        return None
