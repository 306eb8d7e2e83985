"""What texts say, looked at over some hundred rows together: marks that should not be there, and rows that repeat others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from xxhash import xxh3_64_intdigest

from tuneport.check_report import Found
from tuneport.examples import Example, canonical_bytes, kind_of_example
from tuneport.limits import Target
from tuneport.marks import marks
from tuneport.near_duplicates import near_duplicates
from tuneport.plain_rows import PlainRows, texts_of
from tuneport.repeats import Keys, Numbering
from tuneport.row_texts import RowTexts

BATCH_ROWS = 300
BATCH_CHARS = 1 << 18
"""Whichever comes first ends a batch: enough for the vector operations to pay, few enough to stay in the processor's cache."""


class TextChecks:
    """Gathers rows until they are worth looking at."""

    def __init__(self, target: Target, found: Found) -> None:
        self._found = found
        self._forbidden = target.limits.forbidden_tokens
        self._same, self._alike = Keys(), Keys()
        self._numbering = Numbering()
        self._start()

    def _start(self) -> None:
        self._texts: list[str] = []
        self._counts: list[int] = []
        self._lines: list[int] = []
        self._seeds: list[int] = []
        self._own: dict[int, int] = {}
        self._chars = 0

    def add_plain(self, lines: Sequence[int], rows: PlainRows) -> None:
        """Conversations of text alone."""
        self._texts += rows.texts
        self._counts += rows.counts
        self._lines += lines
        self._seeds += [_seed(rows.shapes[0])] * len(lines) if rows.one_shape else map(_seed, rows.shapes)
        if len(lines) == 1:
            self._chars += sum(map(len, rows.texts))
        if len(self._lines) >= BATCH_ROWS or self._chars >= BATCH_CHARS:
            self._look()

    def add(self, line: int, example: Example) -> None:
        """A row of any kind. Whether it repeats another is told by all of it, not by its texts alone."""
        texts = texts_of(example)
        self._own[len(self._lines)] = xxh3_64_intdigest(_canonical(example))
        self._texts += texts
        self._counts.append(len(texts))
        self._lines.append(line)
        self._seeds.append(_seed(kind_of_example(example)))
        self._chars += sum(map(len, texts))
        if len(self._lines) >= BATCH_ROWS or self._chars >= BATCH_CHARS:
            self._look()

    def _look(self) -> None:
        texts = RowTexts.of(self._texts, self._counts)
        bare = texts.bare()
        same = texts.digests(self._seeds)
        for place, digest in self._own.items():
            same[place] = digest
        self._same.add(same)
        self._alike.add(bare.digests(self._seeds))
        self._numbering.add(self._lines)
        for mark in dict.fromkeys(marks(texts, bare, forbidden=self._forbidden)):
            what = f"what looks like {mark.what}" if mark.rule in _LIKELY else mark.what
            self._found.add(mark.rule, self._lines[mark.place], f"the row holds {what}.")
        self._start()

    def finish(self, near: Iterable[str] | None) -> None:
        """Looks at the last rows, and at which rows repeat others; with `near`, the texts of all rows again, also at which nearly do."""
        if self._lines:
            self._look()
        again = bytearray(len(self._same))
        for place, first in self._same.repeats() if self._alike.any_repeat() else ():  # rows that are the same are alike
            again[place] = 1
            self._repeated("row-not-repeated", place, first, "the row repeats line {}.")
        for place, first in self._alike.repeats():
            if not again[place]:
                again[place] = 1
                self._repeated("row-not-alike", place, first, "the row repeats line {} but for white space, case or punctuation.")
        for place, first in enumerate(near_duplicates(near)) if near is not None else ():
            if place != first and not again[place]:
                self._repeated("row-not-near", place, first, "the row is nearly the same as line {}.")

    def _repeated(self, rule: str, place: int, first: int, sentence: str) -> None:
        self._found.add(rule, self._numbering.line(place), sentence.format(self._numbering.line(first)))


_LIKELY = ("no-credential", "no-card-number")


def _seed(value: object) -> int:
    return hash(value) & 0xFFFFFFFF


def _canonical(example: Example) -> bytes:
    try:
        return canonical_bytes(example)
    except UnicodeEncodeError:
        return repr(example).encode("utf-8", "backslashreplace")
