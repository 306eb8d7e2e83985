"""Counts per row in bounded memory: exact up to 4,095, to 0.4 % above, whatever the number of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_EXACT_BITS = 12
_PART_BITS = 8
"""Above 2^12 each doubling is cut into 2^8 buckets."""

_EXACT = 1 << _EXACT_BITS
_BUCKETS = _EXACT + ((53 - _EXACT_BITS) << _PART_BITS)


@dataclass(frozen=True, slots=True)
class Spread:
    """Least, median, the 95th percentile, most and sum of a count per row. All 0 where there are no rows."""

    least: int
    median: int
    p95: int
    most: int
    total: int


@dataclass(frozen=True, slots=True)
class Bin:
    """How many rows have from `least` to `most`, both included."""

    least: int
    most: int
    rows: int


class Histogram:
    """Whole numbers from 0 to below 2^53, added block by block; 120 kB, however many."""

    def __init__(self) -> None:
        self.rows = self.total = self.most = 0
        self.least = 0
        self._buckets = np.zeros(_BUCKETS, np.int64)

    def add(self, counts: Sequence[int] | NDArray[np.int64]) -> None:
        """One number for each row of a block."""
        values = np.asarray(counts, np.int64)
        if not len(values):
            return
        least, most = int(values.min()), int(values.max())
        self.least = min(self.least, least) if self.rows else least
        self.most = max(self.most, most)
        self.rows += len(values)
        self.total += int(values.sum())
        found = np.bincount(values if most < _EXACT else _places(values))
        self._buckets[: len(found)] += found

    def spread(self) -> Spread:
        """In five numbers."""
        return Spread(self.least, self.quantile(0.5), self.quantile(0.95), self.most, self.total)

    def quantile(self, share: float) -> int:
        """The least number that at least this share of the rows do not exceed; the lower edge of its bucket above 4,095."""
        if not self.rows:
            return 0
        place = int(np.searchsorted(np.cumsum(self._buckets), share * self.rows))
        return min(self.most, max(self.least, int(_edges()[place])))

    def bins(self, *, most: int = 12) -> list[Bin]:
        """At most `most` bins of a round width. They reach the 95th percentile; what lies beyond is in the last."""
        if not self.rows:
            return []
        width = _round_width(max(1, self.quantile(0.95) + 1 - self.least), most - 1)
        first = self.least // width
        places = np.minimum(np.maximum(_edges()[self._buckets > 0] // width - first, 0), most - 1)
        rows = np.bincount(places, weights=self._buckets[self._buckets > 0]).astype(np.int64).tolist()
        found = [Bin((first + place) * width, (first + place + 1) * width - 1, count) for place, count in enumerate(rows)]
        return [*found[:-1], Bin(found[-1].least, max(found[-1].most, self.most), found[-1].rows)]


def _places(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The bucket of each value."""
    large = np.maximum(values, _EXACT)
    doublings = np.frexp(large.astype(np.float64))[1] - 1
    inside = (large >> (doublings - _PART_BITS)) & ((1 << _PART_BITS) - 1)
    places: NDArray[np.int64] = np.where(values < _EXACT, values, _EXACT + ((doublings - _EXACT_BITS) << _PART_BITS) + inside)
    return places


def _edges() -> NDArray[np.int64]:
    """The least value of each bucket."""
    exact = np.arange(_EXACT, dtype=np.int64)
    doublings, parts = np.divmod(np.arange(_BUCKETS - _EXACT, dtype=np.int64), 1 << _PART_BITS)
    return np.concatenate([exact, ((1 << _PART_BITS) + parts) << (doublings + _EXACT_BITS - _PART_BITS)])


def _round_width(span: int, bins: int) -> int:
    """The least of 1, 2, 5, 10, 20, 50 … of which `bins` cover the span."""
    power = 1
    while True:
        for step in (1, 2, 5):
            if step * power * bins >= span:
                return step * power
        power *= 10
