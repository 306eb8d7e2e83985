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

MAX_LABELS = 4096
"""With more distinct answers than this, answers are not labels, however many rows there are."""


def label_like(distinct: int, *, rows: int) -> bool:
    """Whether answers are few enough to be labels."""
    return distinct <= min(MAX_LABELS, max(50, rows // 5))


@dataclass(frozen=True, slots=True)
class SplitSettings:
    """`test` is a share between 0 and 1 or a number of rows. `stratify` 'auto': when the answers are label-like."""

    test: float | int
    seed: int = 0
    stratify: Literal["auto"] | bool = "auto"

    def __post_init__(self) -> None:
        if isinstance(self.test, bool) or not isinstance(self.test, int | float):
            raise DatasetError(f"split: test must be a share such as 0.2 or a number of rows, not {self.test!r}.")
        if (isinstance(self.test, float) and not 0 < self.test < 1) or self.test <= 0:
            raise DatasetError(f"split: test={self.test!r} is impossible; give a share between 0 and 1, or a number of rows from 1 up.")
        if isinstance(self.seed, bool) or not isinstance(self.seed, int):
            raise DatasetError(f"split: seed must be a whole number, not {self.seed!r}.")
        if self.stratify not in ("auto", True, False):
            raise DatasetError(f"split: stratify must be 'auto', true or false, not {self.stratify!r}.")

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
    keys, strata, labels = _look(rows, settings)
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


def _look(rows: Iterable[Example], settings: SplitSettings) -> tuple[array[int], array[int], list[int]]:
    """Digests of the questions, the stratum of each row, and a digest for each stratum."""
    keys, strata, ids = array("Q"), array("H"), dict[int, int]()
    stratify = settings.stratify is not False
    for row in rows:
        keys.append(digest(normalised(question(row)), seed=settings.seed))
        if stratify:
            strata.append(ids.setdefault(digest(answer(row) or "", seed=settings.seed), len(ids)))
            stratify = len(ids) <= MAX_LABELS
    if settings.stratify is True and not stratify:
        raise DatasetError(f"split: stratify=True needs answers that are labels; these have more than {MAX_LABELS} different ones.")
    if not stratify or (settings.stratify == "auto" and not label_like(len(ids), rows=len(keys))):
        return keys, array("H", bytes(2 * len(keys))), [0]
    return keys, strata, list(ids)


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
