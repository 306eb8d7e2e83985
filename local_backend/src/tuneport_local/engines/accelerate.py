"""Several processes of this machine, as `accelerate launch` starts them: one for each GPU, or so many on the CPU, connected by gloo.

torch's elastic agent starts them and ends the others when one is gone. What happens then is decided here, where the reason is known: with a
checkpoint the group begins again from there, a limited number of times; where the memory gave out it takes less.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import uuid
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tuneport.job import JobState
from tuneport_local.bases import divided
from tuneport_local.engines.engine import Outcome, Stop
from tuneport_local.engines.reports import reports
from tuneport_local.engines.restarting import Lost
from tuneport_local.engines.rounds import outcome_of, rounds
from tuneport_local.jobs.devices import device_of
from tuneport_local.machine.threads import share_cores

if TYPE_CHECKING:
    from tuneport_local.jobs.folder import JobFolder
    from tuneport_local.training.spec import TrainingSpec

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def run(folder: JobFolder, spec: TrainingSpec) -> Outcome:
    """Trains with so many workers. Raises Stop when the system ends this process, MachineGaveOut when workers were lost too often."""
    return outcome_of(rounds(folder, spec, lambda: _launched(folder, spec)))


def _launched(folder: JobFolder, spec: TrainingSpec) -> Lost | None:
    """Starts the members and waits until all have ended. Which one was lost, where one was."""
    folder.phase(JobState.STARTING, f"starting {spec.workers} workers")
    meeting = {"min_nodes": 1, "max_nodes": 1, "run_id": uuid.uuid4().hex, "rdzv_backend": "c10d", "rdzv_endpoint": "localhost:0"}
    failures = started(folder, spec, here=spec.workers, meeting={**meeting, "local_addr": "localhost"})
    return first_lost(failures, silent={*range(spec.workers)} - {report.rank for report in reports(folder.path)}) if failures else None


def started(folder: JobFolder, spec: TrainingSpec, *, here: int, meeting: Mapping[str, Any]) -> Mapping[int, Any]:
    """Starts the members of this machine, `here` of them, and waits until all have ended; those that failed, by their numbers. `meeting`
    is what torch's agent is told of where all members meet. Raises Stop when the system ends this process."""
    share_cores()
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed.elastic").setLevel(logging.ERROR)
    config = LaunchConfig(nproc_per_node=here, max_restarts=0, monitor_interval=0.2, shutdown_timeout=5, **meeting)
    with _told(_environment(spec, here=here)), _signals_kept():
        try:
            elastic_launch(config, sys.executable)("-P", "-m", "tuneport_local.engines.member", str(folder.path))
        except SignalException:
            raise Stop from None
        except ChildFailedError as error:
            return dict(error.failures)
    return {}


def first_lost(failures: Mapping[int, Any], *, silent: Container[int]) -> Lost:
    """The member that ended without a word; the others miss it and say so."""
    rank = min(failures, key=lambda each: (each not in silent, failures[each].timestamp))
    return Lost(rank, failures[rank].pid, failures[rank].exitcode)


def _environment(spec: TrainingSpec, *, here: int) -> dict[str, str]:
    """What the members are told beside who they are."""
    found = {"TOKENIZERS_PARALLELISM": "false", **divided.environment(spec.sharding, device=device_of(spec.device))}
    if device_of(spec.device) == "cpu":
        found["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS") or str(max(1, (os.cpu_count() or 1) // here))
    return found


@contextmanager
def _told(environment: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _signals_kept() -> Iterator[None]:
    """torch's agent takes the process's signals for itself, and does not give them back."""
    before: dict[signal.Signals, Any] = {number: signal.getsignal(number) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
