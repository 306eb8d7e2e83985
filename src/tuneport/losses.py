"""What reading, recasting and writing lose: kinds of loss, in how many rows, and on which lines first."""

from __future__ import annotations

from dataclasses import dataclass

from tuneport.errors import DatasetError

LINES_KEPT = 10
"""How many line numbers a loss remembers."""


@dataclass(frozen=True, slots=True)
class Loss:
    """One kind of thing that a format could not carry: in how many rows, and the lines of the first of them."""

    kind: str
    rows: int
    lines: tuple[int, ...]


class Losses:
    """Gathers losses row by row; the first row that cannot be read ends it with a DatasetError. Each kind counts once a row."""

    def __init__(self, place: str) -> None:
        self._place = place
        self.rows = 0
        self._counts: dict[str, int] = {}
        self._lines: dict[str, list[int]] = {}
        self._latest: dict[str, int] = {}

    def bad(self, line: int, sentence: str) -> None:
        raise DatasetError(f"{self._place}:{line}: {sentence}", line=line)

    def lost(self, line: int, kind: str) -> None:
        if self._latest.get(kind) == line:
            return
        self._latest[kind] = line
        self._counts[kind] = self._counts.get(kind, 0) + 1
        lines = self._lines.setdefault(kind, [])
        if len(lines) < LINES_KEPT:
            lines.append(line)

    def merge(self, others: Losses, *, shift: int = 0) -> None:
        """Adds what was found in other rows, whose lines are counted from `shift` less."""
        self.rows += others.rows
        for kind, count in others._counts.items():
            self._counts[kind] = self._counts.get(kind, 0) + count
            lines = self._lines.get(kind, []) + [line + shift for line in others._lines[kind]]
            self._lines[kind] = sorted(lines)[:LINES_KEPT]

    def report(self) -> tuple[Loss, ...]:
        """One entry a kind, the commonest first."""
        kinds = sorted(self._counts, key=lambda kind: (-self._counts[kind], kind))
        return tuple(Loss(kind, self._counts[kind], tuple(self._lines[kind])) for kind in kinds)
