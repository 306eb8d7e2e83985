"""What tests of rented machines share: acme installed as an engine for this process and the workers it starts, and its vendor's folder."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from . import acme_machines
from .workers import until


@pytest.fixture
def vendor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Acme's folder. Its engine is installed as pip would do it: by metadata on the path."""
    metadata = tmp_path / "installed" / "acme_machines-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-machines\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[tuneport.engines]\nacme = acme_machines:Acme\n")
    here = str(Path(__file__).parent)
    monkeypatch.syspath_prepend(str(metadata.parent))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(metadata.parent), here, *_found()]))
    monkeypatch.setitem(sys.modules, "acme_machines", acme_machines)
    folder = tmp_path / "acme"
    folder.mkdir()
    yield folder
    for path in (folder / "jobs").glob("*.json"):
        _end(acme_machines.get(folder, path.stem).get("host", 0))


def _found() -> list[str]:
    """Where our own packages are imported from here."""
    import tuneport_local

    import tuneport

    return [str(Path(str(package.__file__)).parents[1]) for package in (tuneport, tuneport_local)]


def _end(pid: int) -> None:
    if pid:
        try:
            os.killpg(pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def fault(vendor: Path, what: str, *, on: bool = True) -> None:
    """Makes the vendor misbehave, or stop."""
    (vendor / f"fault-{what}").touch() if on else (vendor / f"fault-{what}").unlink()


def launches(vendor: Path) -> list[str]:
    """The names of the jobs at the vendor."""
    return sorted(path.stem for path in (vendor / "jobs").glob("*.json"))


def seen_as(vendor: Path, name: str, **seen: Any) -> None:
    """Sets how a job without a host stands."""
    acme_machines.put(vendor, name, {**acme_machines.get(vendor, name), "seen": seen})


def taken_away(vendor: Path, name: str, *, how: str = "gently") -> int:
    """Has the machine preempted, and gives its exit code."""
    (vendor / f"{name}.preempt").write_text(how)
    until(lambda: acme_machines.get(vendor, name)["seen"]["word"] == "PREEMPTED")
    return int(acme_machines.get(vendor, name)["exit"])


def given_back(vendor: Path, name: str) -> None:
    """Has the vendor start the job again."""
    (vendor / f"{name}.again").touch()
