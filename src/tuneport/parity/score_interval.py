"""Intervals that keep their level with few rows and near 0 or 1, where resampling finds nothing to resample.

A bootstrap over rows that two models answer alike has no width at all, so that twenty rows would "prove" them equal. The intervals here
know that rows not seen may differ.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import copysign, inf, log, sqrt
from statistics import NormalDist

import numpy as np

from tuneport.intervals import Array, Difference

_HALVINGS = 60


def z_of(share: float) -> float:
    """The normal quantile: 1.96 of 0.975."""
    return NormalDist().inv_cdf(share)


@lru_cache(maxsize=4096)
def paired_shares(won: int, lost: int, *, rows: int, level: float = 0.95) -> Difference:
    """Two shares on the same rows: `won` rows count for the first only, `lost` for the second only. The difference is (won - lost) / rows.

    The interval is Tango's, stretched to include zero where McNemar's exact test does not rule zero out; `p` is that test's. Counted out
    over all outcomes, 2 to 40 % of the rows differing: zero is ruled out for models that are alike in at most 4.5 % of comparisons (20 to
    1,000 rows), and the interval lies within a margin of 2, 3 or 5 points at whose edge the truth is in at most 2.5 % (100 to 2,000 rows).
    """
    low, high = tango_interval(won, lost, rows=rows, level=level)
    p = mcnemar(won, lost)
    if p > 1 - level:
        low, high = min(low, 0.0), max(high, 0.0)
    return Difference((won - lost) / rows, (low, high), level, p)


def tango_interval(won: int, lost: int, *, rows: int, level: float = 0.95) -> tuple[float, float]:
    """The score interval of a difference of paired shares.

    T. Tango, Equivalence test and confidence interval for the difference in proportions for the paired-sample design, Statistics in
    Medicine 17, 1998, 891-908.
    """
    z, value = z_of((1 + level) / 2), (won - lost) / rows
    low = _crossing(-1.0, value, z, won=won, lost=lost, rows=rows)
    return low, _crossing(value, 1.0, -z, won=won, lost=lost, rows=rows)


def _crossing(low: float, high: float, height: float, *, won: int, lost: int, rows: int) -> float:
    """Where the score, which falls, comes to `height`."""
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        above = _score(middle, won=won, lost=lost, rows=rows) > height
        low, high = (middle, high) if above else (low, middle)
    return (low + high) / 2


def _score(difference: float, *, won: int, lost: int, rows: int) -> float:
    """How many standard errors what was seen lies above a true `difference`, the share lost being the likeliest under it."""
    half = (2 * rows - won + lost) * difference - won - lost
    root = sqrt(max(0.0, half * half + 8 * rows * lost * difference * (1 - difference)))
    share_lost = max(0.0, root - half) / (4 * rows)
    variance = rows * (2 * share_lost + difference * (1 - difference))
    above = won - lost - rows * difference
    if variance <= 0:
        return copysign(inf, above) if above else 0.0
    return above / sqrt(variance)


def mcnemar(won: int, lost: int) -> float:
    """The two-sided p-value of McNemar's exact test: how often a coin thrown for each row that differs falls as unevenly."""
    differing = won + lost
    return min(1.0, 2 * float(np.exp(coin_falls(differing)[: min(won, lost) + 1]).sum()))


def coin_falls(throws: int, *, share: float = 0.5) -> Array:
    """(throws + 1,): the logarithm of the probability of 0, 1, … heads; `share` is a head's, above 0 and below 1."""
    factorials = log_factorials(throws)
    heads = np.arange(throws + 1)
    found: Array = factorials[-1] - factorials - factorials[::-1] + heads * log(share) + (throws - heads) * log(1 - share)
    return found


def log_factorials(most: int) -> Array:
    """(most + 1,): of 0 to `most`."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, most + 1)))])


def share_interval(count: int, *, rows: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of one share (E. B. Wilson, Journal of the American Statistical Association 22, 1927, 209-212)."""
    square = z_of((1 + level) / 2) ** 2
    middle = count + square / 2
    half = sqrt(square * (count * (rows - count) / rows + square / 4))
    return max(0.0, (middle - half) / (rows + square)), min(1.0, (middle + half) / (rows + square))


def widened(found: Difference, *, worth: float) -> Difference:
    """A bootstrapped difference of scores from 0 to 1, its interval not narrower than that many rows allow.

    It is stretched to (sum ± z²/2 ± sqrt((worth · half)² + z⁴/4)) / (worth + z²), which is Wilson's interval with the variance that was
    found in place of that of a share: where no row differs, what z² further rows could do to it, all of them on one side. `worth` is how
    many rows of equal weight the metric rests on. Simulated for token_f1 and the means over labels, 130 to 1,000 rows: models that are
    alike are told apart in at most 4 % of comparisons, and a drop of the margin lies within it in at most 3 %.
    """
    square = z_of((1 + found.level) / 2) ** 2
    low, high = found.interval
    reach = square / 2 + sqrt((worth * (high - low) / 2) ** 2 + square * square / 4)
    edges = ((worth * found.value - reach) / (worth + square), (worth * found.value + reach) / (worth + square))
    return replace(found, interval=(max(-1.0, min(low, edges[0])), min(1.0, max(high, edges[1]))))
