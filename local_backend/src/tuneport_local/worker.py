"""The worker of one job: `python -m tuneport_local.worker <folder>`. Waits for its device, trains, says how it ended.

It imports torch only once it has the device, so that a waiting worker is small. A second thread watches the client's wish and sees to it
that a cancel ends the process within ten seconds whatever the first one is doing.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from tuneport.errors import TuneportError, Unreachable
from tuneport.job import JobState
from tuneport_local.adapters.tuned_kinds import work_of
from tuneport_local.engines.engine import Stop, engine_of, stop_elsewhere
from tuneport_local.jobs import marks
from tuneport_local.jobs.devices import DeviceQueues, device_of
from tuneport_local.jobs.failures import Interrupted, MachineGaveOut, told
from tuneport_local.jobs.folder import JobFolder, JobStatus
from tuneport_local.jobs.launch import claim, process_started
from tuneport_local.machine import throughput
from tuneport_local.machine.memory_there import killed_for_memory

_LOOK_EVERY_S = 0.5
_CANCEL_GRACE_S = 4.0
_CANCEL_LIMIT_S = 8.0
_TRAINING = frozenset({JobState.RUNNING, JobState.FINALIZING})

Outcome = str
"""succeeded | paused | cancelled, as `training.train` returns it; stopped by the system."""


def main(arguments: list[str] | None = None) -> int:
    """Runs the job in the folder given. Exit code 0 when its state says how it ended, 75 when another worker has it."""
    parser = argparse.ArgumentParser(prog="python -m tuneport_local.worker", description="Trains one job folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--lock", type=int, help="an open descriptor that holds the job's lock, handed down by the client")
    given = parser.parse_args(arguments)
    folder = JobFolder(given.folder.absolute())
    lock = given.lock if given.lock is not None else claim(folder)
    if lock is None:
        print(f"another worker has {folder.path}", file=sys.stderr)
        return 75
    os.set_inheritable(lock, False)
    if folder.status().state.terminal:
        print(f"{folder.path} has already ended: {folder.status().state}", file=sys.stderr)
        return 0
    signal.signal(signal.SIGTERM, _stop)
    status = _introduce(folder)
    _run(folder, DeviceQueues(folder.path.parent.parent / "devices", device_of(status.device or "auto")))
    return 0


def _introduce(folder: JobFolder) -> JobStatus:
    """Writes who is at work, so that a client can tell whether we still live."""
    folder.mend()
    pid = os.getpid()
    status = replace(folder.status(), pid=pid, process_started=process_started(pid), host=os.uname().nodename)
    return folder.write_status(replace(status, state=JobState.QUEUED, detail="", memory_kills=killed_for_memory()))


def _run(folder: JobFolder, queue: DeviceQueues) -> None:
    try:
        queue.enter(folder.id, folder.status())
        outcome = _turn(folder, queue)
        while outcome == "paused" and folder.asked_to_go_on():
            folder.ask("run")
            folder.next_attempt()
            outcome = _turn(folder, queue)
        _end(folder, outcome)
    except Stop:
        _end(folder, "cancelled" if folder.wish() == "cancel" else "stopped")
    except TuneportError as error:
        _break_off(folder, error)
    except Exception as error:  # whatever a library raises ends this job, with its reason, and nothing else
        traceback.print_exc()
        _break_off(folder, told(error))
    finally:
        queue.leave(folder.id)


def _turn(folder: JobFolder, queue: DeviceQueues) -> Outcome:
    return _wait_for_device(folder, queue) or _train_watched(folder)


def _wait_for_device(folder: JobFolder, queue: DeviceQueues) -> Outcome | None:
    """Waits for our turn. An outcome means that the client no longer wants to wait."""
    said = ""
    while True:
        wish = folder.wish()
        if wish != "run":
            return "cancelled" if wish == "cancel" else "paused"
        ahead = queue.ahead_of(folder.id)
        if ahead == 0 and (queue.taken or queue.take()):
            return None
        ahead = max(ahead, 1)
        detail = f"behind {ahead} {'job' if ahead == 1 else 'jobs'}"
        if detail != said:
            folder.phase(JobState.QUEUED, detail)
            said = detail
        time.sleep(_LOOK_EVERY_S)


def _train_watched(folder: JobFolder) -> Outcome:
    over = threading.Event()
    watch = threading.Thread(target=_watch, args=(folder, over), name="wish-watch", daemon=True)
    watch.start()
    try:
        return _train(folder)
    finally:
        over.set()
        watch.join()


def _train(folder: JobFolder) -> Outcome:
    folder.phase(JobState.VALIDATING, "loading libraries")
    from tuneport_local.training.spec import TrainingSpec

    recipe = folder.recipe()
    spec = TrainingSpec.from_dict(recipe)
    outcome = engine_of(spec.engine).run(folder, spec)
    _remember_speed(folder, recipe)
    return outcome


def _remember_speed(folder: JobFolder, recipe: dict[str, Any]) -> None:
    """What this job measured makes the next quote."""
    work = work_of(recipe.get("method", "sft"), recipe["hyperparameters"].get("weights"), recipe["hyperparameters"].get("lora"))
    measured = throughput.measured_by(folder, source=f"job {folder.id[:8]}")
    if measured is not None:
        values = recipe["hyperparameters"]
        throughput.remember(Path(recipe["home"]) / "local", measured, base=recipe["base"], hardware=throughput.all_of(values), method=work)


def _watch(folder: JobFolder, over: threading.Event) -> None:
    """After a cancel: `_CANCEL_GRACE_S` for the training to stop by itself, then a signal to it, then the end of the process.

    Before the first step there is nothing to save, and the process ends at once.
    """
    asked: float | None = None
    signalled = False
    while not over.wait(_LOOK_EVERY_S):
        if folder.wish() != "cancel":
            continue
        asked = asked or time.monotonic()
        waited = time.monotonic() - asked
        if waited > _CANCEL_LIMIT_S or folder.status().state not in _TRAINING:
            _end(folder, "cancelled")
            stop_elsewhere(folder)
            _leave(0)
        if waited > _CANCEL_GRACE_S and not signalled:
            signalled = True
            os.kill(os.getpid(), signal.SIGTERM)


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stop


def _end(folder: JobFolder, outcome: Outcome) -> None:
    _ENDINGS[outcome](folder)


def _succeeded(folder: JobFolder) -> None:
    folder.phase(JobState.SUCCEEDED)
    folder.event("info", "succeeded")


def _paused(folder: JobFolder) -> None:
    checkpoint = marks.newest_checkpoint(folder)
    folder.phase(JobState.PAUSED, f"on request, at {checkpoint.name}" if checkpoint else "on request, before the first step")
    folder.event("info", "paused")


def _stopped(folder: JobFolder) -> None:
    """The system asked the worker to end: it is shutting down, or somebody sent SIGTERM."""
    folder.phase(JobState.PAUSED, "worker_stopped: the system ended the worker; resume continues from the last checkpoint")
    folder.event("warning", "stopped by the system", {"reason": "worker_stopped"})


def _cancelled(folder: JobFolder) -> None:
    kept = marks.something_kept(folder)
    folder.phase(JobState.CANCELLED, "what was trained so far is kept" if kept else "", partial=kept)
    folder.event("info", "cancelled")


def _break_off(folder: JobFolder, error: TuneportError) -> None:
    """Failed; or paused, where only the machine or the hub gave out and there is a checkpoint to go on from, or none is wanted for that."""
    reason = str(error)
    with suppress(OSError):  # the disk may be full; what the state says is worth more
        folder.event("error", reason)
    saved = marks.newest_checkpoint(folder)
    if isinstance(error, Interrupted):
        folder.phase(JobState.PAUSED, f"interrupted: {reason}")
    elif isinstance(error, MachineGaveOut | Unreachable) and saved is not None:
        folder.phase(JobState.PAUSED, f"interrupted: {reason} Saved is {saved.name}; resume continues from there.")
    else:
        folder.phase(JobState.FAILED, error=reason, partial=marks.something_kept(folder))


_ENDINGS: dict[Outcome, Callable[[JobFolder], None]] = {
    "succeeded": _succeeded,
    "paused": _paused,
    "stopped": _stopped,
    "cancelled": _cancelled,
}


def _leave(code: int) -> None:
    """Ends the process without the seconds that torch takes to be torn down. Everything has been written."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _leave(main())
