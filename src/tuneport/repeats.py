"""Which rows repeat an earlier one, told by digests: 8 bytes a row and key, and 16 more for each key that comes again."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

CHUNK_ROWS = 1 << 18
"""Rows looked at at once, so that what is worked out beside the keys stays small."""


class Numbering:
    """The line of each row. Kept as runs of consecutive ones, so a clean file of any length takes 16 bytes."""

    def __init__(self) -> None:
        self.rows = 0
        self._places = array("Q")
        self._lines = array("Q")

    def add(self, lines: Sequence[int]) -> None:
        """Ascending, all above those before."""
        if lines[-1] - lines[0] == len(lines) - 1:
            self._run(lines[0], len(lines))
        else:
            for line in lines:
                self._run(line, 1)

    def _run(self, line: int, length: int) -> None:
        if not self._places or self._lines[-1] + self.rows - self._places[-1] != line:
            self._places.append(self.rows)
            self._lines.append(line)
        self.rows += length

    def line(self, place: int) -> int:
        """The line of the row at `place`, counted from 0."""
        run = bisect_right(self._places, place) - 1
        return self._lines[run] + place - self._places[run]


class Keys:
    """A 64-bit key for each row."""

    def __init__(self) -> None:
        self._keys = array("Q")
        self._found: NDArray[np.uint64] | None = None

    def add(self, keys: Iterable[int]) -> None:
        """In the order of the rows."""
        self._keys.extend(keys)
        self._found = None

    def __len__(self) -> int:
        return len(self._keys)

    def any_repeat(self) -> bool:
        """Whether two rows share a key."""
        return len(self._again()) > 0

    def repeats(self) -> Iterator[tuple[int, int]]:
        """The place of each row whose key came before, in order, with the place of the first that had it."""
        again = self._again()
        first = np.full(len(again), -1, np.int64)
        for start, chunk in self._chunks() if len(again) else ():
            for place in np.flatnonzero(np.isin(chunk, again)).tolist():
                group = int(np.searchsorted(again, chunk[place]))
                if first[group] < 0:
                    first[group] = start + place
                else:
                    yield start + place, int(first[group])

    def _again(self) -> NDArray[np.uint64]:
        """The keys that more than one row has, ascending. Sorted a part of their range at a time, remembered until a row is added."""
        if self._found is None:
            bits = (len(self._keys) // CHUNK_ROWS).bit_length()
            parts = (self._part(part, bits=bits) for part in range(1 << bits))
            self._found = np.concatenate([np.unique(part[1:][part[1:] == part[:-1]]) for part in parts])
        return self._found

    def _part(self, part: int, *, bits: int) -> NDArray[np.uint64]:
        """The keys that begin with the bits of `part`, ascending."""
        if bits == 0:
            return np.sort(np.frombuffer(self._keys, np.uint64))
        shift = np.uint64(64 - bits)
        return np.sort(np.concatenate([chunk[chunk >> shift == part] for _, chunk in self._chunks()]))

    def _chunks(self) -> Iterator[tuple[int, NDArray[np.uint64]]]:
        keys = np.frombuffer(self._keys, np.uint64)
        for start in range(0, len(keys), CHUNK_ROWS):
            yield start, keys[start : start + CHUNK_ROWS]


def shared(keys: Keys, *, before: int) -> Iterator[tuple[int, int]]:
    """Of keys of two sets of rows, the first `before` of them the one's: the places of the other's that came in the first as well, and
    where."""
    return ((place, first) for place, first in keys.repeats() if first < before <= place)
