"""Choosing rows: a sample, the first of every group of equal rows, and several sources one after another."""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, Literal

import msgspec

from tuneport.errors import DatasetError
from tuneport.examples import Example, canonical_bytes
from tuneport.exchange import answer, digest, digest_of_bytes, normalised, question
from tuneport.formats.format import Notices
from tuneport.near_duplicates import near_duplicates
from tuneport.sources import Blocks, Deaf, MarkedSource, Source, part_of
from tuneport.splitting import in_key_order

Alike = Literal["exact", "text", "near"]
"""When two rows count as the same: equal in all but unknown keys; equal but for white space and letter case; or nearly equal."""


def _examples(source: Source) -> Iterator[Example]:
    return (example for block in source.blocks(Deaf()) for example in block.examples)


def sample(source: Source, rows: int, *, seed: int) -> MarkedSource:
    """`rows` rows at random, or all when there are fewer, in the order of the source. Depends on the seed and the number of rows alone."""
    if isinstance(rows, bool) or not isinstance(rows, int) or rows < 1:
        raise DatasetError(f"sample: {rows!r} rows are impossible; give a whole number from 1 up.")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise DatasetError(f"sample: seed must be a whole number, not {seed!r}.")
    reference = part_of(source.reference(), "sample", {"rows": rows, "seed": seed})
    return MarkedSource(_Sample(source, rows, seed), 1, name=f"{source.name} ({rows} sampled)", reference=reference)


class _Sample:
    def __init__(self, source: Source, rows: int, seed: int) -> None:
        self.source = source
        self._rows = rows
        self._seed = seed

    @cached_property
    def marks(self) -> bytearray:
        """One byte a readable row, 1 for those that are chosen: the rows with the least digests of seed and place."""
        count = sum(len(block.examples) for block in self.source.blocks(Deaf()))
        marks = bytearray(count)
        for place in heapq.nsmallest(self._rows, range(count), key=lambda place: digest(str(place), seed=self._seed)):
            marks[place] = 1
        return marks


def unique(source: Source, *, alike: Alike) -> MarkedSource:
    """The rows without those that are like an earlier one."""
    if alike not in ("exact", "text", "near"):
        raise DatasetError(f"dedupe: {alike!r} is unknown; rows are alike when exact, text or near.")
    reference = part_of(source.reference(), "dedupe", alike)
    return MarkedSource(_Unique(source, alike), 1, name=f"{source.name} (deduplicated)", reference=reference)


class _Unique:
    def __init__(self, source: Source, alike: Alike) -> None:
        self.source = source
        self._alike = alike

    @cached_property
    def marks(self) -> bytearray:
        """One byte a readable row, 0 for those that are like an earlier one."""
        if self._alike == "near":
            firsts: Sequence[int] = near_duplicates(map(_said, _examples(self.source)))
        else:
            key = _exact if self._alike == "exact" else _text
            firsts = _firsts(array("Q", map(key, _examples(self.source))))
        return bytearray(place == first for place, first in enumerate(firsts))


def _exact(example: Example) -> int:
    return digest_of_bytes(canonical_bytes(msgspec.structs.replace(example, extra={}) if example.extra else example))


def _text(example: Example) -> int:
    return digest(normalised(_said(example)))


def _said(example: Example) -> str:
    return f"{question(example)}\0{answer(example) or ''}"


def _firsts(keys: array[int]) -> array[int]:
    """For each place the first one with the same key."""
    firsts = array("I", range(len(keys)))
    for before, place in pairwise(in_key_order(keys)):
        if keys[before] == keys[place]:
            firsts[place] = firsts[before]
    return firsts


class MergedSource:
    """All rows of several sources, one source after another. Rows keep the lines of their own source; what is told of them names it."""

    def __init__(self, sources: Sequence[Source]) -> None:
        if not sources:
            raise DatasetError("merge: no datasets were named.")
        self._sources = tuple(sources)
        self.name = " + ".join(source.name for source in self._sources)
        self.place = " + ".join(source.place for source in self._sources)

    def blocks(self, notices: Notices) -> Blocks:
        for source in self._sources:
            yield from source.blocks(_Told(notices, source.place) if len(self._sources) > 1 else notices)

    def length(self) -> int | None:
        lengths = [source.length() for source in self._sources]
        return None if None in lengths else sum(length or 0 for length in lengths)

    def reference(self) -> dict[str, Any] | None:
        references = [source.reference() for source in self._sources]
        return None if None in references else {"merge": references}


class _Told:
    """Says of which source a row is."""

    def __init__(self, notices: Notices, place: str) -> None:
        self._notices = notices
        self._place = place

    def bad(self, line: int, sentence: str) -> None:
        self._notices.bad(line, f"{self._place}: {sentence}")

    def lost(self, line: int, kind: str) -> None:
        self._notices.lost(line, kind)
