"""How many rows a verdict takes, and how likely a drop is found with those there are."""

from __future__ import annotations

from math import ceil, floor, log10, sqrt
from statistics import NormalDist

import numpy as np

from tuneport.intervals import Array
from tuneport.parity.score_interval import coin_falls, z_of

POWER = 0.8
_MOST_COUNTED = 400


def rows_for_verdict(variance: float, *, margin: float, level: float = 0.95, power: float = POWER) -> int:
    """How many rows give a verdict (equal, better or worse) with probability `power` at least, whatever the true difference is.

        variance · (2 · (z(½ + level/2) - z(1 - power/2)) / margin)²  +  z(½ + level/2)² · (1 - margin) / margin

    At the level of 95 % and the power of 0.8: 11.65 · variance / margin² + 3.84 · (1 - margin) / margin. `variance` is that of one row's
    difference: for right and wrong the share of rows on which one model alone is right.

    No verdict comes where the difference found lies between margin - w and w, w being half the interval; that is likeliest where the true
    difference is half the margin, and there the first term makes it 1 - power by the normal distribution. The second is how many rows
    Tango's interval takes where none differs; with it 8 in 10 simulated comparisons had a verdict, without it as few as 6.
    """
    z = z_of((1 + level) / 2)
    return ceil(variance * (2 * (z - z_of(1 - power / 2)) / margin) ** 2 + _where_none_differs(z, margin))


def rows_for_sure(variance: float, *, margin: float, level: float = 0.95) -> int:
    """How many rows make half the interval half the margin, so that some verdict falls wherever the difference is found."""
    z = z_of((1 + level) / 2)
    return ceil(variance * (2 * z / margin) ** 2 + _where_none_differs(z, margin))


def _where_none_differs(z: float, margin: float) -> float:
    """Where z² / (rows + z²) is the margin."""
    return z * z * (1 - margin) / margin


def about(rows: int) -> int:
    """Two significant digits, rounded up: 1,168 is about 1,200."""
    step = int(10 ** max(0, floor(log10(max(rows, 1))) - 1))
    return -(-rows // step) * step


def chance_to_find(drop: float, *, rows: int, discordance: float, level: float = 0.95) -> float:
    """How likely a true `drop` of a share makes the verdict "worse", with `discordance` of the rows right for one model only (or as many as
    the drop takes).

    Counted out: of as many rows as may differ, in how many outcomes McNemar's exact test rules zero out. Of more than 400 such numbers of
    rows only some are counted, evenly.
    """
    differ = min(1.0, max(discordance, drop))
    won_share = (differ - drop) / 2 / differ if differ else 0.5
    middle, reach = rows * differ, 6 * sqrt(rows * differ * (1 - differ)) + 2
    first, last = max(0, floor(middle - reach)), min(rows, ceil(middle + reach))
    numbers = np.arange(first, last + 1, 1 + (last - first) // _MOST_COUNTED)
    weights = _as_many(rows, differ)[numbers]
    found = [_chance_of_worse(int(number), won_share, level=level) for number in numbers]
    return float(np.average(found, weights=weights))


def _as_many(rows: int, share: float) -> Array:
    if share in (0.0, 1.0):
        return np.array([float(number == rows * share) for number in range(rows + 1)])
    found: Array = np.exp(coin_falls(rows, share=share))
    return found


def _chance_of_worse(differing: int, won_share: float, *, level: float) -> float:
    """How likely so few of the differing rows are won that a coin is ruled out."""
    tail = 2 * np.cumsum(np.exp(coin_falls(differing)))
    few = int(np.searchsorted(tail, 1 - level, side="right"))
    return float(np.exp(coin_falls(differing, share=max(won_share, 1e-300))[:few]).sum())


def chance_by_error(drop: float, *, error: float, level: float = 0.95) -> float:
    """The same for a metric that is no share of rows, from the standard error of its difference, by the normal distribution."""
    return NormalDist().cdf(drop / error - z_of((1 + level) / 2)) if error else 1.0
