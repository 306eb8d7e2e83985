"""Buckets as folders: what is in one shows in the other, both ways, as a machine sees them under /gcs.

As with Cloud Storage FUSE a file comes to be an object once it has been written, and the last one who writes wins. Unlike there, a folder
without files is there, files can be locked, and renaming is done at once.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tuneport_vertex.emulator.storage.buckets import Bucket, put
from tuneport_vertex.emulator.world import World

EVERY_S = 0.1
_PART = ".mounting"


@dataclass(frozen=True, slots=True)
class _Both:
    """An object and its file when they were last the same."""

    generation: int
    stamp: tuple[int, int]


class Mounts:
    """All buckets, under one folder. `turn` is the lock of the server that serves them."""

    def __init__(self, world: World, turn: threading.RLock, folder: Path) -> None:
        self.folder = folder
        self._world, self._turn = world, turn
        self._known: dict[str, dict[str, _Both]] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_up, name="mounts", daemon=True)
        self._thread.start()

    def settle(self) -> None:
        """Brings both sides into step, once."""
        with self._turn:
            for bucket in self._world.buckets.values():
                known = self._known.setdefault(bucket.name, {})
                _brought_down(bucket, self.folder / bucket.name, known)
                self._taken_up(bucket, self.folder / bucket.name, known)

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def _keep_up(self) -> None:
        while not self._over.wait(EVERY_S):
            self.settle()

    def _taken_up(self, bucket: Bucket, root: Path, known: dict[str, _Both]) -> None:
        """Files that are new or changed, the oldest first: a file that says that others are whole comes after them."""
        found = dict(_files(root))
        for name, stamp in sorted(found.items(), key=lambda item: item[1][1]):
            if name in known and known[name].stamp == stamp:
                continue
            with suppress(FileNotFoundError):
                blob = self._world.blobs.write([(root / name).read_bytes()])
                stored = put(self._world, bucket, name, blob, content_type="application/octet-stream")
                known[name] = _Both(stored.generation, stamp)
        for name in [name for name in known if name not in found]:
            bucket.objects.pop(name, None)
            del known[name]


def _brought_down(bucket: Bucket, root: Path, known: dict[str, _Both]) -> None:
    """Objects that are new or changed, and those that are gone."""
    for name, stored in list(bucket.objects.items()):
        if name in known and known[name].generation == stored.generation:
            continue
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f"{path.name}{_PART}")
        shutil.copyfile(stored.blob.path, part)
        part.replace(path)
        known[name] = _Both(stored.generation, _stamp(path))
    for name in [name for name in known if name not in bucket.objects]:
        (root / name).unlink(missing_ok=True)
        del known[name]


def _files(root: Path) -> Iterator[tuple[str, tuple[int, int]]]:
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            if not name.endswith(_PART):
                with suppress(FileNotFoundError):
                    yield path.relative_to(root).as_posix(), _stamp(path)


def _stamp(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns
