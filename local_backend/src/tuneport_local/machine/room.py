"""How much of a batch goes through the model at once after the memory ran out: half as much, then with activations computed anew.

A batch stays what the recipe says, so that a step learns from the same rows as before; only how many lie in memory together changes.
What was tried stands in `<job>/memory.json`, so that a worker which the system ended for its memory is followed by one that takes less.
Imports no torch.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tuneport.files import write_text

_FILE = "memory.json"


@dataclass(frozen=True, slots=True)
class Room:
    """At most `rows` at once (None: as many as seem to fit), `recompute`: with gradient checkpointing whatever seems to fit."""

    rows: int | None = None
    recompute: bool = False


@dataclass(frozen=True, slots=True)
class Tried:
    """What training took, and whether the memory sufficed. `may_recompute`: the recipe leaves gradient checkpointing to us; `limited`: more
    did not fit before."""

    rows: int
    recompute: bool
    may_recompute: bool
    ran_out: bool = False
    limited: bool = False

    @property
    def next(self) -> Room | None:
        """What to try after this; None where there is nothing less."""
        if self.rows > 1:
            return Room(self.rows // 2, self.recompute)
        return Room(1, recompute=True) if self.may_recompute and not self.recompute else None

    def keep(self, job: Path) -> None:
        """Writes it down."""
        write_text(job / _FILE, json.dumps(asdict(self)) + "\n")


def tried(job: Path) -> Tried | None:
    """What the last worker of the job took; None before there was one, or where it cannot be read."""
    try:
        return Tried(**json.loads((job / _FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def room_of(job: Path) -> Room:
    """What the job may take now: less than what its memory did not suffice for."""
    last = tried(job)
    if last is None or not (last.ran_out or last.limited):
        return Room()
    as_before = Room(last.rows, last.recompute)
    return (last.next or as_before) if last.ran_out else as_before


def note_that_it_ran_out(job: Path) -> Room | None:
    """Has the next worker of the job take less, and says how much; None where there is nothing less, or nothing was tried yet."""
    last = tried(job)
    if last is None or last.next is None:
        return None
    replace(last, ran_out=True).keep(job)
    return last.next


def said(rows: int | None, *, recompute: bool) -> str:
    """`4 rows at once`"""
    count = "1 row" if rows == 1 else f"{rows} rows"
    return f"{count} at once" + (", activations computed anew" if recompute else "")
