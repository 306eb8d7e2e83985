"""All buckets as folders, as a machine sees them under /gcs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tuneport.testing.emulator import Blob
from tuneport.testing.emulator.mounts import Mount, Shelved
from tuneport_vertex.emulator.storage.buckets import Bucket, put
from tuneport_vertex.emulator.world import World

EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Objects:
    """Those of a bucket."""

    world: World
    bucket: Bucket

    def all(self) -> Mapping[str, Shelved]:
        return {name: Shelved(stored.generation, stored.blob) for name, stored in self.bucket.objects.items()}

    def keep(self, name: str, blob: Blob) -> int:
        return put(self.world, self.bucket, name, blob, content_type="application/octet-stream").generation

    def drop(self, name: str) -> None:
        self.bucket.objects.pop(name, None)


class Mounts:
    """All buckets, under one folder. `turn` is the lock of the server that serves them."""

    def __init__(self, world: World, turn: threading.RLock, folder: Path) -> None:
        self.folder = folder
        self._world, self._turn = world, turn
        self._mounted: dict[str, Mount] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._keep_up, name="mounts", daemon=True)
        self._thread.start()

    def settle(self, *, all_of_it: bool = False) -> None:
        """Brings both sides into step, once. `all_of_it`: whoever wrote has ended."""
        with self._turn:
            for name, bucket in self._world.buckets.items():
                if name not in self._mounted:
                    self._mounted[name] = Mount(Objects(self._world, bucket), self._world.blobs, self._turn, folder=self.folder / name)
                self._mounted[name].settle(all_of_it=all_of_it)

    def close(self) -> None:
        self._over.set()
        self._thread.join()

    def _keep_up(self) -> None:
        while not self._over.wait(EVERY_S):
            self.settle()
