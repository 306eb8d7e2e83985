"""Whether two models differ on the same rows by more than chance: a paired bootstrap interval and a swap test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tuneport.errors import UsageError
from tuneport.tallies import Tally, total

Array = NDArray[np.float64]
Statistic = Callable[[Array], Array]

_BYTES_AT_ONCE = 1 << 26
"""What one chunk of resamples may take: about 64 MB, counts and sums together."""


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


@dataclass(frozen=True, slots=True)
class Pair:
    """One metric of two models on the same rows. statistic: sums of tallies, (..., k) -> (...)."""

    first: Tally
    second: Tally
    statistic: Statistic


def refuse_settings(*, level: float, resamples: int) -> None:
    """Raises UsageError for settings that make no interval."""
    if resamples < 100 or not 0.5 <= level < 1:
        raise UsageError(f"resamples={resamples}, level={level}: an interval needs at least 100 resamples and a level from 0.5 to below 1.")


def paired_differences(pairs: Sequence[Pair], *, level: float, resamples: int, seed: int) -> list[Difference]:
    """Compares the two models of each pair. All are resampled with the same rows each time; what is found for one pair does not depend on
    the others. A tally that stands in several pairs is summed once.

    All tallies are of the same rows. A statistic that overflows in some resample makes the interval infinite or NaN.
    """
    if not pairs:
        return []
    with np.errstate(over="ignore", invalid="ignore"):
        values = [float(pair.statistic(total(pair.first)) - pair.statistic(total(pair.second))) for pair in pairs]
        drawn = _bootstrap(pairs, resamples=resamples, seed=seed)
        p_values = _swap_test(pairs, values, resamples=resamples, seed=seed)
        edges = [np.quantile(one, [(1 - level) / 2, (1 + level) / 2]).tolist() for one in drawn]
    return [_difference(value, low, high, level=level, p=p) for value, (low, high), p in zip(values, edges, p_values, strict=True)]


def _difference(value: float, low: float, high: float, *, level: float, p: float) -> Difference:
    if p > 1 - level:
        low, high = min(low, 0.0), max(high, 0.0)
    return Difference(value, (low, high), level, p)


def _bootstrap(pairs: Sequence[Pair], *, resamples: int, seed: int) -> list[Array]:
    """Of each pair the differences, one a resample."""
    tallies = _distinct(pairs)
    drawn: list[list[Array]] = [[] for _ in pairs]
    rng = np.random.default_rng([seed, 0])
    for size in _chunks(tallies.values(), resamples):
        counts = _drawn_counts(rng, pairs[0].first.rows, size)
        sums = {key: tally.summed(counts) for key, tally in tallies.items()}
        for found, pair in zip(drawn, pairs, strict=True):
            found.append(pair.statistic(sums[id(pair.first)]) - pair.statistic(sums[id(pair.second)]))
    return [np.concatenate(found) for found in drawn]


def _distinct(pairs: Iterable[Pair]) -> dict[int, Tally]:
    return {id(tally): tally for pair in pairs for tally in (pair.first, pair.second)}


def _drawn_counts(rng: np.random.Generator, rows: int, size: int) -> Array:
    """(rows, size): how often each row is drawn when as many rows are drawn with replacement, `size` times."""
    counts = np.empty((size, rows))
    for count, drawn in zip(counts, rng.integers(rows, size=(size, rows)), strict=True):
        count[:] = np.bincount(drawn, minlength=rows)
    return np.ascontiguousarray(counts.T)


def _swap_test(pairs: Sequence[Pair], values: Sequence[float], *, resamples: int, seed: int) -> list[float]:
    """The share of random swaps of the two models' answers, row by row, that make a difference at least as large (two-sided).

    Exact up to the number of resamples: under "the models are alike" every swap is as likely as what was seen.
    """
    differing = np.logical_or.reduce([pair.first.differing(pair.second) for pair in pairs])
    if not differing.any():
        return [1.0] * len(pairs)
    tallies = _distinct(pairs)
    moving, totals = {key: tally.part(differing) for key, tally in tallies.items()}, {key: total(one) for key, one in tallies.items()}
    rng, as_large = np.random.default_rng([seed, 1]), [0] * len(pairs)
    for size in _chunks(tallies.values(), resamples):
        swapped = _swaps(rng, differing, size)
        sums = {key: tally.summed(swapped) for key, tally in moving.items()}
        for number, (pair, value) in enumerate(zip(pairs, values, strict=True)):
            gain = sums[id(pair.second)] - sums[id(pair.first)]
            found = np.abs(pair.statistic(totals[id(pair.first)] + gain) - pair.statistic(totals[id(pair.second)] - gain))
            as_large[number] += int(np.count_nonzero(found >= abs(value) - 1e-12 * max(1.0, abs(value))))
    return [(1 + count) / (1 + resamples) for count in as_large]


def _swaps(rng: np.random.Generator, differing: NDArray[np.bool_], size: int) -> Array:
    """(differing rows, size): 1 where the answers of a row are swapped. A coin is thrown for every row, so that those of one row stay
    the same whichever others differ."""
    words = rng.integers(2**64, size=(size, -(-len(differing) // 64)), dtype=np.uint64)
    coins = np.unpackbits(words.view(np.uint8), axis=1, count=len(differing))
    return np.ascontiguousarray(coins[:, differing].T, dtype=np.float64)


def _chunks(tallies: Iterable[Tally], resamples: int) -> Iterator[int]:
    """Sizes of chunks. A resample takes some 4 numbers a row (what is drawn, counted, turned, sorted) and 2 a column, of 8 bytes."""
    columns = [(tally.rows, tally.columns) for tally in tallies]
    numbers = 4 * columns[0][0] + 2 * sum(count for _, count in columns)
    size = max(1, _BYTES_AT_ONCE // (8 * numbers))
    for start in range(0, resamples, size):
        yield min(size, resamples - start)
