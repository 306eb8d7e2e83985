"""Whether two models differ on the same rows by more than chance: a paired bootstrap interval and a swap test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]

_CHUNK_NUMBERS = 2_000_000
"""Resampled rows held at once: 16 MB of counts."""


@dataclass(frozen=True, slots=True)
class Difference:
    """first - second, its interval at `level`, and `p`: how often chance alone makes a difference this large when the models are alike.

    The interval is the percentile bootstrap over rows, stretched to include zero where the swap test does not rule zero out. The bootstrap
    alone is too sure of itself when only a handful of rows differ: four rows won and none lost would be called a difference, though a coin
    lands four times on one side in one of eight tries.
    """

    value: float
    interval: tuple[float, float]
    level: float
    p: float

    @property
    def could_be_zero(self) -> bool:
        """True when the interval includes zero."""
        return self.interval[0] <= 0.0 <= self.interval[1]


def paired_difference(first: Array, second: Array, statistic: Statistic, *, level: float, resamples: int, seed: int) -> Difference:
    """Compares two models by `statistic` of the summed tallies of the same rows.

    first, second: (rows, k). statistic: (..., k) -> (...). Both are resampled with the same rows each time. A statistic that
    overflows in some resample makes the interval infinite or NaN.
    """
    value = float(statistic(first.sum(axis=0)) - statistic(second.sum(axis=0)))
    with np.errstate(over="ignore", invalid="ignore"):
        counts = _resampled(len(first), resamples, seed)
        drawn = np.concatenate([statistic(drawn_rows @ first) - statistic(drawn_rows @ second) for drawn_rows in counts])
        low, high = (float(edge) for edge in np.quantile(drawn, [(1 - level) / 2, (1 + level) / 2]))
        p = _swap_test(first, second, statistic, value=value, resamples=resamples, seed=seed)
    if p > 1 - level:
        low, high = min(low, 0.0), max(high, 0.0)
    return Difference(value, (low, high), level, p)


def _resampled(rows: int, resamples: int, seed: int) -> Iterator[Array]:
    """Chunks of (n, rows): how often each row is drawn when as many rows are drawn with replacement."""
    rng = np.random.default_rng([seed, 0])
    for size in _chunks(rows, resamples):
        drawn = rng.integers(rows, size=(size, rows)) + rows * np.arange(size)[:, None]
        yield np.bincount(drawn.ravel(), minlength=size * rows).reshape(size, rows).astype(np.float64)


def _swap_test(first: Array, second: Array, statistic: Statistic, *, value: float, resamples: int, seed: int) -> float:
    """The share of random swaps of the two models' answers, row by row, that make a difference at least as large (two-sided).

    Exact up to the number of resamples: under "the models are alike" every swap is as likely as what was seen.
    """
    differing = np.any(first != second, axis=1)
    one, other = first[differing], second[differing]
    if not len(one):
        return 1.0
    shared, gain = first[~differing].sum(axis=0), one - other
    both, least = one.sum(axis=0) + other.sum(axis=0), abs(value) - 1e-12 * max(1.0, abs(value))
    rng, as_large = np.random.default_rng([seed, 1]), 0
    for size in _chunks(len(one), resamples):
        kept = other.sum(axis=0) + rng.integers(2, size=(size, len(one))).astype(np.float64) @ gain
        as_large += int(np.count_nonzero(np.abs(statistic(shared + kept) - statistic(shared + both - kept)) >= least))
    return (1 + as_large) / (1 + resamples)


def _chunks(rows: int, resamples: int) -> Iterator[int]:
    size = max(1, _CHUNK_NUMBERS // rows)
    for start in range(0, resamples, size):
        yield min(size, resamples - start)
