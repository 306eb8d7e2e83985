"""All jobs of one Tuneport home: `<home>/local/` with jobs/, files/ and devices/."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuneport.clock import Clock, SystemClock
from tuneport.errors import ConfigError, UsageError
from tuneport.files import write_text
from tuneport.job import JobState
from tuneport_local.engines.engine import elsewhere
from tuneport_local.jobs.devices import devices_of
from tuneport_local.jobs.folder import JobFolder, JobStatus

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_HALF_MADE = ".creating-"
_HALF_MADE_KEPT_S = 3600
DELETED = ".deleted-"
"""What a folder's name begins with while it is being deleted."""


class Jobs:
    """The job folders under one home, by client id."""

    def __init__(self, home: Path, *, clock: Clock | None = None) -> None:
        self.home = home
        self.root = home / "local"
        self.folder = self.root / "jobs"
        self.files = self.root / "files"
        self.devices = self.root / "devices"
        self._clock = clock or SystemClock()

    def open(self) -> None:
        """Makes the folders. What lies in them (rows, weights, logs) is for their owner's eyes only."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.root.mkdir(exist_ok=True, mode=0o700)
        self.folder.mkdir(exist_ok=True)
        self.files.mkdir(exist_ok=True)

    def forget_files(self, names: Iterable[str]) -> None:
        """Removes those of the uploaded files that no job holds any more. Where one is wanted again it is uploaded again."""
        for name in names:
            path = self.files / Path(name).name
            with suppress(OSError):
                if path.stat().st_nlink == 1:  # the jobs' own copies are links to it
                    path.unlink()

    def forget_rows(self, folder: JobFolder) -> None:
        """Removes what was rendered of a job's data; another job with the same data renders them again."""
        from tuneport_local.rows.rendered_before import Shelf

        Shelf(self.root).forget(sorted((folder.path / "data").glob("*")))

    def get(self, job_id: str) -> JobFolder | None:
        """The job's folder, or None when there is none of that id."""
        if not _ID.fullmatch(job_id):
            return None
        folder = JobFolder(self.folder / job_id, clock=self._clock)
        return folder if folder.exists() else None

    def all(self) -> Iterator[JobFolder]:
        """Every job, in no particular order."""
        try:
            names = [entry.name for entry in os.scandir(self.folder) if not entry.name.startswith(".")]
        except (FileNotFoundError, NotADirectoryError):
            return
        for name in names:
            if folder := self.get(name):
                yield folder

    def make(self, job_id: str, recipe: dict[str, Any], files: Mapping[str, Path]) -> tuple[JobFolder, bool]:
        """The job's folder, made whole or not at all, and whether this call made it. `files` maps purposes to data files.

        A folder that already exists is returned as it is. The data are linked into the new one, or copied where they cannot be.
        Raises ConfigError when the home cannot be written.
        """
        if not _ID.fullmatch(job_id):
            raise UsageError(f"{job_id!r} cannot name a job: use letters, digits, '.', '_' and '-', at most 128.")
        try:
            return self._make(job_id, recipe, files)
        except OSError as error:
            raise ConfigError(
                f"the job folder cannot be made in {self.folder}: {error.strerror or error}.",
                remedy="Free some space or rights there, or choose another home with TUNEPORT_HOME.",
            ) from None

    def _make(self, job_id: str, recipe: dict[str, Any], files: Mapping[str, Path]) -> tuple[JobFolder, bool]:
        self.open()
        self._sweep()
        target = self.folder / job_id
        half_made = Path(tempfile.mkdtemp(prefix=_HALF_MADE, dir=self.folder))
        try:
            self._fill(half_made, recipe, files, target=target)
            half_made.rename(target)
        except OSError:
            if (target / "recipe.json").exists():
                return JobFolder(target, clock=self._clock), False
            raise
        finally:
            shutil.rmtree(half_made, ignore_errors=True)
        return JobFolder(target, clock=self._clock), True

    def _fill(self, path: Path, recipe: dict[str, Any], files: Mapping[str, Path], *, target: Path) -> None:
        path.chmod(0o755)
        for name in ("data", "checkpoints"):
            (path / name).mkdir()
        placed = {purpose: f"{purpose}{file.suffix}" for purpose, file in files.items()}
        for purpose, name in placed.items():
            _link_or_copy(files[purpose], path / "data" / name)
        where = {purpose: str(target / "data" / name) for purpose, name in placed.items()}
        write_text(path / "recipe.json", json.dumps({**recipe, "files": {"validation": None, **where}}, indent=1))
        now = self._clock.now().isoformat()
        status = JobStatus(JobState.CREATED, detail="waiting for its worker", created_at=now, queued_at=now, host=os.uname().nodename)
        JobFolder(path, clock=self._clock).write_status(replace(status, device=_devices(recipe["hyperparameters"], target.name)))

    def _sweep(self) -> None:
        """Removes what a client killed in the middle of `make` or of a delete left behind, once it is surely nobody's any more."""
        for path in (*self.folder.glob(f"{_HALF_MADE}*"), *self.folder.glob(f"{DELETED}*")):
            if self._clock.now().timestamp() - path.stat().st_mtime > _HALF_MADE_KEPT_S:
                shutil.rmtree(path, ignore_errors=True)


def _devices(values: Mapping[str, Any], job_id: str) -> str:
    """What a job waits for: one that other machines train, for nothing here."""
    if elsewhere(values):
        return f"cluster-{job_id}"
    workers = int(values.get("workers", 1))
    return str(values["device"]) if workers == 1 else devices_of(values["device"], workers=workers)


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)
