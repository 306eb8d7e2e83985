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
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import tuneport
import tuneport_local
from tuneport_local.bundle import start
from tuneport_local.bundle.pins import FIRST_PYTHON, pins
from tuneport_local.bundle.wheels import wheel

_OURS = {"tuneport": tuneport, "tuneport-local": tuneport_local}


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle on this disk. `sha256` is over the names and the contents of all its files."""

    path: Path
    sha256: str


def built(folder: Path) -> Bundle:
    """The bundle of the code that runs here, below `folder`; one that lies there already is left as it is."""
    files = _contents()
    digest = digest_of(files)
    there = folder / digest[:16]
    if not there.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        _written(files, there)
    return Bundle(there, digest)


def digest_of(files: Mapping[str, bytes]) -> str:
    """sha256 over files by name and content."""
    whole = hashlib.sha256()
    for name, data in sorted(files.items()):
        whole.update(f"{name} {hashlib.sha256(data).hexdigest()}\n".encode())
    return whole.hexdigest()


def _written(files: Mapping[str, bytes], there: Path) -> None:
    """Whole or not at all; of several workers that make it at once one succeeds, and all have the same."""
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=there.parent))
    try:
        for name, data in files.items():
            (making / name).parent.mkdir(exist_ok=True)
            (making / name).write_bytes(data)
        making.chmod(0o755)
        with suppress(OSError):
            making.rename(there)
    finally:
        shutil.rmtree(making, ignore_errors=True)


@cache
def _contents() -> Mapping[str, bytes]:
    """The code of a process does not change while it runs."""
    found = pins(_OURS)
    wheels = {f"wheels/{name}": data for name, data in (wheel(each, _folder(package)) for each, package in _OURS.items())}
    about: dict[str, Any] = {
        "versions": {name: version(name) for name in _OURS},
        "made_with_python": f"{sys.version_info.major}.{sys.version_info.minor}",
        "first_python": FIRST_PYTHON,
        "torch": {"first": found.first_torch, "pin": found.torch},
        "extras": dict(found.extras),
        "wheels": [name.removeprefix("wheels/") for name in wheels],
    }
    return {
        **wheels,
        "start.py": Path(start.__file__).read_bytes(),
        "requirements.txt": "".join(f"{line}\n" for line in found.lines).encode(),
        "bundle.json": json.dumps(about, indent=1, sort_keys=True).encode() + b"\n",
    }


def _folder(package: ModuleType) -> Path:
    return Path(str(package.__file__)).parent
