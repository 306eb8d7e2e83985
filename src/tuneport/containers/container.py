"""What a container is: how a file holds rows, whatever the rows mean. One file per container beside this one; `known.py` lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from operator import itemgetter
from typing import Any, Protocol

from tuneport.formats.format import Notices


class Stream(Protocol):
    """As much of a binary file as containers need: `read` gives fewer bytes than asked for only at the end."""

    def read(self, size: int = -1, /) -> bytes: ...

    def readline(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Lines:
    """`count` complete lines of JSON, one row each; the first has the 1-based number `first`. Some may be blank.

    Where all of them begin with { and end with }, and end with a line feed alone, they are `tidy`. In a list or an object a comma stands
    between } and {, so that each of the line ends then parts two rows. Made by `lines_of`.
    """

    first: int
    count: int
    data: bytes
    tidy: bool = False


def lines_of(first: int, data: bytes) -> Lines:
    """The lines, counted and looked at. They are taken apart for it: `bytes.count` looks at each byte and took twice as long."""
    lines = BytesIO(data).readlines()
    if not data.endswith(b"\n"):
        lines[-1] += b"\n"
    try:
        tidy = all(list(map(byte, lines)).count(brace) == len(lines) for byte, brace in _BRACES)
    except IndexError:  # one is blank
        tidy = False
    return Lines(first, len(lines), data, tidy)


_BRACES = ((itemgetter(0), ord("{")), (itemgetter(-2), ord("}")))
"""The first byte of a line, and the last before its end."""


@dataclass(frozen=True, slots=True)
class Texts:
    """Rows as JSON text, none of them blank, each with the 1-based line it starts at."""

    lines: Sequence[int]
    texts: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Records:
    """Rows that are already objects, each with its 1-based line or, in a binary file, its number."""

    lines: Sequence[int]
    rows: Sequence[Mapping[str, Any]]


Raw = Lines | Texts | Records
Batch = Sequence[Any]
"""Rows to write: mappings or msgspec structs."""


@dataclass(frozen=True, slots=True)
class Container:
    """One way to hold rows in a file.

    suffixes  the endings, lower case, before any of a compression; the first is the one to write
    magic     the first bytes, where they tell: any of these
    read      streams a file, in memory that does not grow with it; raises BadFile for what concerns the whole of it
    write     the bytes of a file, streamed; raises BadRow for a row it cannot hold. `bom` asks for a byte order mark. The batches may be
              gone through twice
    table     whether rows are flat: one column a key, the same keys in every row
    binary    whether rows have numbers rather than lines
    packs     whether it compresses by itself and is read from its end, so that no compression goes around it
    """

    name: str
    summary: str
    suffixes: tuple[str, ...]
    read: Callable[[Stream, Notices], Iterator[Raw]]
    write: Callable[[Iterable[Batch], bool], Iterator[bytes]]
    magic: tuple[bytes, ...] = ()
    table: bool = False
    binary: bool = False
    packs: bool = False
