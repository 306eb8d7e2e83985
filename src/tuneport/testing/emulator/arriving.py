"""A request's body as it arrives: counted, digested, and bounded in memory."""

from __future__ import annotations

import hashlib
from io import BufferedIOBase

from tuneport.testing.emulator.blobs import BLOCK_BYTES

LONGEST_JSON = 64 * 1024 * 1024


class CutOff(ConnectionError):
    """The client went away in the middle of the body."""


class TooLong(ValueError):
    """A body that has to fit into memory does not."""


class EnoughArrived(Exception):
    """So much of the body has arrived as a fault wanted to see."""


class Arriving:
    """The body behind a request's head, with Content-Length or chunked. `read(n)` gives at most n bytes, b"" at the end.

    `stop_after` raises EnoughArrived as soon as that many bytes were read.
    """

    def __init__(self, stream: BufferedIOBase, *, length: int, chunked: bool, stop_after: int | None = None) -> None:
        self._stream = stream
        self._left = 0 if chunked else length
        self._chunked = chunked
        self._stop_after = stop_after
        self._digest = hashlib.sha256()
        self.size_bytes = 0

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    def read(self, count: int) -> bytes:
        if self._stop_after is not None and self.size_bytes >= self._stop_after:
            raise EnoughArrived
        if self._left == 0 and self._chunked:
            self._next_chunk()
        data = self._exactly(min(count, self._left, BLOCK_BYTES))
        self._left -= len(data)
        self.size_bytes += len(data)
        self._digest.update(data)
        if self._chunked and data and self._left == 0:
            self._exactly(2)
        return data

    def all(self) -> bytes:
        """The whole body. Raises TooLong."""
        data = bytearray()
        while block := self.read(BLOCK_BYTES):
            data += block
            if len(data) > LONGEST_JSON:
                raise TooLong
        return bytes(data)

    def drain(self) -> None:
        """Reads what is left and forgets it, so that the connection can be used again."""
        while self.read(BLOCK_BYTES):
            pass

    def _next_chunk(self) -> None:
        line = self._stream.readline(1024)
        try:
            self._left = int(line.split(b";")[0].strip(), 16)
        except ValueError:
            raise CutOff("the body ends in the middle of a chunk") from None
        if self._left == 0:
            self._chunked = False
            while self._stream.readline(1024).strip():
                pass

    def _exactly(self, count: int) -> bytes:
        if count == 0:
            return b""
        data = self._stream.read(count)
        if len(data) < count:
            raise CutOff(f"the client stopped {count - len(data)} bytes early")
        return data
