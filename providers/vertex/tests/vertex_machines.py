"""Custom jobs of the emulated Vertex AI, asked for by the launcher or by Google's own clients."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneport_local.engines.launcher import Order
from tuneport_vertex.emulator import VertexEmulator
from tuneport_vertex.emulator.containers import Machines
from tuneport_vertex.launching.launcher import VertexLauncher

from tuneport.settings import Settings
from tuneport.testing import SimulatedClock
from tuneport.testing.emulator import FaultPlan, RunningClock, SteppedClock

IMAGE = "us-docker.pkg.dev/my-project/tuning/pytorch-cu128.py312:latest"
JOBS = "/projects/{project}/locations/{location}/customJobs"
CREATE = f"POST /v1{JOBS}"
LIST = f"GET /v1{JOBS}"
GET = f"GET /v1{JOBS}/{{job}}"
CANCEL = f"POST /v1{JOBS}/{{job}}:cancel"
SMALL: Mapping[str, Any] = {"machine_type": "n1-standard-8", "image": IMAGE}
WITH_GPU: Mapping[str, Any] = {"machine_type": "g2-standard-12", "image": IMAGE}


@dataclass(frozen=True)
class Rental:
    """A launcher and the platform that it asks. `clock` is the launcher's own."""

    emulator: VertexEmulator
    clock: Any
    home: Path
    profiles: Mapping[str, Mapping[str, Any]]

    def launcher(self, *, environ: Mapping[str, str] | None = None, **how: Any) -> VertexLauncher:
        given = {**self.emulator.exports, **(environ or {})}
        return VertexLauncher(Settings(self.home, providers=self.profiles, environ=given), clock=self.clock, **how)

    def order(self, name: str = "tuneport-one-1", *, job_id: str = "one", labels: Mapping[str, str] | None = None, **options: Any) -> Order:
        settings = self.launcher().read({**WITH_GPU, **options})
        return Order(job_id, name, settings, bundle(self.home), "5e" * 32, labels or {"tuneport-job": job_id})


@contextmanager
def renting(
    home: Path, *, faults: FaultPlan | None = None, profiles: Mapping[str, Mapping[str, Any]] | None = None, seed: int = 0, **how: Any
) -> Iterator[Rental]:
    """The platform from 2026-11-21 on, on one clock with the launcher."""
    clock = SimulatedClock()
    with VertexEmulator(seed=seed, clock=SteppedClock(clock), faults=faults, **how) as emulator:
        yield Rental(emulator, clock, home, profiles or {})


@contextmanager
def running(home: Path, *, python: Path | None = None, **how: Any) -> Iterator[tuple[Rental, Machines]]:
    """One that really runs its jobs, in real time. `python`: that of the container."""
    from tuneport.clock import SystemClock

    with VertexEmulator(clock=RunningClock()) as emulator:
        machines = emulator.run_custom_jobs(home / "vertex", images={IMAGE: python or Path(sys.executable)}, **how)
        yield Rental(emulator, SystemClock(), home, {}), machines


def bundle(home: Path, program: str = "print('hello')\n") -> Path:
    """A folder that is a bundle, as far as the launcher looks."""
    folder = home / "bundle"
    (folder / "wheels").mkdir(parents=True, exist_ok=True)
    (folder / "start.py").write_text(program, encoding="utf-8")
    (folder / "wheels" / "ours-1.whl").write_bytes(b"PK" + bytes(range(256)))
    return folder
