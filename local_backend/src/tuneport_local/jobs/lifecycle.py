"""What a client does to a job: start its worker, notice that the worker is gone, cancel, pause, resume, delete.

Only who holds the job's lock writes its state. While a worker lives it holds the lock, and a client can only leave a wish; when none lives
the client takes the lock and settles the matter itself.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from tuneport.clock import Clock, SystemClock
from tuneport.errors import Refused
from tuneport.job import JobState
from tuneport_local.engines.engine import elsewhere, pause_elsewhere, stop_elsewhere
from tuneport_local.jobs import marks
from tuneport_local.jobs.devices import DeviceQueues, device_of
from tuneport_local.jobs.folder import JobFolder, JobStatus, Wish
from tuneport_local.jobs.home import DELETED
from tuneport_local.jobs.launch import alive, claim, launch
from tuneport_local.jobs.trained import trained
from tuneport_local.machine.memory_there import ROOT, killed_for_memory
from tuneport_local.machine.room import note_that_it_ran_out, said

_LAUNCHES = 3
_CANCEL_PATIENCE_S = 12.0
_TAKEN_BRIEFLY_S = 2.0
_WAITING = frozenset({JobState.CREATED, JobState.QUEUED})
_HELD = frozenset({JobState.PAUSED, JobState.UNKNOWN})


class Lifecycle:
    """The client's side of job folders on this machine."""

    def __init__(self, *, environ: Mapping[str, str], clock: Clock | None = None, root: Path = ROOT) -> None:
        """`root` is where the system's own files are read."""
        self._environ = environ
        self._clock = clock or SystemClock()
        self._root = root

    def look(self, folder: JobFolder) -> JobStatus:
        """Where the job stands now, after starting a worker that was never started and settling one that died."""
        status = folder.status()
        if status.state is JobState.PAUSED and folder.asked_to_go_on():
            return self._relaunch(folder)
        if status.state.terminal or (status.state in _HELD and folder.wish() != "cancel"):
            return status
        if status.state not in _HELD and alive(status):
            self._end_overdue_cancel(folder, status)
            return status
        with suppress(OSError), self._claimed(folder) as descriptor:  # a disk that is full or read-only leaves it to a later look
            return folder.status() if descriptor is None else self._settle(folder, descriptor)
        return status

    def start(self, folder: JobFolder) -> JobStatus:
        """Starts the worker of a new job. When that fails the job stays as it is, and the next look tries again."""
        if folder.status().launches > 0:
            return self.look(folder)
        with self._claimed(folder, wait_s=_TAKEN_BRIEFLY_S) as descriptor:
            status = folder.status()
            if descriptor is None or status.state is not JobState.CREATED:
                return status
            return self._launch(folder, status, descriptor)

    def cancel(self, folder: JobFolder) -> JobStatus:
        """Cancels: at once where no worker lives, else by a wish that the worker follows within ten seconds."""
        status = self.look(folder)
        if status.state is JobState.CANCELLED:
            return status
        _refuse_when_over(folder, status, "cancelled")
        return self._wish(folder, "cancel", settled=_cancelled)

    def pause(self, folder: JobFolder) -> JobStatus:
        """Pauses: a waiting job leaves the queue, a training one stops after its present step with a checkpoint."""
        status = self.look(folder)
        if status.state is JobState.PAUSED:
            pause_elsewhere(folder)
            return status
        _refuse_when_over(folder, status, "paused")
        return self._wish(folder, "pause", settled=_paused)

    def resume(self, folder: JobFolder) -> JobStatus:
        """Puts a paused job back at the end of the queue; one that is still pausing goes on when it has paused.

        Raises Refused for one that runs or is over.
        """
        status = self.look(folder)
        if status.state.terminal or folder.wish() != "pause":
            _refuse_unless_paused(folder, status)
        folder.ask_to_go_on()
        folder.event("info", "resume requested")
        return self._relaunch(folder) if status.state is JobState.PAUSED else status

    def delete(self, folder: JobFolder) -> None:
        """Removes the folder. Raises Refused while a worker lives, OSError like the other commands when the disk does not take it."""
        status = self.look(folder)
        at_rest = status.state.terminal or status.state in _HELD
        with self._claimed(folder, wait_s=_TAKEN_BRIEFLY_S if at_rest else 0.0) as descriptor:
            if descriptor is None:
                remedy = f"Cancel it first: tuneport jobs cancel local:{folder.id}"
                raise Refused(f"job {folder.id} is {status.state} and cannot be deleted.", remedy=remedy)
            gone = folder.path.with_name(f"{DELETED}{folder.id}")
            folder.path.rename(gone)
            shutil.rmtree(gone, ignore_errors=True)

    # --- inside ----------------------------------------------------------------------------------------------------------------------

    @contextmanager
    def _claimed(self, folder: JobFolder, *, wait_s: float = 0.0) -> Iterator[int | None]:
        """The job's lock, or None. Closing our descriptor leaves it with a worker that has inherited it."""
        descriptor = claim(folder, wait_s=wait_s, clock=self._clock)
        try:
            yield descriptor
        finally:
            if descriptor is not None:
                os.close(descriptor)

    def _launch(self, folder: JobFolder, status: JobStatus, descriptor: int) -> JobStatus:
        DeviceQueues(folder.path.parent.parent / "devices", device_of(status.device or "auto")).enter(folder.id, status)
        try:
            return launch(folder, status, descriptor=descriptor, environ=self._environ)
        except (OSError, subprocess.CalledProcessError) as error:
            folder.event("warning", f"the worker could not be started: {error}")
            return folder.write_status(replace(folder.status(), detail=f"the worker could not be started: {error}"))

    def _relaunch(self, folder: JobFolder) -> JobStatus:
        """Starts the worker of a paused job anew, unless the old one is still ending: then the next look does it."""
        with self._claimed(folder, wait_s=_TAKEN_BRIEFLY_S) as descriptor:
            status = folder.status()
            if descriptor is None or status.state is not JobState.PAUSED:
                return status
            folder.ask("run")
            return self._launch(folder, folder.write_status(_anew(status, at=folder.now())), descriptor)

    def _settle(self, folder: JobFolder, descriptor: int) -> JobStatus:
        """No worker lives and we hold the lock: what the folder says is final."""
        status, wish = folder.status(), folder.wish()
        if status.state.terminal:
            return status
        if wish == "cancel":
            return _cancelled(folder)
        if status.state in _HELD:
            return status
        if status.state in _WAITING and wish == "pause":
            return _paused(folder)
        if status.state is JobState.CREATED and status.launches < _LAUNCHES:
            return self._launch(folder, status, descriptor)
        return _lost(folder, status, for_memory=self._killed_for_memory(status))

    def _killed_for_memory(self, status: JobStatus) -> bool:
        """Whether the system has ended processes for want of memory since the worker began: then most likely this one, the largest."""
        now = killed_for_memory(root=self._root)
        return status.memory_kills is not None and now is not None and now > status.memory_kills

    def _wish(self, folder: JobFolder, wish: Wish, *, settled: Callable[[JobFolder], JobStatus]) -> JobStatus:
        folder.ask(wish)
        folder.event("info", f"{wish} requested")
        with self._claimed(folder) as descriptor:
            status = folder.status()
            return status if descriptor is None or status.state.terminal else settled(folder)

    def _end_overdue_cancel(self, folder: JobFolder, status: JobStatus) -> None:
        """A worker that does not follow a cancel (it is stopped, or stuck in the kernel) is killed; the next look settles the job."""
        if folder.wish() == "cancel" and folder.wish_age_s() > _CANCEL_PATIENCE_S and status.pid is not None:
            folder.event("warning", f"the worker (process {status.pid}) did not follow the cancel and was killed")
            with suppress(ProcessLookupError, PermissionError):
                os.kill(status.pid, signal.SIGKILL)


