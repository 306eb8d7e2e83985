"""The bundle as a folder, the same for all jobs of one version of the code. Made without a network. Imports no torch.

start.py           what the machine runs; standard library only
bundle.json        versions, the first torch that will do, what some recipes need beside
requirements.txt   everything else that our code needs, as it is installed here, without torch and what only torch needs
wheels/            tuneport and tuneport_local
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tuneport
import tuneport_local
from tuneport_local.bundle import start
from tuneport_local.bundle.pins import FIRST_PYTHON, Pins, pins
from tuneport_local.bundle.wheels import wheel

_OURS = {"tuneport": tuneport, "tuneport-local": tuneport_local}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on this disk. `sha256` is over the names and the contents of all its files."""

    path: Path
    sha256: str


def built(folder: Path) -> Bundle:
    """The bundle of the code that runs here, below `folder`; one that lies there already is left as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=folder))
    try:
        _fill(making, pins(_OURS))
        digest = digest_of(making)
        there = folder / digest[:16]
        with suppress(OSError):  # another worker made it meanwhile: the same
            making.rename(there)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return Bundle(there, digest)


def digest_of(folder: Path) -> str:
    """sha256 over the files of a folder, by name and content."""
    whole = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        whole.update(f"{path.relative_to(folder).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()


def _fill(folder: Path, found: Pins) -> None:
    (folder / "wheels").mkdir()
    wheels = [wheel(name, Path(str(package.__file__)).parent, to=folder / "wheels").name for name, package in _OURS.items()]
    (folder / "start.py").write_bytes(Path(start.__file__).read_bytes())
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in found.lines), encoding="utf-8")
    about: dict[str, Any] = {
        "versions": {name: version(name) for name in _OURS},
        "made_with_python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "first_python": FIRST_PYTHON,
        "torch": {"first": found.first_torch, "pin": found.torch},
        "extras": dict(found.extras),
        "wheels": wheels,
    }
    (folder / "bundle.json").write_text(json.dumps(about, indent=1, sort_keys=True) + "\n", encoding="utf-8")
