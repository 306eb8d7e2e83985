"""One job per device: an OS lock for the one that trains, tickets in order of creation for the ones that wait.

A ticket is an empty file `<time>@<job id>` under devices/<device>/. The client writes it before it starts the worker, so that the order is
that of creation and not of how fast the workers come up. A ticket counts while its job's worker lives; a dead one's is taken away by
whoever meets it.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import platform
import sys
from datetime import datetime
from pathlib import Path

from tuneport_local.jobs.folder import JobStatus
from tuneport_local.jobs.launch import worker_holds


class DeviceQueue:
    """The jobs of one home that want one device."""

    def __init__(self, devices: Path, device: str) -> None:
        self.folder = devices / device.replace(":", "-")
        self.lock = devices / f"{device.replace(':', '-')}.lock"
        self._jobs = devices.parent / "jobs"
        self._descriptor: int | None = None

    def enter(self, job_id: str, status: JobStatus) -> None:
        """Takes the place of the time at which the job was queued, and gives up an earlier one."""
        self.folder.mkdir(parents=True, exist_ok=True)
        place = self.folder / f"{_sortable(status.queued_at)}@{job_id}"
        for ticket in self.folder.glob(f"*@{job_id}"):
            if ticket != place:
                ticket.unlink(missing_ok=True)
        place.touch()

    @property
    def taken(self) -> bool:
        """Whether we have the device."""
        return self._descriptor is not None

    def leave(self, job_id: str) -> None:
        """Gives up the place and the device."""
        for ticket in self.folder.glob(f"*@{job_id}"):
            ticket.unlink(missing_ok=True)
        self.give_back()

    def give_back(self) -> None:
        """Frees the device, if we have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def ahead_of(self, job_id: str) -> int:
        """How many living jobs come before this one."""
        count = 0
        for ticket in sorted(entry.name for entry in self.folder.iterdir()):
            other = ticket.partition("@")[2]
            if other == job_id:
                break
            if worker_holds(self._jobs / other / "worker.lock"):
                count += 1
            else:
                (self.folder / ticket).unlink(missing_ok=True)
        return count

    def take(self) -> bool:
        """Takes the device if nobody has it. It is given back by `give_back` or the end of the process."""
        descriptor = os.open(self.lock, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True


class DeviceQueues:
    """The same for jobs that want several devices: all of them, or none. `wanted` names them with commas between."""

    def __init__(self, devices: Path, wanted: str) -> None:
        self._queues = [DeviceQueue(devices, device) for device in wanted.split(",")]

    @property
    def taken(self) -> bool:
        """Whether we have them all."""
        return all(queue.taken for queue in self._queues)

    def enter(self, job_id: str, status: JobStatus) -> None:
        """Takes a place in each queue."""
        for queue in self._queues:
            queue.enter(job_id, status)

    def leave(self, job_id: str) -> None:
        """Gives up the places and the devices."""
        for queue in self._queues:
            queue.leave(job_id)

    def ahead_of(self, job_id: str) -> int:
        """How many living jobs come before this one where most do."""
        return max(queue.ahead_of(job_id) for queue in self._queues)

    def take(self) -> bool:
        """Takes them if nobody has any of them; else none is kept from others."""
        if all(queue.take() for queue in self._queues):
            return True
        for queue in self._queues:
            queue.give_back()
        return False


def _sortable(time: str) -> str:
    return f"{datetime.fromisoformat(time).timestamp():017.6f}"


def device_of(wanted: str) -> str:
    """The device that `wanted` (auto, cpu, cuda, cuda:1, mps) will most likely mean, found without importing torch."""
    if wanted == "cuda":
        return "cuda:0"
    if wanted != "auto":
        return wanted
    if sys.platform == "darwin" and platform.machine() == "arm64":
        return "mps"
    return "cuda:0" if _nvidia_here() and _torch_has_cuda() else "cpu"


def devices_of(wanted: str, *, workers: int) -> str:
    """The same for so many workers: all the devices they take, with commas between. On a CPU they share the one."""
    first = device_of(wanted)
    return ",".join(f"cuda:{number}" for number in range(workers)) if workers > 1 and first.startswith("cuda") else first


def gpus_here() -> int:
    """How many NVIDIA GPUs a process started here sees, by the driver's own files."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([name for name in visible.split(",") if name.strip() not in ("", "-1")])
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*"))) or len(list(Path("/dev").glob("nvidia[0-9]*")))


def _nvidia_here() -> bool:
    return Path("/proc/driver/nvidia/gpus").is_dir() or Path("/dev/nvidia0").exists()


def _torch_has_cuda() -> bool:
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return False
    try:
        text = (Path(spec.origin).parent / "version.py").read_text(encoding="utf-8")
    except OSError:
        return False
    return any(line.startswith("cuda") and "None" not in line for line in text.splitlines())
