"""Bytes that clients send, kept on disk: an upload of any size passes through one block of memory."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import BinaryIO

BLOCK_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Blob:
    """Bytes on disk and their digests (hexadecimal)."""

    path: Path
    size_bytes: int
    sha256: str
    md5: str

    def open(self) -> BinaryIO:
        return self.path.open("rb")

    def blocks(self) -> Iterator[bytes]:
        with self.open() as file:
            while block := file.read(BLOCK_BYTES):
                yield block

    def read(self) -> bytes:
        """All of it: for small blobs."""
        return self.path.read_bytes()


class BlobStore:
    """A folder of blobs, for several threads. Without a folder it makes one and removes it on `close`."""

    def __init__(self, folder: Path | None = None) -> None:
        self._own = folder is None
        self._folder = folder or Path(tempfile.mkdtemp(prefix="emulator-blobs-"))
        self._folder.mkdir(parents=True, exist_ok=True)
        self._numbers = count(1)

    def write(self, blocks: Iterable[bytes]) -> Blob:
        """A new blob. What was written of it is removed if `blocks` raises."""
        path = self._folder / f"{next(self._numbers):08d}"
        sha256, md5, size = hashlib.sha256(), hashlib.md5(usedforsecurity=False), 0
        try:
            with path.open("xb") as file:
                for block in blocks:
                    file.write(block)
                    sha256.update(block)
                    md5.update(block)
                    size += len(block)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return Blob(path, size, sha256.hexdigest(), md5.hexdigest())

    def join(self, parts: Iterable[Blob]) -> Blob:
        """A new blob of the parts, in this order. The parts stay."""
        return self.write(block for part in parts for block in part.blocks())

    def discard(self, blob: Blob) -> None:
        blob.path.unlink(missing_ok=True)

    def close(self) -> None:
        if self._own:
            shutil.rmtree(self._folder, ignore_errors=True)
