"""A folder of the blob container as a machine has it mounted: kept in step both ways, file by file.

As with the service's own mount a file is a blob from when it has been written to its end, which is taken to be so once it has the same size
at two looks, and does not change while it is read. What is unlike it: folders without files stay, and a change of the other side shows at
the next look.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tuneport.testing.emulator import Blob
from tuneport_azureml.emulator.world import World

PART = ".mounting"
Stamp = tuple[int, int]
"""Size and time of the last change."""
_NEVER: Stamp = (-1, 0)


@dataclass(frozen=True, slots=True)
class _Both:
    """A blob and its file when they were the same. Every writing of a blob makes a new one, with a path of its own."""

    blob: Path
    stamp: Stamp


class Mount:
    """The blobs below `prefix`, in `folder`. `turn` is the lock of the server that serves them."""

    def __init__(self, world: World, turn: threading.RLock, *, prefix: str, folder: Path) -> None:
        self.folder = folder
        self._world, self._turn, self._prefix = world, turn, prefix
        self._known: dict[str, _Both] = {}
        self._seen: dict[str, Stamp] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def settle(self, *, all_of_it: bool = False) -> None:
        """One look at both sides. `all_of_it`: whoever wrote has ended, so that every file is whole."""
        with self._turn:
            self._down()
            self._up(all_of_it=all_of_it)

    def _down(self) -> None:
        blobs = self._blobs()
        for name, blob in blobs.items():
            known = self._known.get(name)
            if known is not None and known.blob == blob.path:
                continue
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_name(path.name + PART)
            with part.open("wb") as file:
                for block in blob.blocks():
                    file.write(block)
            part.replace(path)
            self._known[name] = _Both(blob.path, _stamp(path))
        for name in [name for name in self._known if name not in blobs]:
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
            self._world.store.discard(self._world.blobs.pop(self._prefix + name))
            del self._known[name]

    def _keep(self, name: str, stamp: Stamp) -> None:
        path, world = self.folder / name, self._world
        with path.open("rb") as file:
            blob = world.store.write(iter(lambda: file.read(1 << 18), b""))
        if _stamp(path) != stamp:
            world.store.discard(blob)  # it was being written: the next look takes it
            return
        old = world.blobs.get(self._prefix + name)
        if old is not None:
            world.store.discard(old)
        world.blobs[self._prefix + name] = blob
        self._known[name] = _Both(blob.path, stamp)

    def _blobs(self) -> dict[str, Blob]:
        there = self._world.blobs.items()
        return {path.removeprefix(self._prefix): blob for path, blob in there if path.startswith(self._prefix)}

    def _files(self) -> dict[str, Stamp]:
        found = {}
        for folder, _, names in os.walk(self.folder):
            for path in (Path(folder) / name for name in names if not name.endswith(PART)):
                with suppress(FileNotFoundError):
                    found[path.relative_to(self.folder).as_posix()] = _stamp(path)
        return found


def _stamp(path: Path) -> Stamp:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
