"""The bundle of one tune: a folder with its files and a manifest that says what they are, where they are from, and what is missing.

Every file is written whole or not at all and named in the manifest at once, so that a run that is cut off can be taken up again.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from tuneport.archive.plain import document, plain
from tuneport.archive.readme import readme
from tuneport.errors import ConfigError
from tuneport.files import whole_folder, write_bytes, write_chunks, write_text
from tuneport.job import Job

MANIFEST, README, SUMS = "manifest.json", "README.txt", "SHA256SUMS"
KIND = "tuneport archive"
SCHEMA_VERSION = 1
_NAME_AT_MOST = 100


def folder_name(uri: str) -> str:
    """The bundle's folder for a job: its URI with letters that every file system takes, and a digest where that changed more than
    the colon."""
    name = re.sub(r"[^A-Za-z0-9._-]", "-", uri)
    if name == uri.replace(":", "-", 1) and len(name) <= _NAME_AT_MOST:
        return name
    return f"{name[:_NAME_AT_MOST]}-{hashlib.sha256(uri.encode()).hexdigest()[:8]}"


def digest_of(path: Path) -> str:
    """sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Path) -> dict[str, Any]:
    """What the manifest of a bundle says. Raises ConfigError for one that is damaged, of something else or newer than this version."""
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", remedy="Nothing was changed. Move the folder away to archive anew.") from None
    if not _is_manifest(content):
        raise ConfigError(f"{path} is not the manifest of an archive.", remedy="Name another folder.")
    if content["schema_version"] > SCHEMA_VERSION:
        raise ConfigError(f"{path} was written by a newer Tuneport.", remedy="Upgrade: pip install --upgrade tuneport")
    return dict(content)


def _is_manifest(content: Any) -> bool:
    if not isinstance(content, dict) or content.get("kind") != KIND or not isinstance(content.get("schema_version"), int):
        return False
    files, missing = content.get("files"), content.get("missing")
    return (
        isinstance(files, list)
        and isinstance(missing, dict)
        and all(isinstance(each, dict) and {"name", "piece", "sha256", "size_bytes", "final"} <= each.keys() for each in files)
    )


class Bundle:
    """The bundle of `job` in the folder `to`. Opening writes nothing; the folder appears with its first file.

    Raises ConfigError when another job's bundle, or none that can be read, lies there.
    """

    def __init__(self, to: Path, job: Job, *, now: Callable[[], datetime]) -> None:
        self.folder = to / folder_name(job.uri)
        self._now = now
        self._manifest = read_manifest(self.folder) if (self.folder / MANIFEST).exists() else self._blank()
        if self._manifest.get("job") not in (None, job.uri):
            raise ConfigError(f"{self.folder} holds the archive of {self._manifest['job']}.", remedy="Name another folder.")
        self._about = plain(
            {"job": job.uri, "state": job.state, "base": job.base, "method": job.method, "model": job.model, "created_at": job.created_at}
        )
        self._sound: dict[str, bool] = {}

    def _blank(self) -> dict[str, Any]:
        return {"schema_version": SCHEMA_VERSION, "kind": KIND, "begun_at": self._now().isoformat(), "files": [], "missing": {}}

    @property
    def missing(self) -> Mapping[str, str]:
        """What is missing, and why."""
        return {piece: said["why"] for piece, said in self._manifest["missing"].items()}

    @property
    def pieces(self) -> list[str]:
        """What is there."""
        return list(dict.fromkeys(entry["piece"] for entry in self._manifest["files"]))

    def entries(self, piece: str) -> list[dict[str, Any]]:
        """The manifest's words on the files of a piece."""
        return [entry for entry in self._manifest["files"] if entry["piece"] == piece]

    def has(self, piece: str) -> bool:
        """Whether a piece is there for good: it will not change any more, and its files are as their checksums say."""
        entries = self.entries(piece)
        return bool(entries) and all(entry["final"] and self.sound(entry) for entry in entries)

    def sound(self, entry: Mapping[str, Any]) -> bool:
        """Whether a file is as its checksum says. Each is read once."""
        name = str(entry["name"])
        if name not in self._sound:
            path = self.folder / name
            self._sound[name] = path.is_file() and digest_of(path) == entry["sha256"]
        return self._sound[name]

    def put(self, piece: str, name: str, chunks: Iterable[bytes], *, origin: str, final: bool = True, note: str = "") -> str:
        """Writes one file, names it in the manifest, and returns its sha256. `final`: it will not change any more."""
        digest = hashlib.sha256()

        def heard() -> Iterator[bytes]:
            for chunk in chunks:
                digest.update(chunk)
                yield chunk

        write_chunks(self.folder / name, heard())
        self._record(piece, [self._entry(piece, name, digest.hexdigest(), origin=origin, final=final, note=note)])
        return digest.hexdigest()

    def put_folder(self, piece: str, name: str, fill: Callable[[Path], object], *, origin: str, final: bool = True) -> None:
        """Lets `fill` write files into a new folder, which takes its place when all is there."""
        with whole_folder(self.folder / name) as part:
            fill(part)
        found = sorted(path.relative_to(self.folder).as_posix() for path in (self.folder / name).rglob("*") if path.is_file())
        self._record(
            piece, [self._entry(piece, each, digest_of(self.folder / each), origin=origin, final=final, note="") for each in found]
        )

    def withdraw(self, piece: str) -> None:
        """Takes a piece out again: it turned out not to be what it should."""
        for entry in self.entries(piece):
            (self.folder / entry["name"]).unlink(missing_ok=True)
            self._sound.pop(entry["name"], None)
        self._manifest["files"] = [entry for entry in self._manifest["files"] if entry["piece"] != piece]
        self._save()

    def lacks(self, piece: str, why: str) -> None:
        """Says why a piece cannot be had. One that is there from an earlier time stays, and is not missing."""
        if any(self.sound(entry) for entry in self.entries(piece)):
            return
        self._manifest["missing"][piece] = plain({"why": why, "at": self._now()})
        self._save()

    def finish(self) -> None:
        """Writes what people read: README.txt, and the checksums as `sha256sum -c` takes them."""
        write_text(self.folder / README, readme(self._about, self._manifest["files"], self.missing))
        self._save()
        sums = "".join(f"{entry['sha256']}  {entry['name']}\n" for entry in self._manifest["files"])
        write_text(self.folder / SUMS, sums)

    def _entry(self, piece: str, name: str, sha256: str, *, origin: str, final: bool, note: str) -> dict[str, Any]:
        size_bytes = (self.folder / name).stat().st_size
        at = self._now().isoformat()
        return {
            "name": name,
            "piece": piece,
            "sha256": sha256,
            "size_bytes": size_bytes,
            "origin": origin,
            "at": at,
            "final": final,
            "note": note,
        }

    def _record(self, piece: str, entries: list[dict[str, Any]]) -> None:
        names = {entry["name"] for entry in entries}
        kept = [entry for entry in self._manifest["files"] if entry["piece"] != piece and entry["name"] not in names]
        self._manifest["files"] = sorted([*kept, *entries], key=lambda entry: str(entry["name"]))
        self._manifest["missing"].pop(piece, None)
        self._sound |= dict.fromkeys(names, True)
        self._save()

    def _save(self) -> None:
        self._manifest |= {**self._about, "updated_at": self._now().isoformat()}
        write_bytes(self.folder / MANIFEST, document(self._manifest))
