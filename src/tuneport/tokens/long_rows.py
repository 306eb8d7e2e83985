"""Counting tokens only of rows that may have too many: a token is a byte at least, so a row of fewer bytes has fewer tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tuneport.examples import Example, canonical_bytes
from tuneport.tokens.counter import Counted, Counter

_IMAGE = b'"part":"image"'
"""Stands in no canonical row by accident: quotes within texts are escaped there."""


@dataclass(frozen=True, slots=True)
class LongRows:
    """A counter that is exact, as far as `counter` is, above `most` tokens. For shorter rows it gives a bound from above, their bytes."""

    counter: Counter
    most: int

    @property
    def exact(self) -> bool:
        return self.counter.exact

    @property
    def name(self) -> str:
        return self.counter.name

    @property
    def source(self) -> str:
        return self.counter.source

    def count(self, example: Example) -> int:
        data = canonical_bytes(example)
        return len(data) if len(data) <= self.most and _IMAGE not in data else self.counter.count(example)

    def count_block(self, examples: Sequence[Example]) -> list[int]:
        return [self.count(example) for example in examples]

    def measured(self, examples: Sequence[Example]) -> list[Counted]:
        return [Counted(self.count(example)) for example in examples]
