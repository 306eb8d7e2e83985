"""What a part of the benchmark hands back: its figures, and how they stand to the limits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Verdict:
    """One figure and its limit: at least that, or with `at_most` at most. `value` is None when it was not measured, for `reason`."""

    name: str
    value: float | None
    limit: float
    at_most: bool = False
    unit: str = "x"
    reason: str = ""

    @property
    def holds(self) -> bool:
        """Whether the limit is kept; what was not measured breaks none."""
        return self.value is None or (self.value <= self.limit if self.at_most else self.value >= self.limit)

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.name}: not measured: {self.reason}"
        side = "at most" if self.at_most else "at least"
        return f"{self.name}: {self.value:.2f} {self.unit} ({side} {self.limit:g}){'' if self.holds else ' BROKEN'}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one part. `notes` are for people."""

    figures: Mapping[str, Any]
    verdicts: tuple[Verdict, ...] = ()
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"figures": dict(self.figures), "verdicts": [asdict(each) for each in self.verdicts], "notes": self.notes}

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Outcome:
        """From `to_dict`."""
        return cls(found["figures"], tuple(Verdict(**each) for each in found["verdicts"]), tuple(found["notes"]))


@dataclass(frozen=True, slots=True)
class Setting:
    """What is measured on. `chat` is a file of made-up rows, `folder` a place for what is written, `data` that of the real sets."""

    chat: Path
    folder: Path
    data: Path
    rounds: int
    rival_rows: int
    token_rows: int
    small_mb: float
    large_mb: float
    rows: int


Part = Callable[[Setting], Outcome]
