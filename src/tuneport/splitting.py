"""Dividing rows into train and test: exact, reproducible, stratified, and never the same question on both sides.

A row's place depends on its question and the seed alone, so rows that are added later leave most others where they were. Memory while
dividing: about 17 bytes a row; afterwards one.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from tuneport.errors import DatasetError
from tuneport.examples import Example
from tuneport.exchange import answer, digest, normalised, question
from tuneport.near_duplicates import near_duplicates

MAX_LABELS = 4096
"""With more distinct answers than this, answers are not labels, however many rows there are."""


def few_enough(distinct: int, *, rows: int) -> bool:
    """Whether answers are few enough to be labels."""
    return distinct <= min(MAX_LABELS, max(50, rows // 5))


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """`test` is a share between 0 and 1 or a number of rows. `stratify` 'auto': when the answers are label-like. `near` keeps rows that
    ask nearly the same on one side too."""

    test: float | int
    seed: int = 0
    stratify: Literal["auto"] | bool = "auto"
    near: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.test, bool) or not isinstance(self.test, int | float):
            raise DatasetError(f"split: test must be a share such as 0.2 or a number of rows, not {self.test!r}.")
        if (isinstance(self.test, float) and not 0 < self.test < 1) or self.test <= 0:
            raise DatasetError(f"split: test={self.test!r} is impossible; give a share between 0 and 1, or a number of rows from 1 up.")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise DatasetError(f"split: seed must be a whole number, not {self.seed!r}.")
        if self.stratify not in ("auto", True, False):
            raise DatasetError(f"split: stratify must be 'auto', true or false, not {self.stratify!r}.")
        if not isinstance(self.near, bool):
            raise DatasetError(f"split: near must be true or false, not {self.near!r}.")

    def test_rows(self, rows: int) -> int:
        """How many of `rows` go to the test side. Raises DatasetError when one side would be empty."""
        if rows < 2 or (isinstance(self.test, int) and self.test >= rows):
            raise DatasetError(f"split: {rows} rows cannot be divided with test={self.test!r}; both sides need at least one row.")
        return self.test if isinstance(self.test, int) else min(max(round(rows * self.test), 1), rows - 1)


def assign(rows: Iterable[Example], settings: SplitSettings) -> bytearray:
    """One byte a row, in order: 1 for the test side.

    Raises DatasetError for an impossible size, or for `stratify=True` over answers that are not labels. Where repeated questions leave
    the exact size out of reach, the test side is the nearest smaller one.
    """
    looked = _Looked(settings)
    keys = looked.keys(rows)
    strata, labels = looked.strata()
    wanted = settings.test_rows(len(keys))
    groups = _Groups(keys, in_key_order(keys))
    sizes: Counter[int] = Counter()
    for group in groups:
        sizes[strata[group[0]]] += len(group)
    room = _shares(sizes, wanted, tie=labels)
    side = bytearray(len(keys))
    for group in groups:
        stratum = strata[group[0]]
        if len(group) <= room[stratum]:
            room[stratum] -= len(group)
            _mark(side, group)
    _fill(side, groups, wanted)
    if not any(side):
        raise DatasetError(f"split: test={settings.test!r} is impossible, because too many of the {len(keys)} rows ask the same question.")
    return side


class _Looked:
    """What is kept of each row: a digest of its question, and its stratum; and a digest for each stratum."""

    def __init__(self, settings: SplitSettings) -> None:
        self._settings = settings
        self._stratify = settings.stratify is not False
        self._keys, self._strata, self._ids = array("Q"), array("H"), dict[int, int]()

    def asked(self, rows: Iterable[Example]) -> Iterator[str]:
        """The questions, each row being kept as its question is taken."""
        seed = self._settings.seed
        for row in rows:
            asked = question(row)
            self._keys.append(digest(normalised(asked), seed=seed))
            if self._stratify:
                self._strata.append(self._ids.setdefault(digest(answer(row) or "", seed=seed), len(self._ids)))
                self._stratify = len(self._ids) <= MAX_LABELS
            yield asked

    def keys(self, rows: Iterable[Example]) -> array[int]:
        """One for each row; rows that must stay together share one."""
        if self._settings.near:
            firsts = near_duplicates(self.asked(rows))
            return array("Q", (self._keys[first] for first in firsts))
        for _ in self.asked(rows):
            pass
        return self._keys

    def strata(self) -> tuple[array[int], list[int]]:
        """The stratum of each row, and the digests of the strata; one stratum where answers are no labels."""
        rows = len(self._keys)
        if self._settings.stratify is True and not self._stratify:
            raise DatasetError(f"split: stratify=True needs answers that are labels; these have more than {MAX_LABELS} different ones.")
        if not self._stratify or (self._settings.stratify == "auto" and not few_enough(len(self._ids), rows=rows)):
            return array("H", bytes(2 * rows)), [0]
        return self._strata, list(self._ids)


class _Groups:
    """The rows of each question, ascending, question by question in the order of the keys."""

    def __init__(self, keys: array[int], order: array[int]) -> None:
        self._keys = keys
        self._order = order

    def __iter__(self) -> Iterator[list[int]]:
        for _, group in groupby(self._order, key=self._keys.__getitem__):
            yield list(group)


def _mark(side: bytearray, group: Iterable[int]) -> None:
    for row in group:
        side[row] = 1


def _fill(side: bytearray, groups: Iterable[list[int]], wanted: int) -> None:
    """Adds groups of any stratum that still fit, where repeated questions left a stratum short."""
    missing = wanted - side.count(1)
    for group in groups if missing else ():
        if not side[group[0]] and len(group) <= missing:
            missing -= len(group)
            _mark(side, group)


def _shares(sizes: Counter[int], wanted: int, *, tie: Sequence[int]) -> dict[int, int]:
    """`wanted` rows over strata in proportion (largest remainder); a stratum is emptied only when nothing else is left."""
    total = sum(sizes.values())
    shares = {stratum: wanted * size // total for stratum, size in sizes.items()}

    def turn(stratum: int) -> tuple[bool, int, int]:
        return shares[stratum] + 1 >= sizes[stratum], -(wanted * sizes[stratum] % total), tie[stratum]

    for stratum in sorted(sizes, key=turn)[: wanted - sum(shares.values())]:
        shares[stratum] += 1
    return shares


def in_key_order(keys: array[int]) -> array[int]:
    """The places of 64-bit `keys` in ascending order of key, then place. Sorts bucket by bucket: memory stays at 4 bytes a row."""
    bits = max(len(keys).bit_length() - 6, 0)
    shift = 64 - bits
    starts = array("Q", bytes(8 * ((1 << bits) + 1)))
    for key in keys:
        starts[(key >> shift) + 1] += 1
    for bucket in range(1, len(starts)):
        starts[bucket] += starts[bucket - 1]
    order, free = array("I", bytes(4 * len(keys))), starts[:-1]
    for place, key in enumerate(keys):
        order[free[key >> shift]] = place
        free[key >> shift] += 1
    for bucket in range(len(free)):
        low, high = starts[bucket], starts[bucket + 1]
        if high - low > 1:
            order[low:high] = array("I", sorted(order[low:high], key=keys.__getitem__))
    return order