def _refuse_when_over(folder: JobFolder, status: JobStatus, what: str) -> None:
    if status.state.terminal:
        raise Refused(f"job {folder.id} has already ended: {status.state}; it cannot be {what}.")


def _anew(status: JobStatus, *, at: str) -> JobStatus:
    """The status of a resumed job: at the end of the queue, a new attempt."""
    fresh = replace(status, state=JobState.CREATED, detail="waiting for its worker", queued_at=at, launches=0, pid=None, error=None)
    return replace(fresh, attempt=status.attempt + 1)


def _refuse_unless_paused(folder: JobFolder, status: JobStatus) -> None:
    if status.state is not JobState.PAUSED:
        remedy = "" if status.state.terminal else "Follow it with: tuneport jobs wait"
        raise Refused(f"job {folder.id} is {status.state}; only a paused job can be resumed.", remedy=remedy)


def _cancelled(folder: JobFolder) -> JobStatus:
    folder.event("info", "cancelled")
    status = folder.phase(JobState.CANCELLED, partial=marks.something_kept(folder))
    stop_elsewhere(folder)
    return status


def _paused(folder: JobFolder) -> JobStatus:
    folder.event("info", "paused")
    pause_elsewhere(folder)
    return folder.phase(JobState.PAUSED, detail="on request")


def _lost(folder: JobFolder, status: JobStatus, *, for_memory: bool) -> JobStatus:
    """The worker ended without saying how."""
    if trained(folder.path) is not None:
        folder.event("warning", "the worker ended after what it trained was complete")
        return folder.phase(JobState.SUCCEEDED)
    folder.event("error", "the worker is gone", {"reason": "worker_lost", "state": str(status.state), "pid": status.pid})
    if elsewhere(folder.recipe().get("hyperparameters", {})):
        return folder.phase(JobState.PAUSED, detail="worker_lost: nobody follows what trains the job elsewhere; resume follows it again")
    less = note_that_it_ran_out(folder.path) if for_memory else None
    memory = "the system ended a process for want of memory meanwhile, most likely this one; " if for_memory else ""
    goes_on = f"the next worker takes {said(less.rows, recompute=less.recompute)}; resume begins it" if less else "resume continues it"
    if marks.newest_checkpoint(folder) is not None or status.state is JobState.QUEUED or less:
        return folder.phase(JobState.PAUSED, detail=f"worker_lost: the worker ended while the job was {status.state}; {memory}{goes_on}")
    end = folder.log_end()
    words = f"The end of its log:\n{end}" if end else "Its log is empty; the system may have killed it for memory."
    error = f"The worker ended while the job was {status.state}, before its first checkpoint. {memory.capitalize()}{words}"
    return folder.phase(JobState.FAILED, detail="worker_lost", error=error)
