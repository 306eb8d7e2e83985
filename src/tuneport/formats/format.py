"""What a format is: a table row of plain functions. One file per format beside this one; `known.py` lists them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import BinaryIO, Protocol

from tuneport.examples import Example

HEAD_BYTES = 1 << 16
"""How much of a file a format sees before it says whether the file is one of its own."""


class BadRow(ValueError):
    """A row that is not what its format asks for. The text is a sentence that names keys, never contents."""


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
        """The row was read, but something of it has no place in an Example, such as `message.refusal`."""


class Reader(Protocol):
    """Streams a file's rows with the line each one starts at. `columns` maps canonical names to those in the file."""

    def __call__(self, stream: BinaryIO, *, columns: Mapping[str, str], notices: Notices) -> Iterator[tuple[int, Example]]: ...


Written = tuple[bytes, tuple[str, ...]]
"""A row as it goes into the file, its line end included, and the kinds of loss it suffered."""


@dataclass(frozen=True, slots=True)
class Format:
    """One wire format for dataset files.

    sniff   confidence in [0, 1] that a file is of this format, from its first HEAD_BYTES and its lower-case suffix
    read    see Reader; raises BadFile for what concerns the whole file
    write   one row; raises BadRow when the row cannot be said in this format at all
    header  what stands before the first row
    """

    name: str
    summary: str
    extensions: tuple[str, ...]
    sniff: Callable[[bytes, str], float]
    read: Reader
    write: Callable[[Example], Written]
    header: bytes = b""
