"""Compression around any container: gzip and zstd, told by their first bytes when reading and by the ending when writing."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import PurePath
from types import ModuleType

from tuneport.containers.container import Stream
from tuneport.formats.format import BadFile

PIECE_BYTES = 1 << 17
"""How much is packed or unpacked at a time: a file that unpacks to a thousand times its size needs no more memory than any other."""

_CUT_OFF = "the {name} stream ends too early: the file is cut off."
_DAMAGED = "the {name} stream is damaged from here on."
_REMEDY = "Copy or download the file again."


@dataclass(frozen=True, slots=True)
class Compression:
    """unpack: the bytes inside, piece by piece; raises EOFError for a stream that is cut off, else one of `damage`."""

    name: str
    suffixes: tuple[str, ...]
    magic: bytes
    unpack: Callable[[Stream], Iterator[bytes]]
    pack: Callable[[Iterable[bytes]], Iterator[bytes]]
    damage: Callable[[], type[Exception]]


def _gunzip(stream: Stream) -> Iterator[bytes]:
    """All members, one after another; zeros after the last are padding."""
    data = stream.read(PIECE_BYTES)
    while data:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            data = data or stream.read(PIECE_BYTES)
            found = member.decompress(data, PIECE_BYTES)
            if not (data or found or member.eof):
                raise EOFError
            yield found
            data = member.unconsumed_tail
        data = member.unused_data.lstrip(b"\0")
        while not data and (more := stream.read(PIECE_BYTES)):
            data = more.lstrip(b"\0")


def _gzip(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Without a time or a name inside: the same rows give the same file."""
    packer = zlib.compressobj(wbits=31)
    for chunk in chunks:
        yield packer.compress(chunk)
    yield packer.flush()


def _unzstd(stream: Stream) -> Iterator[bytes]:
    """All frames, one after another."""
    data = stream.read(PIECE_BYTES)
    while data:
        frame = _zstd().ZstdDecompressor()
        while not frame.eof:
            if frame.needs_input and not data:
                data = stream.read(PIECE_BYTES)
                if not data:
                    raise EOFError
            yield frame.decompress(data, PIECE_BYTES)
            data = b""
        data = frame.unused_data or stream.read(PIECE_BYTES)


def _to_zstd(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """With a checksum, without which a damaged text passes for another one."""
    zstd = _zstd()
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.checksum_flag: 1})
    for chunk in chunks:
        yield packer.compress(chunk)
    yield packer.flush()


def _zstd() -> ModuleType:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return zstd


def _zstd_damage() -> type[Exception]:
    return _zstd().ZstdError  # type: ignore[no-any-return]


GZIP = Compression("gzip", (".gz", ".gzip"), b"\x1f\x8b", _gunzip, _gzip, lambda: zlib.error)
ZSTD = Compression("zstd", (".zst", ".zstd"), b"\x28\xb5\x2f\xfd", _unzstd, _to_zstd, _zstd_damage)
COMPRESSIONS = (GZIP, ZSTD)


def endings(path: PurePath) -> tuple[str, Compression | None]:
    """The ending that names the container, lower case, and the compression that a second ending names: `.jsonl`, GZIP."""
    last = path.suffix.lower()
    for each in COMPRESSIONS:
        if last in each.suffixes:
            return path.with_suffix("").suffix.lower(), each
    return last, None


def compression_of(head: bytes) -> Compression | None:
    """By the first bytes; an ending may be wrong."""
    return next((each for each in COMPRESSIONS if head.startswith(each.magic)), None)


class Unpacked:
    """What is inside a compressed stream, as far as containers read streams. Raises BadFile where it is damaged or cut off, after it has
    handed out what comes before, but no piece of a line as if it were a whole one."""

    def __init__(self, stream: Stream, compression: Compression) -> None:
        self._name = compression.name
        self._pieces = compression.unpack(stream)
        self._damage = compression.damage()
        self._data, self._at = b"", 0
        self._problem: BadFile | None = None

    closed = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        """`size` bytes, fewer only at the end."""
        parts, missing = [], size if size >= 0 else sys.maxsize
        while missing and self._refill():
            parts.append(self._taken(self._at + missing))
            missing -= len(parts[-1])
        if self._problem is not None and not parts:
            raise self._problem
        return b"".join(parts)

    def readline(self, size: int = -1) -> bytes:
        parts, missing = [], size if size >= 0 else sys.maxsize
        while missing and self._refill():
            end = self._data.find(b"\n", self._at, self._at + missing) + 1
            parts.append(self._taken(end or self._at + missing))
            missing = 0 if end else missing - len(parts[-1])
        if missing and self._problem is not None:
            raise self._problem
        return b"".join(parts)

    def _taken(self, end: int) -> bytes:
        taken = self._data[self._at : end]
        self._at += len(taken)
        return taken

    def _refill(self) -> bool:
        """Whether there is more data, now at hand."""
        if self._at < len(self._data):
            return True
        if self._problem is not None:
            return False
        try:
            self._data, self._at = next(filter(None, self._pieces), b""), 0
        except EOFError:
            self._problem = BadFile(_CUT_OFF.format(name=self._name), remedy=_REMEDY)
        except self._damage:
            self._problem = BadFile(_DAMAGED.format(name=self._name), remedy=_REMEDY)
        return self._at < len(self._data)
