"""Members that Ray Train starts: in a Ray of this job's own on this machine, or on a cluster."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tuneport_local.engines.engine import Outcome
from tuneport_local.engines.reports import ENDED, FOLDER, cleared, read
from tuneport_local.engines.rounds import outcome_of
from tuneport_local.jobs.failures import MachineGaveOut

if TYPE_CHECKING:
    from tuneport_local.jobs.folder import JobFolder
    from tuneport_local.training.spec import TrainingSpec

_GRACE_S = 3.0


def run(folder: JobFolder, spec: TrainingSpec) -> Outcome:
    """Trains with so many workers. Raises TuneportError with a sentence."""
    if spec.address is not None:
        from tuneport_local.engines import ray_cluster

        return ray_cluster.run(folder, spec)
    cleared(folder.path)
    command = [sys.executable, "-P", "-m", "tuneport_local.engines.ray_program", str(folder.path)]
    program = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        code = program.wait()
    finally:
        _end(program)
    report = read(folder.path / FOLDER / ENDED)
    if report is None:
        raise MachineGaveOut(f"the program that drives Ray ended with exit code {code}.", remedy="See worker.log for what it said last.")
    return outcome_of(report)


def stop(folder: JobFolder) -> None:
    """Ends what goes on elsewhere for a job that is over here."""
    from tuneport_local.engines import ray_cluster

    ray_cluster.stop(folder)


def _end(program: subprocess.Popen[bytes]) -> None:
    """Ray ends what it has started when it is told to end itself."""
    if program.poll() is None:
        program.terminate()
        try:
            program.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            program.kill()
