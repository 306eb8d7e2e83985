"""What a format is: a table row of plain functions. One file per format beside this one; `known.py` lists them.

A format knows rows, not files: containers (JSON Lines, CSV, Parquet, …) turn files into rows and rows into files, so that any format can
lie in any container that can hold its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from tuneport.examples import Example, Kind


class BadRow(ValueError):
    """A row that is not what its format asks for. The text is a sentence that names keys, never contents; `place` is the row's place in
    a batch, where it was in one."""

    def __init__(self, sentence: str, *, place: int = 0) -> None:
        super().__init__(sentence)
        self.place = place


class BadFile(ValueError):
    """A file that cannot be read as a whole. `line` is where that shows, if it does."""

    def __init__(self, sentence: str, *, line: int | None = None, remedy: str = "") -> None:
        super().__init__(sentence)
        self.line = line
        self.remedy = remedy


class Notices(Protocol):
    """Hears what a reader cannot hand on. When `bad` returns instead of raising, reading goes on after that row."""

    def bad(self, line: int, sentence: str) -> None:
        """The row that starts at `line` (1-based) cannot be read; `sentence` names keys, never contents."""

    def lost(self, line: int, kind: str) -> None:
        """Something of the row was not carried on, such as `message.refusal`; the row itself was."""


Lose = Callable[[str], None]
"""Hears of each kind of thing that a row loses: a dotted name such as `message.weight`, listed in losses.py."""

Row = Mapping[str, Any]
"""A row as JSON has it: the keys of one object."""


class Decoded(NamedTuple):
    """Rows, and what tells of the keys that their objects had: how many at the least, or what was decoded, which has no key when encoded
    again that was not there before."""

    examples: list[Example]
    least_keys: int | None = None
    rows: Sequence[Any] | None = None


Decode = Callable[[bytes], Decoded]
"""Complete lines of JSON, all of them clean rows of the format, as Examples; raises msgspec.MsgspecError, UnicodeError or RecursionError
for any other. Blank lines are passed over."""


@dataclass(frozen=True, slots=True)
class Format:
    """One wire format for rows.

    kinds   the kinds of Example that reading gives
    sniff   confidence in [0, 1] that rows with these are of this format, from the first rows of a file
    read    one row with care: unknown keys go to `extra` or are told; raises BadRow
    write   one Example as a row: a mapping, or a msgspec struct, that msgspec can encode; raises BadRow when it cannot be said at all
    decode  quicker ways to read lines of JSON that are clean, the narrowest first; one that refuses a block is not tried on later ones
    bom     whether a file of lines begins with a byte order mark
    nested  the keys whose values are lists or objects; where a file holds them as JSON text, they are unpacked before `read`
    spellings  other names that `read` takes for the format's keys, each a table from ours to theirs that is taken as a whole
    """

    name: str
    summary: str
    kinds: tuple[Kind, ...]
    sniff: Callable[[Sequence[Row]], float]
    read: Callable[[Row, Lose], Example]
    write: Callable[[Example, Lose], Any]
    decode: tuple[Decode, ...] = ()
    bom: bool = False
    nested: tuple[str, ...] = ()
    spellings: tuple[Mapping[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive rows with the 1-based lines they start at; as many lines as examples."""

    lines: Sequence[int]
    examples: Sequence[Example]
