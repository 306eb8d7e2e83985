"""Starting a job's worker: once, detached from the terminal, and with the job's lock already in its hand.

The lock is an OS lock on `worker.lock`. The client takes it, and the worker inherits the open descriptor: from the moment the worker
exists it holds the lock, and the lock is free again when the last process that holds it is gone, however it went. So a free lock means
that no worker lives, and two workers of one job cannot exist.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tuneport.clock import Clock, SystemClock
from tuneport_local.jobs.folder import JobFolder, JobStatus


def claim(folder: JobFolder, *, wait_s: float = 0.0, clock: Clock | None = None) -> int | None:
    """A descriptor that holds the job's lock, or None while a worker (or another client) has it. The caller closes it.

    `wait_s` is for callers that know no worker is alive: another client may hold the lock for a moment.
    """
    clock = clock or SystemClock()
    end = clock.monotonic() + wait_s
    descriptor = os.open(folder.lock, os.O_RDWR | os.O_CREAT, 0o644)
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if clock.monotonic() >= end:
                os.close(descriptor)
                return None
        clock.sleep(0.02)


def worker_holds(lock: Path) -> bool:
    """Whether somebody holds the lock file alone. Looking does not keep another looker out."""
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def launch(folder: JobFolder, status: JobStatus, *, descriptor: int, environ: Mapping[str, str]) -> JobStatus:
    """Starts the worker of a job whose lock `descriptor` holds. Returns at once; the worker's own words are in worker.log.

    A shell in between starts it in the background and ends, so that the worker is nobody's child here and leaves no zombie; a session of
    its own keeps the terminal's Ctrl-C and hang-up away from it. Raises OSError or CalledProcessError when nothing could be started.
    """
    status = folder.write_status(replace(status, launches=status.launches + 1))
    worker = [sys.executable, "-P", "-m", "tuneport_local.worker", str(folder.path), "--lock", str(descriptor)]
    with folder.log.open("ab") as log:
        subprocess.run(
            ["/bin/sh", "-c", '"$@" &', "sh", *worker],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            env=_environment(environ),
            start_new_session=True,
            pass_fds=(descriptor,),
            check=True,
        )
    return status


def alive(status: JobStatus) -> bool:
    """Whether the process that state.json names is still the same one: its number and its start agree."""
    if status.pid is None:
        return False
    started = process_started(status.pid)
    return started is not None and status.process_started is not None and abs(started - status.process_started) < 2.0


def process_started(pid: int) -> float | None:
    """When the process started, in seconds since the epoch; None when there is none, or only what is left of one."""
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


def _environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What the worker sees: the client's environment, with the paths for imports made absolute, since it runs in /."""
    seen = {**os.environ, **environ, "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1"}
    if paths := seen.get("PYTHONPATH"):
        seen["PYTHONPATH"] = os.pathsep.join(str(Path(path).absolute()) for path in paths.split(os.pathsep) if path)
    return seen
