"""Machines that really run what command jobs ask for: a process each, on this machine, in a folder of its own.

As documented: the code is copied, outputs are mounted, what is printed goes to user_logs/std_log.txt, and a machine of low priority may be
taken away without a word, whereupon the job is queued again and starts anew, with its outputs and an empty log (microsoft/hi-ml, low
priority, read 2026-11-22). What is not there: a container with its network and limits, GPUs, and a machine of its own.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
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


class Machine:
    """One job at work, on one machine after the other."""

    def __init__(self, job: CommandJob, world: World, turn: threading.RLock, *, container: Container, folder: Path) -> None:
        self.word, self.error = "Queued", ""
        self.started_at: datetime | None = None
        self.ended_at: datetime | None = None
        self.starts = 0
        self._job, self._world, self._turn, self._container, self._folder = job, world, turn, container, folder
        self._cancelled, self._told, self._taken = threading.Event(), threading.Event(), threading.Event()
        self._back = threading.Event()
        self._back.set()
        self._process: subprocess.Popen[bytes] | None = None
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
        if notice_s and (process := self._process) is not None:
            self._told.set()
            self._kill(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(notice_s)
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
        here = self._folder / f"machine-{self.starts}"
        with self._turn:
            code, mounts = self._code(here / "code"), self._mounts(here)
        for mount in mounts.values():
            mount.settle()
        command = self._job.properties["command"]
        for name, mount in mounts.items():
            command = command.replace(f"${{{{outputs.{name}}}}}", str(mount.folder))
        if not self._cancelled.is_set():
            self.word = "Running"
        self.started_at = self.started_at or self._world.now()
        with (self._folder / "std_log.txt").open("wb") as log:
            self._process = subprocess.Popen(
                ["/bin/bash", "-c", command],
                cwd=code,
                env=self._environ(here),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self._watched(self._process, mounts)

    def _watched(self, process: subprocess.Popen[bytes], mounts: Mapping[str, Mount]) -> str | None:
        most, began, asked_at = self._job.timeout_s, time.monotonic(), None
        timed_out = False
        while process.poll() is None:
            if self._taken.is_set():  # it may have come while the process was made
                self._kill(signal.SIGKILL)
            timed_out = most is not None and time.monotonic() - began > most
            if (self._cancelled.is_set() or timed_out) and asked_at is None:
                asked_at = time.monotonic()
                self._kill(signal.SIGTERM)
            if asked_at is not None and time.monotonic() - asked_at > GRACE_S:
                self._kill(signal.SIGKILL)
            for mount in mounts.values():
                mount.settle()
            with suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_EVERY_S)
        self._kill(signal.SIGKILL)  # whatever it has left behind ends with the container
        if self._taken.is_set() and not self._told.is_set():
            return None
        for mount in mounts.values():
            mount.settle(all_of_it=True)
        if self._told.is_set():
            self._taken.wait()
            return None
        if self._cancelled.is_set() or asked_at is not None:
            return "Canceled"
        if process.returncode:
            self.error = f"Execution failed. User process 'python' exited with status code {process.returncode}. See user_logs/std_log.txt."
        return "Failed" if process.returncode else "Completed"

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
        process = self._process
        if process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number)


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
