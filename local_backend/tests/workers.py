"""What tests of real workers share: looking until something is so, finding a job's process, killing it."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from tuneport_local import provider
from tuneport_local.adapter import LocalTrainer
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.jobs.launch import alive, worker_holds

from tuneport.job import Snapshot
from tuneport.provider import ProviderSettings


def until(condition: Callable[[], object], *, within_s: float = 90.0) -> None:
    """Looks again and again until the condition holds; fails when the time is up."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.02)


def open_trainer(home: Path) -> LocalTrainer:
    """The trainer of a home whose quotes do not measure this machine, and whose workers leave the other cores alone."""
    trainer = provider.open_trainer(ProviderSettings("local", home, environ={"OMP_NUM_THREADS": "1"}, profile={"calibrate": False}))
    assert isinstance(trainer, LocalTrainer)
    return trainer


def kill_workers(home: Path) -> None:
    """Ends what a test has left running."""
    for state in (home / "local" / "jobs").glob("*/state.json"):
        status = JobFolder(state.parent).status()
        if alive(status) and status.pid is not None:
            os.kill(status.pid, signal.SIGKILL)


def seen(trainer: LocalTrainer, job_id: str) -> Snapshot:
    """What the trainer says of one job."""
    return trainer.fetch([job_id])[job_id]


def folder_of(home: Path, job_id: str) -> JobFolder:
    """The job's folder."""
    return JobFolder(home / "local" / "jobs" / job_id)


def worker_of(home: Path, job_id: str) -> psutil.Process:
    """The job's worker, once it has said who it is."""
    until(lambda: folder_of(home, job_id).status().pid is not None)
    pid = folder_of(home, job_id).status().pid
    assert pid is not None
    return psutil.Process(pid)


def kill(home: Path, job_id: str) -> None:
    """kill -9, and waits until the system has let go of the worker's locks."""
    worker_of(home, job_id).kill()
    until(lambda: not worker_holds(folder_of(home, job_id).lock))
