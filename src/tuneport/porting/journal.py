"""The journal of a port: `port.json` in its folder, replaced whole after every step, so that the same command goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeGuard

from filelock import FileLock, Timeout

from tuneport.archive.plain import document, plain
from tuneport.errors import ConfigError
from tuneport.files import write_bytes

JOURNAL = "port.json"
KIND, SCHEMA_VERSION = "tuneport port", 1


def port_id(*parts: str) -> str:
    """Twelve digits that are the same for the same source, destination, base and rows."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


class Journal:
    """What has been done of one port. Secrets never go in. Raises ConfigError for a journal that cannot be read, or not by this version."""

    def __init__(self, folder: Path, *, about: Mapping[str, Any], now: Callable[[], datetime]) -> None:
        self.folder = folder
        self._now = now
        self._content = self._read() or {"schema_version": SCHEMA_VERSION, "kind": KIND, "id": folder.name, "steps": {}}
        self._content |= {key: value for key, value in plain(about).items() if key not in self._content}

    @property
    def id(self) -> str:
        """The name of the port, and of its folder."""
        return self.folder.name

    def about(self, name: str) -> Any:
        """What was said of the port when it began."""
        return self._content.get(name)

    def facts(self, step: str) -> Mapping[str, Any]:
        """What is written down of a step; nothing before it has begun."""
        return dict(self._content["steps"].get(step, {}).get("facts", {}))

    def done(self, step: str) -> bool:
        """Whether it is behind us."""
        return bool(self._content["steps"].get(step, {}).get("state") == "done")

    def begin(self, step: str, facts: Mapping[str, Any]) -> None:
        """Writes down what a step is about to do; what it knew before stays."""
        self._write(step, "begun", facts)

    def finish(self, step: str, facts: Mapping[str, Any]) -> None:
        """Writes down that it is done, and what came of it."""
        self._write(step, "done", facts)

    def agreed(self, what: str) -> str:
        """The sentence that was agreed to; '' where nothing was."""
        return str(self._content.get("agreed", {}).get(what, ""))

    def agree(self, what: str, sentence: str) -> None:
        """Writes down that it was agreed to."""
        self._content["agreed"] = {**self._content.get("agreed", {}), what: sentence}
        self._save()

    def forget(self, *steps: str) -> None:
        """Lets steps be done anew."""
        for step in steps:
            self._content["steps"].pop(step, None)
        self._save()

    def _write(self, step: str, state: str, facts: Mapping[str, Any]) -> None:
        merged = {**self.facts(step), **plain(facts)}
        self._content["steps"][step] = {"state": state, "at": self._now().isoformat(), "facts": merged}
        self._save()

    def _save(self) -> None:
        write_bytes(self.folder / JOURNAL, document({**self._content, "updated_at": self._now()}))

    def _read(self) -> dict[str, Any] | None:
        path = self.folder / JOURNAL
        try:
            content = json.loads(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise ConfigError(
                f"{path} cannot be read: {error}.", remedy="Nothing was changed. Restore it, or move its folder away."
            ) from None
        if not _is_journal(content):
            raise ConfigError(f"{path} is not the journal of a port.", remedy="Move it away.")
        if content.get("schema_version", 0) > SCHEMA_VERSION:
            raise ConfigError(f"{path} was written by a newer Tuneport.", remedy="Upgrade: pip install --upgrade tuneport")
        return content


def _is_journal(content: Any) -> TypeGuard[dict[str, Any]]:
    steps = content.get("steps") if isinstance(content, dict) and content.get("kind") == KIND else None
    agreed = content.get("agreed", {}) if steps is not None else None
    facts = [step.get("facts", {}) if isinstance(step, dict) else None for step in steps.values()] if isinstance(steps, dict) else [None]
    return isinstance(agreed, dict) and all(isinstance(each, dict) for each in facts)


def jobs_beside(journal: Journal) -> tuple[str, ...]:
    """The jobs that other ports of the same tune to the same destination have made. A journal that cannot be read is passed over."""
    found = []
    for path in sorted(journal.folder.parent.glob(f"*/{JOURNAL}")):
        try:
            content = json.loads(path.read_bytes())
            same = all(content.get(name) == journal.about(name) for name in ("source", "to"))
            job = content["steps"].get("submit", {}).get("facts", {}).get("job")
        except (OSError, ValueError, KeyError, AttributeError):
            continue
        if same and job and path.parent != journal.folder:
            found.append(str(job))
    return tuple(found)


def ports_in(home: Path) -> Path:
    """Where the folders of all ports are."""
    return home / "ports"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process at a time carries out a port. A killed one lets go by itself. Raises ConfigError while another holds it."""
    lock = FileLock(folder / "port.lock", timeout=0, is_singleton=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise ConfigError(f"another process is carrying out the port {folder.name} right now.", remedy="Wait for it.") from None
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written: {error.strerror or error}.", remedy="Free some space or rights there.") from None
    try:
        yield
    finally:
        lock.release()
