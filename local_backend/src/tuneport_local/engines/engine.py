"""What trains a job once its worker has the device. Imports no torch.

The worker keeps the job's lock and settles how the job ends, whatever trains. An engine that starts processes of its own passes on what the
first of them reports; they write into the job's folder in between, and the worker does not.
"""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

if TYPE_CHECKING:
    from tuneport_local.jobs.folder import JobFolder
    from tuneport_local.training.spec import TrainingSpec

Outcome = Literal["succeeded", "paused", "cancelled"]
Name = Literal["process", "accelerate", "ray"]
RESTARTS = 3


class Stop(BaseException):
    """The system asked the worker to end. Not an Exception, so that no library swallows it."""


class Engine(Protocol):
    """A module of this room."""

    def run(self, folder: JobFolder, spec: TrainingSpec) -> Outcome:
        """Trains the job until it is done or the client wishes otherwise. Raises TuneportError with a sentence."""


class EngineElsewhere(Engine, Protocol):
    """One that has other machines train."""

    def stop(self, folder: JobFolder) -> None:
        """Ends what goes on there for a job that is over here."""


@dataclass(frozen=True, slots=True)
class Listed:
    """An engine: its module in this room, whether it takes several workers, what it is, and the package that it needs beside ours, with its
    first version (two numbers)."""

    name: Name
    module: str
    several: bool
    what: str
    package: str = ""
    first: tuple[int, int] = (0, 0)

    def load(self) -> Engine:
        """The engine itself."""
        made: Engine = import_module(f"tuneport_local.engines.{self.module}")
        return made

    def why_not(self) -> str:
        """Why it cannot be used here, or ''."""
        if not self.package:
            return ""
        install = f"pip install 'tuneport-local[{self.package}]'"
        try:
            version = importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return f"engine {self.name!r} needs {self.package}, which is not installed ({install})"
        numbers = re.findall(r"[0-9]+", version)[:2]
        if tuple(int(number) for number in numbers) < self.first:
            return f"engine {self.name!r} needs {self.package} {self.first[0]}.{self.first[1]} or newer, and here is {version} ({install})"
        return ""


ENGINES: dict[str, Listed] = {
    "process": Listed("process", "process", False, "one process on one device"),
    "accelerate": Listed("accelerate", "accelerate", True, "a process for each GPU of this machine, or several on its CPU"),
    "ray": Listed("ray", "ray", True, "members that Ray Train starts, on this machine", package="ray", first=(2, 55)),
}


def engine_of(name: str) -> Engine:
    """The engine of that name: one of this room, or the one that has machines rented by a launcher of that name."""
    if name in ENGINES:
        return ENGINES[name].load()
    rented: Engine = import_module("tuneport_local.engines.rented")
    return rented


def elsewhere(values: Mapping[str, Any]) -> bool:
    """Whether a recipe's hyperparameters have other machines train than this one."""
    return bool(values.get("address")) or values.get("rented") is not None


def pause_elsewhere(folder: JobFolder) -> None:
    """Has a machine that is rented for a job which nobody follows here stop after its step, and be given back."""
    if folder.recipe().get("hyperparameters", {}).get("rented") is not None:
        import_module("tuneport_local.engines.rented").pause(folder)


def stop_elsewhere(folder: JobFolder) -> None:
    """Ends what a job that is over here still has going on other machines; most have nothing there."""
    values = folder.recipe().get("hyperparameters", {})
    if elsewhere(values):
        cast(EngineElsewhere, engine_of(values["engine"])).stop(folder)
