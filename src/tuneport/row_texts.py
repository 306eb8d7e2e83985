"""The texts of many rows side by side in one run of bytes, so that searching and digesting them costs no Python for each.

Texts are parted by NUL. What they look like without white space, case and punctuation is their bare form: two rows of the same bare form
say the same.
"""

from __future__ import annotations

import string
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import repeat

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

Places = NDArray[np.int64]

_LOWER = bytes(ord(chr(byte).lower()) if byte < 128 else byte for byte in range(256))
_NOT_SAID = (string.whitespace + string.punctuation).encode()
_WIDE = "\u00a0\u3000\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u00ab\u00bb\u3001\u3002\uff0c\uff1f\uff01"
_NOT_SAID_WIDE = tuple(mark.encode() for mark in _WIDE)
"""White space and punctuation beyond ASCII that editors put in by themselves, and that of Chinese and Japanese."""


@dataclass(frozen=True, slots=True)
class RowTexts:
    """`data` holds the texts of all rows, parted by NUL; row n ends before ends[n]. `counts` says how many texts each row has.

    nul, broken   whether a text holds a NUL of its own (here as U+0001), or half a surrogate pair (here as three bytes, as WTF-8 has it)
    """

    data: bytes
    ends: Places
    counts: Sequence[int]
    ascii: bool
    nul: bool = False
    broken: bool = False

    @classmethod
    def of(cls, texts: Sequence[str], counts: Sequence[int]) -> RowTexts:
        """`texts` of all rows in order, `counts` of them for each row, at least one."""
        joined, broken = "\0".join(texts), False
        try:
            data = joined.encode()
        except UnicodeEncodeError:
            data, broken = joined.encode("utf-8", "surrogatepass"), True
        ends = _row_ends(data, counts, texts=len(texts))
        if ends is not None:
            return cls(data, ends, counts, joined.isascii(), broken=broken)
        clean = cls.of([text.replace("\0", "\1") for text in texts], counts)
        return replace(clean, nul=True)

    def bare(self) -> RowTexts:
        """The bare form of every text."""
        data = self.data if self.ascii else self.data.decode("utf-8", "surrogatepass").casefold().encode("utf-8", "surrogatepass")
        data = data.translate(_LOWER, _NOT_SAID)
        for mark in _NOT_SAID_WIDE if not self.ascii else ():
            if mark in data:
                data = data.replace(mark, b"")
        ends = _row_ends(data, self.counts, texts=sum(self.counts))
        assert ends is not None
        return RowTexts(data, ends, self.counts, self.ascii)

    def digests(self, seeds: Iterable[int] = repeat(0)) -> list[int]:
        """64 bits of each row. Two rows share them by accident about once in 10^19 pairs."""
        starts = [0, *(self.ends[:-1] + 1).tolist()]
        return list(map(xxh3_64_intdigest, map(self.data.__getitem__, map(slice, starts, self.ends.tolist())), seeds))

    def row(self, place: int) -> bytes:
        """The texts of one row."""
        return self.data[int(self.ends[place - 1]) + 1 if place else 0 : int(self.ends[place])]

    def at(self, offset: int) -> int:
        """The place of the row that the byte at `offset` is of."""
        return int(np.searchsorted(self.ends, offset, side="right"))


def _row_ends(data: bytes, counts: Sequence[int], *, texts: int) -> Places | None:
    """None when there are more NULs than part the texts."""
    separators = np.flatnonzero(np.frombuffer(data, np.uint8) == 0)
    if len(separators) != texts - 1:
        return None
    each = counts[0]
    lasts = separators[each - 1 :: each] if counts.count(each) == len(counts) else separators[np.cumsum(counts)[:-1] - 1]
    return np.append(lasts, len(data))
