"""What is known of a job's launches: `<job>/rented.json`, written before each of them and after. Imports no torch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from tuneport.files import write_text
from tuneport_local.engines.launcher import Rented

_FILE = "rented.json"
Phase = Literal["none", "launching", "launched", "uncertain", "over"]


@dataclass(frozen=True, slots=True)
class Rental:
    """`names`: the launches since the job's folder was last sent, of which one may train; the last is the one that is followed.
    `launches` counts all that were ever named. `id` and `page` are the vendor's.

    launching: the vendor was asked, or is about to be;  uncertain: the user was told that nobody knows;  over: it has ended there
    """

    phase: Phase = "none"
    launches: int = 0
    names: tuple[str, ...] = ()
    id: str = ""
    page: str = ""

    @classmethod
    def of(cls, job: Path) -> Rental:
        """As it was written; the empty one before the first launch."""
        try:
            found: dict[str, Any] = json.loads((job / _FILE).read_bytes())
        except FileNotFoundError:
            return cls()
        return cls(**{**found, "names": tuple(found["names"])})

    def write(self, job: Path) -> Rental:
        """Keeps it."""
        write_text(job / _FILE, json.dumps(asdict(self), indent=1) + "\n")
        return self

    @property
    def name(self) -> str:
        """Of the launch that is followed; '' before the first."""
        return self.names[-1] if self.names else ""

    @property
    def rented(self) -> Rented | None:
        """The vendor's job, where its id is known."""
        return Rented(self.id, self.page) if self.id else None

    @property
    def goes_on(self) -> bool:
        """Whether something may be going on at the vendor."""
        return self.phase in ("launching", "launched", "uncertain")

    def next(self, name: str) -> Rental:
        """Another launch, about to be made. Those that may go on still count."""
        return Rental("launching", self.launches + 1, (*(self.names if self.goes_on else ()), name))

    def launched(self, rented: Rented) -> Rental:
        """The vendor has it."""
        return replace(self, phase="launched", id=rented.id, page=rented.page)

    def uncertain(self) -> Rental:
        """Nobody knows whether the vendor has it."""
        return replace(self, phase="uncertain")

    def over(self) -> Rental:
        """It has ended there."""
        return replace(self, phase="over")
