"""What is counted of each row, kept so that its sums over rows drawn again and again cost little time and memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Tally(Protocol):
    """k numbers for each row."""

    @property
    def rows(self) -> int: ...

    @property
    def columns(self) -> int:
        """k."""

    def summed(self, weights: Array) -> Array:
        """The sums over rows, each row times its weight. weights: (rows, n) -> (n, k)."""

    def differing(self, other: Tally) -> Flags:
        """(rows,): where this tally and one of the same kind are not the same."""

    def part(self, wanted: Flags) -> Tally:
        """The rows that are wanted only."""


def total(tally: Tally) -> Array:
    """(k,): the sums over all rows, each once."""
    whole: Array = tally.summed(np.ones((tally.rows, 1)))[0]
    return whole


@dataclass(frozen=True, slots=True)
class Numbers:
    """A few numbers for each row: (rows, k)."""

    values: Array

    @property
    def rows(self) -> int:
        return len(self.values)

    @property
    def columns(self) -> int:
        return int(self.values.shape[1])

    def summed(self, weights: Array) -> Array:
        found: Array = (self.values.T @ weights).T
        return found

    def differing(self, other: Tally) -> Flags:
        assert isinstance(other, Numbers)
        found: Flags = np.any(self.values != other.values, axis=1)
        return found

    def part(self, wanted: Flags) -> Numbers:
        return Numbers(self.values[wanted])


@dataclass(frozen=True, slots=True)
class Marks:
    """Many numbers for each row, nearly all 0: in every block of `width` columns a row has at most one 1.

    places: (blocks, rows), where the 1 stands, -1 where there is none. With a thousand labels the numbers written out would be thousands of
    columns; this is three places a row.
    """

    places: NDArray[np.int32]
    width: int

    @property
    def rows(self) -> int:
        return int(self.places.shape[1])

    @property
    def columns(self) -> int:
        return len(self.places) * self.width

    def summed(self, weights: Array) -> Array:
        sums = np.zeros((len(self.places), self.width, weights.shape[1]))
        for block, places in zip(sums, self.places, strict=True):
            order = np.argsort(places, kind="stable")[np.count_nonzero(places < 0) :]
            marked, starts = np.unique(places[order], return_index=True)
            if len(marked):
                block[marked] = np.add.reduceat(weights[order], starts, axis=0)
        return sums.reshape(self.columns, -1).T

    def differing(self, other: Tally) -> Flags:
        assert isinstance(other, Marks)
        found: Flags = np.any(self.places != other.places, axis=0)
        return found

    def part(self, wanted: Flags) -> Marks:
        return Marks(self.places[:, wanted], self.width)
