"""Stored blobs as a machine has them mounted in a folder: kept in step both ways, file by file.

As with the vendors' own mounts a file is a blob from when it has been written to its end, which is taken to be so once it has the same size
at two looks, and does not change while it is read; the last one who writes wins. What is unlike them: folders without files stay, files can
be locked, renaming is done at once, and a change of the other side shows at the next look.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from tuneport.testing.emulator.blobs import Blob, BlobStore

_PART = ".mounting"
_Stamp = tuple[int, int]
"""Size and time of the last change."""
_NEVER: _Stamp = (-1, 0)


@dataclass(frozen=True, slots=True)
class Shelved:
    """A stored blob. `version` is another one each time it is written."""

    version: Hashable
    blob: Blob


class Shelf(Protocol):
    """The blobs that are mounted, by their names in the folder."""

    def all(self) -> Mapping[str, Shelved]: ...

    def keep(self, name: str, blob: Blob) -> Hashable:
        """Stores it in place of the one before. Returns its version."""

    def drop(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class _Both:
    """A blob and its file when they were the same."""

    version: Hashable
    stamp: _Stamp


class Mount:
    """A shelf, in `folder`. `turn` is the lock of the server that serves it."""

    def __init__(self, shelf: Shelf, store: BlobStore, turn: threading.RLock | AbstractContextManager[object], *, folder: Path) -> None:
        self.folder = folder
        self._shelf, self._store, self._turn = shelf, store, turn
        self._known: dict[str, _Both] = {}
        self._seen: dict[str, _Stamp] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def settle(self, *, all_of_it: bool = False) -> None:
        """One look at both sides. `all_of_it`: whoever wrote has ended, so that every file is whole."""
        with self._turn:
            self._down()
            self._up(all_of_it=all_of_it)

    def _down(self) -> None:
        there = self._shelf.all()
        for name, shelved in there.items():
            known = self._known.get(name)
            if known is not None and known.version == shelved.version:
                continue
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(path.name + _PART)
            with part.open("wb") as file:
                for block in shelved.blob.blocks():
                    file.write(block)
            part.replace(path)
            self._known[name] = _Both(shelved.version, _stamp(path))
        for name in [name for name in self._known if name not in there]:
            (self.folder / name).unlink(missing_ok=True)
            del self._known[name]

    def _up(self, *, all_of_it: bool) -> None:
        """The oldest first: a file that says that others are whole comes after them."""
        files = self._files()
        for name, stamp in sorted(files.items(), key=lambda item: item[1][1]):
            known = self._known.get(name)
            if known is not None and known.stamp == stamp:
                continue
            if not all_of_it and self._seen.get(name, _NEVER)[0] != stamp[0]:
                continue
            with suppress(FileNotFoundError):
                self._keep(name, stamp)
        self._seen = files
        for name in [name for name in self._known if name not in files]:
            self._shelf.drop(name)
            del self._known[name]

    def _keep(self, name: str, stamp: _Stamp) -> None:
        path = self.folder / name
        with path.open("rb") as file:
            blob = self._store.write(iter(lambda: file.read(1 << 18), b""))
        if _stamp(path) != stamp:
            self._store.discard(blob)  # it was being written: the next look takes it
            return
        self._known[name] = _Both(self._shelf.keep(name, blob), stamp)

    def _files(self) -> dict[str, _Stamp]:
        found = {}
        for folder, _, names in os.walk(self.folder):
            for path in (Path(folder) / name for name in names if not name.endswith(_PART)):
                with suppress(FileNotFoundError):
                    found[path.relative_to(self.folder).as_posix()] = _stamp(path)
        return found


def _stamp(path: Path) -> _Stamp:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
