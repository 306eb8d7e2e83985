"""What was found of two models on the same rows: values to read, print or draw. They hold the rows' contents where they say so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from tuneport.parity.rows import ParityRow

if TYPE_CHECKING:
    from tuneport.intervals import Difference

Who = Literal["old", "new", "prompted"]


@dataclass(frozen=True, slots=True)
class Measured:
    """One metric of two models on the same rows. `difference` is first - old, None where `reason` says why there is none.

    won, lost   rows on which the first does better, or worse; None for a metric that is no number of a row
    worth       how many rows of equal weight the metric rests on: all of them, or fewer where it is a mean over labels
    variance    of one such row's difference, one further row that differs included
    points      whether it goes from 0 to 1, so that a margin in points means something
    """

    metric: str
    first: float | None
    old: float | None
    difference: Difference | None = None
    reason: str = ""
    won: int | None = None
    lost: int | None = None
    worth: float = 0.0
    variance: float = 0.0
    points: bool = True
    right_or_wrong: bool = False


@dataclass(frozen=True, slots=True)
class Contest:
    """A model against the old one. `primary` is the metric that a verdict is about, `why` why it is not the first asked for."""

    who: Who
    rows: int
    measured: tuple[Measured, ...]
    primary: str | None = None
    why: str = ""

    @property
    def decisive(self) -> Measured | None:
        """What the verdict is about."""
        return next((each for each in self.measured if each.metric == self.primary), None)


@dataclass(frozen=True, slots=True)
class Agreement:
    """On how many of the rows that both answered they say the same, white space and Unicode forms aside."""

    same: int
    rows: int
    interval: tuple[float, float]
    level: float

    @property
    def share(self) -> float:
        """From 0 to 1."""
        return self.same / self.rows


@dataclass(frozen=True, slots=True)
class Differing:
    """A row with different answers: lost (the old one is right by exact match, the new one is not), won, or other (both wrong, or nobody
    knows)."""

    row: ParityRow = field(repr=False)
    kind: Literal["lost", "won", "other"]


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds from the request to the whole answer, over `rows` answers."""

    rows: int
    median_s: float
    p95_s: float


@dataclass(frozen=True, slots=True)
class Asked:
    """How one model's asking went: rows without an answer, answers that failed or were cut off, times, and mean tokens of those counted.
    `empty` answers say nothing, and `different` are all that did not fail, the same ones counted once."""

    missing: int
    failed: int
    cut_off: int
    latency: Latency | None = None
    tokens: tuple[float, float] | None = None
    empty: int = 0
    different: int = 0


@dataclass(frozen=True, slots=True)
class Compared:
    """Everything that was found. `repeated` is how many rows ask what another row asked before; `without_reference` how many have none;
    `references` how many different ones there are."""

    rows: int
    ported: Contest | None
    prompted: Contest | None
    agreement: Agreement | None
    differing: tuple[Differing, ...] = field(repr=False)
    asked: Mapping[Who, Asked]
    without_reference: int
    repeated: int
    level: float
    resamples: int
    seed: int
    references: int = 0
