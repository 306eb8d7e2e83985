"""The journal of a sweep: `sweep.json` in its folder, replaced whole at every change, so that the same sweep goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tuneport.clock import Clock
from tuneport.errors import ConfigError, UsageError
from tuneport.files import write_bytes
from tuneport.sweeping.trial import Trial

JOURNAL = "sweep.json"
KIND, SCHEMA_VERSION = "tuneport sweep", 1


def sweeps_in(home: Path) -> Path:
    """Where the folders of all sweeps are."""
    return home / "sweeps"


def sweep_id(what: Mapping[str, Any]) -> str:
    """Twelve digits that are the same for the same recipe, space, provider, metric and seed."""
    return hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]


class Journal:
    """What is known of one sweep. Raises ConfigError for a journal that cannot be read, or not by this version."""

    def __init__(self, folder: Path, *, clock: Clock, about: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        self._clock = clock
        self._content = _read(folder / JOURNAL) or {"schema_version": SCHEMA_VERSION, "kind": KIND, "id": folder.name, "trials": []}
        self.trials = [Trial.from_json(each) for each in self._content["trials"]]
        if about is not None:
            self._content |= about

    @property
    def id(self) -> str:
        """The name of the sweep, and of its folder."""
        return self.folder.name

    def about(self, name: str) -> Any:
        """What was written down of the sweep; None for nothing."""
        return self._content.get(name)

    def note(self, **facts: Any) -> None:
        """Writes down something of the sweep."""
        self._content |= facts
        self._save()

    def keep(self, trial: Trial) -> Trial:
        """Writes down a trial, new or as it is now."""
        self.trials = [*self.trials[: trial.number], trial, *self.trials[trial.number + 1 :]]
        self._save()
        return trial

    def _save(self) -> None:
        content = {**self._content, "trials": [each.to_json() for each in self.trials], "updated_at": self._clock.now().isoformat()}
        self._content = content
        write_bytes(self.folder / JOURNAL, (json.dumps(content, indent=1) + "\n").encode())


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
        for each in content["trials"]:
            Trial.from_json(each)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.", remedy="Nothing was changed. Restore it, or move its folder away.") from None
    if content.get("kind") != KIND or content.get("schema_version", 0) > SCHEMA_VERSION:
        raise ConfigError(f"{path} was written by a newer Tuneport.", remedy="Upgrade: pip install --upgrade tuneport")
    return dict(content)


def find_sweep(home: Path, beginning: str, *, clock: Clock) -> Journal:
    """The sweep whose id begins so. Raises UsageError where there is none, or several."""
    found = [path.parent for path in sorted(sweeps_in(home).glob(f"*/{JOURNAL}")) if path.parent.name.startswith(beginning)]
    if len(found) != 1 or not beginning:
        several = ", ".join(folder.name for folder in found[:4])
        raise UsageError(
            f"{beginning!r} fits {len(found)} sweeps: {several}." if found else f"there is no sweep {beginning!r} here.",
            remedy="See: tuneport sweep --list",
        )
    return Journal(found[0], clock=clock)


def all_sweeps(home: Path, *, clock: Clock) -> list[Journal]:
    """Every sweep of this home that can be read, the newest last."""
    journals = []
    for path in sweeps_in(home).glob(f"*/{JOURNAL}"):
        try:
            journals.append(Journal(path.parent, clock=clock))
        except ConfigError:
            continue
    return sorted(journals, key=lambda each: str(each.about("begun_at")))


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time carries out a sweep. A killed one lets go by itself. Raises ConfigError while another holds it."""
    lock = FileLock(folder / "sweep.lock", timeout=0, is_singleton=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise ConfigError(f"another process is carrying out the sweep {folder.name} right now.", remedy="Wait for it.") from None
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror or error}.", remedy="Free some space or rights there.") from None
    try:
        yield
    finally:
        lock.release()
