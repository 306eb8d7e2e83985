"""Whoever rents machines for a job: what an engine outside this distribution has to do. Imports no torch.

An engine of this kind comes from the entry point group `tuneport.engines`: its name there is the engine's, and what it names is a function
that takes Tuneport's configuration and returns a `Launcher`. It only launches, finds, looks at and ends; the job's folder is all that the
machine there and this one say to each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from tuneport.settings import Settings as Configuration
from tuneport_local.storage.place import Place

__all__ = ["GROUP", "HourlyPrice", "Launcher", "Opens", "Order", "Place", "Priced", "Rented", "Seen", "Settings"]

GROUP = "tuneport.engines"
Settings = Mapping[str, Any]
"""What a launcher has read from `[options.local.<engine>]`: plain JSON values, defaults and what the profile says filled in, no secrets. It
is kept in the recipe, and all that is asked later is asked with it: the worker may run where tuneport.toml is not found."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be launched. `bundle` is a folder on this machine, the same for all jobs of one version of the code: the machine there
    runs `command` in a copy of it. `job_id` is whose folder it works on. `name` names this launch at the vendor (lower-case letters, digits
    and hyphens, at most 63): a job that goes on after a pause is launched under another. `labels` (the same alphabet, and `_`) go on it
    where there is room."""

    job_id: str
    name: str
    settings: Settings
    bundle: Path
    bundle_sha256: str
    labels: Mapping[str, str]

    def command(self, place_there: str) -> tuple[str, ...]:
        """What the machine there runs. Exit code 0 when the training has ended as it should, was paused or cancelled. Started once more by
        the vendor, after a preemption, it goes on from the newest checkpoint."""
        return ("python", "start.py", place_there, "--launch", self.name)


@dataclass(frozen=True, slots=True)
class Rented:
    """A job at the vendor, by the id that it goes by there, and the page of the vendor's own studio that shows it."""

    id: str
    page: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """How the vendor's job stands: `waiting` for a machine, `running`, or over. `word` is the vendor's own, `reason` why it failed.

    A job that the vendor is going to start again by itself (after a preemption) is `waiting`, not over.
    """

    state: Literal["waiting", "running", "succeeded", "failed", "cancelled", "unknown"]
    word: str
    detail: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class HourlyPrice:
    """Of all the machines of one job together, where it was read and when. `confidence` is one of QuoteLine's words."""

    usd: Decimal
    source: str
    as_of: date
    confidence: str = "vendor page"


class Launcher(Protocol):
    """Errors are those of tuneport.errors. `Unreachable` and what inherits from it may pass and is asked again, and so is
    `CredentialsRefused` of a job that runs; any other `Refused` ends the job with its sentence."""

    def read(self, options: Mapping[str, Any]) -> Settings:
        """The engine's settings, checked. Sends nothing; raises RecipeError naming the key, ConfigError for a profile."""

    def gpus(self, settings: Settings) -> int:
        """How many GPUs the machine has; 0 for a machine without. Pure."""

    def check(self, settings: Settings) -> list[str]:
        """Why nothing can be launched with them, in sentences; asks the vendor."""

    def place(self, settings: Settings, job_id: str) -> Place:
        """The job's folder as this machine reaches it."""

    def place_there(self, settings: Settings, job_id: str) -> str:
        """The same folder as the machine there reaches it: a path it is mounted at, or an fsspec URL. Pure."""

    def find(self, order: Order) -> Rented | None:
        """The vendor's job of that name, over or not. None where there is none, or the vendor's listing does not show it yet."""

    def launch(self, order: Order) -> Rented:
        """Makes one, at most. Raises Uncertain, or Ambiguous, where it cannot be told whether one was made; Unreachable and RateLimited
        only where none was. The engine has looked for it before, and looks for it afterwards."""

    def look(self, rented: Rented, settings: Settings) -> Seen:
        """How it stands."""

    def cancel(self, rented: Rented, settings: Settings) -> None:
        """Ends it; one that is over already is left as it is."""

    def log(self, rented: Rented, settings: Settings) -> str:
        """The end of what the machine there has printed, or '' where there is nothing yet."""


@runtime_checkable
class Priced(Protocol):
    """A launcher that knows what its machines cost."""

    def price(self, settings: Settings) -> HourlyPrice | None:
        """Without any request; None for a machine whose price it does not know."""


Opens = Callable[[Configuration], Launcher]
"""What the entry point names. Calling it loads no SDK: planning does that too."""
