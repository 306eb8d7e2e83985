"""What every way of counting tokens has to offer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from tuneport.examples import Example


class Counted(NamedTuple):
    """The tokens of one row. `guessed` names what of them is estimated (`tools`, `images` …); '' where nothing is."""

    tokens: int
    guessed: str = ""


class Counter(Protocol):
    """Counts the tokens of rows as a model is trained on them, what stands around messages included.

    A preference row counts as its prompt once and both its answers; a prompt without its reference. No row is refused.
    """

    @property
    def exact(self) -> bool:
        """Whether rows of plain text are counted exactly. Where False, every count is an estimate."""

    @property
    def name(self) -> str:
        """What counts, in a few words: `o200k_base`, `characters x 0.25`."""

    @property
    def source(self) -> str:
        """Where the rule or the factor comes from, with its date."""

    def count(self, example: Example) -> int:
        """The tokens of one row."""

    def count_block(self, examples: Sequence[Example]) -> list[int]:
        """The tokens of each row; quicker where there are many."""

    def measured(self, examples: Sequence[Example]) -> list[Counted]:
        """Likewise, saying of each row what is estimated."""
