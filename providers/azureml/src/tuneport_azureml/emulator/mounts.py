"""What an output of a job has mounted: the blobs of the container below a prefix."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tuneport.testing.emulator import Blob
from tuneport.testing.emulator.mounts import Shelved
from tuneport_azureml.emulator.world import World


@dataclass(frozen=True, slots=True)
class BlobsBelow:
    """Every writing of a blob makes a new one, with a path of its own."""

    world: World
    prefix: str

    def all(self) -> Mapping[str, Shelved]:
        there = self.world.blobs.items()
        return {path.removeprefix(self.prefix): Shelved(blob.path, blob) for path, blob in there if path.startswith(self.prefix)}

    def keep(self, name: str, blob: Blob) -> Path:
        old = self.world.blobs.get(self.prefix + name)
        if old is not None:
            self.world.store.discard(old)
        self.world.blobs[self.prefix + name] = blob
        return blob.path

    def drop(self, name: str) -> None:
        self.world.store.discard(self.world.blobs.pop(self.prefix + name))
