"""A planned file as a stream that holds no more of it than one chunk."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING

from tuneport.errors import DatasetError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

    from tuneport.plan import PlannedFile


class PlannedStream(io.RawIOBase):
    """The bytes of a planned file, made while they are read. It can go back to its start, and knows its length.

    The last bytes are only given when all of them are what was planned: else DatasetError, and whoever reads to send has not sent a whole
    file.
    """

    def __init__(self, file: PlannedFile) -> None:
        super().__init__()
        self._file = file
        self._at = 0
        self._restart()

    def _restart(self) -> None:
        self._chunks: Iterator[bytes] = self._file.chunks()
        self._rest = memoryview(b"")
        self._made = 0
        self._digest = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._file.size_bytes}[whence]
        return self._at

    def readinto(self, buffer: WriteableBuffer) -> int:
        if self._at == 0 and self._made:
            self._restart()
        if self._at != self._made:
            raise io.UnsupportedOperation("a planned file is read from its start to its end")
        view = memoryview(buffer).cast("B")
        taken = self._next(len(view))
        view[: len(taken)] = taken
        return len(taken)

    def _next(self, most: int) -> memoryview:
        """The next bytes, `most` at most; none at the end."""
        while not self._rest and (chunk := next(self._chunks, None)) is not None:
            self._rest = memoryview(chunk)
        taken, self._rest = self._rest[:most], self._rest[most:]
        self._digest.update(taken)
        self._made = self._at = self._made + len(taken)
        if self._made >= self._file.size_bytes or not taken:
            self._must_be_as_planned()
        return taken

    def _must_be_as_planned(self) -> None:
        if (self._made, self._digest.hexdigest()) != (self._file.size_bytes, self._file.sha256):
            raise DatasetError(
                f"the {self._file.purpose} data changed since the job was planned ({self._file.rows:,} rows then).",
                remedy="Submit again: it is planned anew.",
            )
