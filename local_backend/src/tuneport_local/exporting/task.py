"""One export as its form gets it, and what the form hands back."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tuneport.errors import ConfigError
from tuneport.examples import Example
from tuneport.exporting import Check, Export
from tuneport_local.exporting.source import Source

_SPARE = 1.05


@dataclass(frozen=True, slots=True)
class Task:
    """`rows` are what the export is asked, `hear` is told what is being done."""

    source: Source
    wish: Export
    rows: tuple[Example, ...]
    home: Path
    environ: Mapping[str, str] = field(repr=False)
    hear: Callable[[str], object]

    def refuse_full_disk(self, needed_bytes: int) -> None:
        """Raises ConfigError where the disk has no room for so much."""
        place = next(folder for folder in (self.wish.to.absolute(), *self.wish.to.absolute().parents) if folder.is_dir())
        free = shutil.disk_usage(place).free
        if needed_bytes * _SPARE > free:
            raise ConfigError(
                f"the export takes about {needed_bytes / 1e6:,.0f} MB while it is made, and {place} has {free / 1e6:,.0f} MB left; "
                "nothing was written.",
                remedy="Free some space there, or choose another folder with --to.",
            )


@dataclass(frozen=True, slots=True)
class Made:
    """What a form has put into the folder, and what came of asking it.

    `lines` say in the card how it is used, `command` does on the screen; FOLDER in them stands for where it lies.
    """

    check: Check
    made_with: str = ""
    notes: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    command: str = ""
    details: Mapping[str, str | int | float | None] = field(default_factory=dict)


Writer = Callable[[Path], Made]
"""Fills the folder it is given. Everything that could stand in the way was looked at before it was made."""
