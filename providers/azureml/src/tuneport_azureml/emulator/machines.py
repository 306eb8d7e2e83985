"""Machines that really run what command jobs ask for: a process each, on this machine, in a folder of its own.

As documented: the code is copied, outputs are mounted, what is printed goes to user_logs/std_log.txt, and a machine of low priority may be
taken away without a word, whereupon the job is queued again and starts anew, with its outputs and an empty log (microsoft/hi-ml, low
priority, read 2026-11-22). What is not there: a container with its network and limits, GPUs, and a machine of its own.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from tuneport.testing.emulator.mounts import Mount
from tuneport_azureml.emulator.command_requests import DATASTORE, asset_of
from tuneport_azureml.emulator.commands import CommandJob
from tuneport_azureml.emulator.mounts import BlobsBelow
from tuneport_azureml.emulator.world import World

LOOK_EVERY_S = 0.1
GRACE_S = 10.0
"""Between SIGTERM and SIGKILL of a job that is cancelled."""


@dataclass(frozen=True, slots=True)
class Container:
    """What jobs run in: `python` is its interpreter, `environ` what its image says beside what the service does."""

    python: Path
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Node:
    """One instance of a job."""

    process: subprocess.Popen[bytes]
    mounts: tuple[Mount, ...]


class Machine:
    """One job at work, on one machine after the other, or on several of them at once."""

    def __init__(self, job: CommandJob, world: World, turn: threading.RLock, *, container: Container, folder: Path) -> None:
        self.word, self.error = "Queued", ""
        self.started_at: datetime | None = None
        self.ended_at: datetime | None = None
        self.starts = 0
        self._job, self._world, self._turn, self._container, self._folder = job, world, turn, container, folder
        self._cancelled, self._told, self._taken = threading.Event(), threading.Event(), threading.Event()
        self._back = threading.Event()
        self._back.set()
        self._nodes: list[_Node] = []
        self._thread = threading.Thread(target=self._run, name=f"machine of {job.name}", daemon=True)
        self._thread.start()

    def log(self) -> str:
        path = self._folder / "std_log.txt"
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    def cancel(self) -> None:
        self.word = "CancelRequested"
        self._cancelled.set()
        self._back.set()

    def take_away(self, *, notice_s: float = 0.0, for_good: bool = False) -> None:
        """The machine is gone, and what runs there with it; with notice it is told so before, by SIGTERM, and what it writes then is kept.
        `for_good`: until `give_back` there is no other."""
        if for_good:
            self._back.clear()
        if notice_s and self._nodes:
            self._told.set()
            self._kill(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                for node in self._nodes:
                    node.process.wait(notice_s)
        self._taken.set()
        self._kill(signal.SIGKILL)

    def give_back(self) -> None:
        self._back.set()

    def close(self) -> None:
        """Ends it at once."""
        if self.ended_at is not None:
            return
        self.cancel()
        self._kill(signal.SIGKILL)
        self._thread.join(timeout=30)

    # --- its life ----------------------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self.word = "Failed" if self._job.problem else self._until_over()
            self.error = self.error or self._job.problem
        except Exception as error:  # of the emulator itself: the job must not seem to go on
            self.word, self.error = "Failed", f"the emulated machine broke: {type(error).__name__}: {error}"
        finally:
            self.ended_at = self._world.now()

    def _until_over(self) -> str:
        while True:
            self._back.wait()
            if self._cancelled.is_set():
                return "Canceled"
            self._told.clear()
            self._taken.clear()
            word = self._on_a_machine()
            if word is not None:
                return word
            self.word = "Queued"

    def _on_a_machine(self) -> str | None:
        """How it ended there; None where the machine was taken away."""
        self.word = "Preparing"
        self.starts += 1
        here, count = self._folder / f"machine-{self.starts}", self._job.properties.get("resources", {}).get("instanceCount", 1)
        port = _free_port()
        nodes = [
            self._begun(here / f"node-{number}" if count > 1 else here, number=number, count=count, port=port) for number in range(count)
        ]
        self._nodes = nodes
        if not self._cancelled.is_set():
            self.word = "Running"
        self.started_at = self.started_at or self._world.now()
        return self._watched(nodes)

    def _begun(self, here: Path, *, number: int, count: int, port: int) -> _Node:
        """One instance of the job. What the first prints is the job's log."""
        with self._turn:
            code, mounts = self._code(here / "code"), self._mounts(here)
        for mount in mounts.values():
            mount.settle()
        command = self._job.properties["command"]
        for name, mount in mounts.items():
            command = command.replace(f"${{{{outputs.{name}}}}}", str(mount.folder))
        environ = self._environ(here)
        if "distribution" in self._job.properties:
            environ |= {"NODE_RANK": str(number), "RANK": str(number), "LOCAL_RANK": "0", "WORLD_SIZE": str(count)}
            environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
        with (self._folder / ("std_log.txt" if number == 0 else f"std_log_{number}.txt")).open("wb") as log:
            process = subprocess.Popen(
                ["/bin/bash", "-c", command],
                cwd=code,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return _Node(process, tuple(mounts.values()))

    def _watched(self, nodes: Sequence[_Node]) -> str | None:
        """Until all have ended. One that fails fails the job, and the others end with it (not published)."""
        most, began, asked_at, code = self._job.timeout_s, time.monotonic(), None, 0
        while None in (codes := [node.process.poll() for node in nodes]):
            code = code or next((each for each in codes if each), 0)
            if self._taken.is_set() or (code and not self._told.is_set()):  # it may have come while the process was made
                self._kill(signal.SIGKILL)
            timed_out = most is not None and time.monotonic() - began > most
            if (self._cancelled.is_set() or timed_out) and asked_at is None:
                asked_at = time.monotonic()
                self._kill(signal.SIGTERM)
            if asked_at is not None and time.monotonic() - asked_at > GRACE_S:
                self._kill(signal.SIGKILL)
            self._settle(nodes)
            with suppress(subprocess.TimeoutExpired):
                next((node for node in nodes if node.process.poll() is None), nodes[0]).process.wait(LOOK_EVERY_S)
        self._kill(signal.SIGKILL)  # whatever it has left behind ends with the container
        if self._taken.is_set() and not self._told.is_set():
            return None
        self._settle(nodes, all_of_it=True)
        if self._told.is_set():
            self._taken.wait()
            return None
        if self._cancelled.is_set() or asked_at is not None:
            return "Canceled"
        code = code or next((node.process.returncode for node in nodes if node.process.returncode), 0)
        if code:
            self.error = f"Execution failed. User process 'python' exited with status code {code}. See user_logs/std_log.txt."
        return "Failed" if code else "Completed"

    def _settle(self, nodes: Sequence[_Node], *, all_of_it: bool = False) -> None:
        for node in nodes:
            for mount in node.mounts:
                mount.settle(all_of_it=all_of_it)

    # --- what it needs -----------------------------------------------------------------------------------------------------------------

    def _code(self, folder: Path) -> Path:
        """A copy of the code asset."""
        folder.mkdir(parents=True)
        asset = asset_of(self._job.properties.get("codeId", ""), "codes", self._world)
        if asset is not None:
            head = self._head(str(asset.properties["codeUri"]))
            for path, blob in self._world.blobs.items():
                if path.startswith(head):
                    to = folder / path.removeprefix(head)
                    to.parent.mkdir(parents=True, exist_ok=True)
                    to.write_bytes(blob.read())
        return folder

    def _head(self, uri: str) -> str:
        """How the blobs below an address begin."""
        container, _, path = uri.partition(f"/{self._world.account}/")[2].strip("/").partition("/")
        head = "" if container == self._world.container else f"{container}:"
        return f"{head}{path}/" if path else head

    def _mounts(self, here: Path) -> dict[str, Mount]:
        found = {}
        for name, output in self._job.properties["outputs"].items():
            place = DATASTORE.fullmatch(output.get("uri") or f"azureml://datastores/x/paths/azureml/{self._job.name}/{name}")
            assert place is not None
            below = BlobsBelow(self._world, f"{place['path'].rstrip('/')}/")
            found[name] = Mount(below, self._world.store, self._turn, folder=here / "wd" / name)
        return found

    def _environ(self, here: Path) -> dict[str, str]:
        """Nothing of this machine's but where programs lie."""
        for name in ("home", "tmp"):
            (here / name).mkdir(exist_ok=True)
        return {
            "PATH": f"{self._container.python.parent}{os.pathsep}/usr/local/bin:/usr/bin:/bin",
            "HOME": str(here / "home"),
            "TMPDIR": str(here / "tmp"),
            "LANG": "C.UTF-8",
            "AZUREML_RUN_ID": self._job.name,
            "AZUREML_EXPERIMENT_NAME": self._job.properties.get("experimentName", "Default"),
            **self._container.environ,
            **self._job.properties["environmentVariables"],
        }

    def _kill(self, number: int) -> None:
        for node in self._nodes:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(node.process.pid, number)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class Machines:
    """All machines of the workspace: as many as are asked for."""

    def __init__(self, world: World, turn: threading.RLock, *, container: Container, folder: Path) -> None:
        self._world, self._turn, self._container, self._folder = world, turn, container, folder

    def begin(self, job: CommandJob) -> None:
        folder = self._folder / job.name
        folder.mkdir(parents=True)
        job.running = Machine(job, self._world, self._turn, container=self._container, folder=folder)

    def of(self, name: str) -> Machine:
        """The one that a job is at."""
        found = self._world.commands[name].running
        assert isinstance(found, Machine)
        return found

    def close(self) -> None:
        for job in self._world.commands.values():
            if isinstance(job.running, Machine):
                job.running.close()
