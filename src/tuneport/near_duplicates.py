"""Near duplicates: texts that share most of their three-word pieces, found without comparing every pair.

MinHash (Broder, 1997) estimates the Jaccard similarity of two sets of word triples from PERMUTATIONS least hashes each; texts that agree
on all ROWS hashes of any of BANDS bands are compared (locality-sensitive hashing). With these numbers a pair at similarity 0.8 is compared
with a chance of 99.98 %, one at 0.5 with 64 %, and an estimate is off by 0.05 (one standard deviation).

Memory: 264 bytes a text; MAX_TEXTS of them are about 0.5 GB.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any
from zlib import crc32

from tuneport.errors import DatasetError

THRESHOLD = 0.8
"""Share of triples, of both texts together, that near duplicates have in common at least."""

MAX_TEXTS = 2_000_000
PERMUTATIONS = 64
BANDS, ROWS = 16, 4
_TEXTS_AT_ONCE = 64
_MIX = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9)
"""Odd numbers with well spread bits, one for each place in a triple."""


def near_duplicates(texts: Iterable[str], *, threshold: float = THRESHOLD) -> array[int]:
    """For each text the place of the first one of its group, which is its own place where nothing before is near.

    Letter case and white space do not count. Groups are chained: a near b and b near c makes one group of three. Raises DatasetError for
    more than MAX_TEXTS.
    """
    import numpy as np

    signatures = _signatures(texts)
    firsts = array("I", range(len(signatures)))
    for band in range(BANDS):
        keys = np.ascontiguousarray(signatures[:, band * ROWS : (band + 1) * ROWS]).view(f"V{4 * ROWS}").ravel()
        order = np.argsort(keys, kind="stable")
        ordered = keys[order]
        starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1]))) if len(ordered) else np.array([], dtype=int)
        leads = np.repeat(order[starts], np.diff(np.append(starts, len(order))))
        places = np.flatnonzero(leads != order)
        alike = _alike(signatures, order[places], leads[places], threshold)
        for place, lead in zip(order[places][alike].tolist(), leads[places][alike].tolist(), strict=True):
            _join(firsts, place, lead)
    for place in range(len(firsts)):
        firsts[place] = _first(firsts, place)
    return firsts


def _alike(signatures: Any, left: Any, right: Any, threshold: float) -> Any:
    """Which pairs share `threshold` of their least hashes; a few thousand at a time, so that no large copy is made."""
    import numpy as np

    found = np.zeros(len(left), dtype=bool)
    for start in range(0, len(left), 4096):
        some = slice(start, start + 4096)
        found[some] = (signatures[left[some]] == signatures[right[some]]).mean(axis=1) >= threshold
    return found


def _join(firsts: array[int], one: int, other: int) -> None:
    roots = sorted((_first(firsts, one), _first(firsts, other)))
    firsts[roots[1]] = roots[0]


def _first(firsts: array[int], place: int) -> int:
    while firsts[place] != place:
        firsts[place] = firsts[firsts[place]]
        place = firsts[place]
    return place


def _signatures(texts: Iterable[str]) -> Any:
    """(texts, PERMUTATIONS) least hashes, 32 bits each."""
    import numpy as np

    multipliers = (np.random.default_rng(20261121).integers(0, 1 << 63, size=(PERMUTATIONS, 1), dtype=np.uint64) << 1) | 1
    parts, found, several, words = [], 0, iter(texts), _Words()
    while some := list(islice(several, _TEXTS_AT_ONCE)):
        found += len(some)
        if found > MAX_TEXTS:
            raise DatasetError(
                f"near duplicates are looked for among at most {MAX_TEXTS:,} rows, and there are more.",
                remedy="Look for exact ones, or split the file.",
            )
        hashes, starts = words.triples(some)
        mixed = ((hashes * multipliers) >> np.uint64(32)).astype(np.uint32)
        parts.append(np.minimum.reduceat(mixed, starts, axis=1).T)
    return np.concatenate(parts) if parts else np.empty((0, PERMUTATIONS), dtype=np.uint32)


class _Words(dict[str, int]):
    """A number for each word, the same in every process; those of the latest million words are remembered."""

    def __missing__(self, word: str) -> int:
        if len(self) >= 1_000_000:
            self.clear()
        number = self[word] = crc32(word.encode("utf-8", "surrogatepass"))
        return number

    def triples(self, texts: Sequence[str]) -> tuple[Any, Any]:
        """Hashes of all runs of three words of all texts, and where each text's begin. A text of fewer words is one run."""
        import numpy as np

        numbers: list[int] = []
        lengths = []
        for text in texts:
            words = text.casefold().split()
            padded = words if len(words) > 2 else [*words, "", ""][:3] if words else ["", "", ""]
            numbers += map(self.__getitem__, padded)
            lengths.append(len(padded))
        flat, ends = np.array(numbers, dtype=np.uint64), np.cumsum(lengths)
        mixed = np.zeros(len(flat), dtype=np.uint64)
        mixed[:-2] = (flat[:-2] * np.uint64(_MIX[0])) ^ (flat[1:-1] * np.uint64(_MIX[1])) ^ (flat[2:] * np.uint64(_MIX[2]))
        mixed ^= mixed >> np.uint64(29)
        whole = np.ones(len(flat), dtype=bool)
        whole[ends - 1] = whole[ends - 2] = False
        return mixed[whole], np.concatenate(([0], np.cumsum(np.array(lengths) - 2)[:-1]))
