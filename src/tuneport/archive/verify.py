"""Whether an archive is still what it was: every file against its checksum."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneport.archive.bundle import MANIFEST, digest_of, read_manifest
from tuneport.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one file of a bundle."""

    path: Path
    sentence: str


@dataclass(frozen=True, slots=True)
class Verified:
    """One bundle: how many of its files are as they were, and what is wrong with the others."""

    folder: Path
    job: str
    sound: int
    faults: tuple[Fault, ...]


def verify(folder: Path) -> list[Verified]:
    """Checks a bundle, or every bundle in a folder. Raises ConfigError where there is none."""
    bundles = [folder] if (folder / MANIFEST).exists() else sorted(path.parent for path in folder.glob(f"*/{MANIFEST}"))
    if not bundles:
        raise ConfigError(f"{folder} holds no archive: there is no {MANIFEST} in it or in a folder of it.", remedy="Name another folder.")
    return [_verified(bundle) for bundle in bundles]


def _verified(bundle: Path) -> Verified:
    try:
        manifest = read_manifest(bundle)
    except ConfigError as error:
        return Verified(bundle, "", 0, (Fault(bundle / MANIFEST, error.message),))
    entries = manifest["files"]
    faults = tuple(fault for entry in entries for fault in _faults(bundle, entry))
    return Verified(bundle, str(manifest.get("job") or ""), len(entries) - len(faults), faults)


def _faults(bundle: Path, entry: Mapping[str, Any]) -> Iterator[Fault]:
    path = bundle / str(entry["name"])
    if not path.resolve().is_relative_to(bundle.resolve()):
        yield Fault(path, "lies outside the archive")
    elif not path.is_file():
        yield Fault(path, "is missing")
    elif (digest := _digest(path)) != entry["sha256"]:
        yield Fault(path, f"has changed: its sha256 is {digest[:16]}…, not {str(entry['sha256'])[:16]}…" if digest else "cannot be read")


def _digest(path: Path) -> str:
    try:
        return digest_of(path)
    except OSError:
        return ""
