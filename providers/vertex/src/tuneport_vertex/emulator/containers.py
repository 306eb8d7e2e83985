"""Machines that really run what custom jobs ask for: a process each, on this machine, with the buckets mounted under a folder.

As documented (understanding-training-service, and use-spot-vms of predictions, copies read 2026-11-22): a worker that exits with another
code than 0 is started again up to five times; a spot machine that is taken away is gone after a while, and the job is started again up to
six times. What is not there: a container, its network and its limits; `/gcs/` is a folder that words are led to.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tuneport_vertex.emulator.mounts import Mounts
from tuneport_vertex.emulator.reading import Json

MOUNT = "/gcs/"
RESTARTS, PREEMPTIONS = 5, 6
GRACE_S = 30.0
"""Between SIGTERM and SIGKILL of a machine that is taken away (Compute Engine's notice of a spot machine)."""
PATH = "/usr/local/bin:/usr/bin:/bin"


class Run:
    """One job's process, started again as the service would. `over` once nothing more comes of it; `problem` then says why it failed."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        environ: Mapping[str, str],
        folder: Path,
        restarts: int = RESTARTS,
        grace_s: float = GRACE_S,
        problem: str = "",
    ) -> None:
        self._command, self._environ, self._folder = list(command), dict(environ), folder
        self._restarts_left, self._grace_s = restarts, grace_s
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._taken, self._ending, self._back = threading.Event(), threading.Event(), threading.Event()
        self._back.set()
        self.beside: tuple[Run, ...] = ()
        self.over = self.away = self.stopped = False
        self.problem = problem
        self.starts = self.preemptions = 0
        self._thread = threading.Thread(target=self._kept_running, name=f"machine {folder.name}", daemon=True)
        self._thread.start()

    @property
    def printed(self) -> str:
        """All that its processes have printed, which the service would have put into Cloud Logging."""
        path = self._folder / "printed.log"
        return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""

    def leads(self, others: Sequence[Run]) -> None:
        """Of the primary replica: the others are stopped when it is over, and it stands for the job."""
        self.beside = tuple(others)

    def preempt(self, *, grace_s: float | None = None, comes_back: bool = True) -> None:
        """Takes the machine away; the job is started again on another, or only once there is one: after `come_back`."""
        with self._lock:
            self._taken.set()
            if not comes_back:
                self._back.clear()
        for other in self.beside:
            other.preempt(grace_s=grace_s, comes_back=comes_back)
        self._end_process(self._grace_s if grace_s is None else grace_s)

    def come_back(self) -> None:
        """There is a machine again."""
        self._back.set()
        for other in self.beside:
            other.come_back()

    def stop(self) -> None:
        """Ends it for good: cancelled, or out of time."""
        if self._ending.is_set():
            return
        self._ending.set()
        self._back.set()
        for other in self.beside:
            other.stop()
        threading.Thread(target=self._end_process, args=(self._grace_s,), daemon=True).start()

    def close(self) -> None:
        """Ends it at once."""
        self._ending.set()
        self._back.set()
        for other in self.beside:
            other.close()
        self._end_process(0.0)
        self._thread.join(timeout=10)

    def _kept_running(self) -> None:
        try:
            while not (self._ending.is_set() or self.problem):
                code = self._ran()
                if self._ending.is_set():
                    break
                if self._taken.is_set():
                    self._taken.clear()
                    self.preemptions += 1
                    if self.preemptions > PREEMPTIONS:
                        self.problem = "STOCKOUT: Resources are insufficient in the region. Please try a different region."
                        return
                    self._back.wait()
                    continue
                if code == 0:
                    return
                if not self._restarts_left:
                    self.problem = f"The replica workerpool0-0 exited with a non-zero status of {code}."
                    return
                self._restarts_left -= 1
            self.stopped = self._ending.is_set()
        finally:
            for other in self.beside:
                other.stop()
            self.over = True

    def _ran(self) -> int:
        """The code that one process ended with."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "printed.log").open("ab") as printed:
            process = subprocess.Popen(
                self._command, env=self._environ, cwd=self._folder, stdout=printed, stderr=subprocess.STDOUT, start_new_session=True
            )
        with self._lock:
            self._process = process
            self.starts += 1
            self.away = False
        code = process.wait()
        self.away = self._taken.is_set()
        _signal(process, signal.SIGKILL)  # whatever it has left behind goes with the machine
        return 128 - code if code < 0 else code

    def _end_process(self, grace_s: float) -> None:
        with self._lock:
            process = self._process
        if process is None or process.poll() is not None:
            return
        _signal(process, signal.SIGTERM)
        try:
            process.wait(timeout=grace_s)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)


class Machines:
    """Runs containers below `folder`. `images` are those that exist, each with its Python; one alone is that of every image."""

    def __init__(
        self,
        mounts: Mounts,
        *,
        images: Mapping[str, Path] | Path,
        folder: Path,
        environ: Mapping[str, str] | None = None,
        restarts: int = RESTARTS,
        grace_s: float = GRACE_S,
    ) -> None:
        self.mounts = mounts
        self.runs: dict[str, Run] = {}
        self._images, self._folder, self._environ = images, folder, dict(environ or {})
        self._restarts, self._grace_s = restarts, grace_s

    def begin(self, body: Json, *, name: str) -> Run:
        """Starts what a job asks for. For an image that is not there nothing is started."""
        pools = [pool for pool in body["jobSpec"]["workerPoolSpecs"][:2] if pool]
        names = [f"workerpool{pool}-{index}" for pool, spec in enumerate(pools) for index in range(int(spec["replicaCount"]))]
        cluster = _cluster(names)
        primary, *others = [self._replica(body, pools[int(each[10])], each, job=name, cluster=cluster) for each in names]
        primary.leads(others)
        self.runs[name] = primary
        return primary

    def _replica(self, body: Json, pool: Mapping[str, Any], each: str, *, job: str, cluster: Mapping[str, Any]) -> Run:
        """One replica, `workerpool1-0`: it is told of the others by CLUSTER_SPEC, as documented (distributed-training and
        containers-overview, copies read 2026-11-22)."""
        container = pool["containerSpec"]
        python = self._images if isinstance(self._images, Path) else self._images.get(container["imageUri"])
        self.mounts.settle()
        words = [self._led(word) for word in (*container.get("command", ()), *container.get("args", ()))]
        home = self._folder / (job if each == "workerpool0-0" else f"{job}-{each}")
        kind, _, index = each.partition("-")
        spec = {"cluster": cluster, "environment": "cloud", "task": {"type": kind, "index": int(index)}, "job": body["jobSpec"]}
        environ = {
            "PATH": PATH,
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            "LANG": "C.UTF-8",
            "CLOUD_ML_JOB_ID": job,
            "CLUSTER_SPEC": json.dumps(spec),
            **self._environ,
        }
        environ |= {one["name"]: self._led(one.get("value") or "") for one in container.get("env") or ()}
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        problem = "" if python else f"The image {container['imageUri']} could not be pulled: it was not found, or access to it was denied."
        if python is not None:
            environ["PATH"] = f"{python.parent}{os.pathsep}{environ['PATH']}"
        return Run(words, environ=environ, folder=home, restarts=self._restarts, grace_s=self._grace_s, problem=problem)

    def settle(self) -> None:
        """Brings buckets and folders into step, once a machine has ended."""
        self.mounts.settle(all_of_it=True)

    def close(self) -> None:
        for run in self.runs.values():
            run.close()
        self.mounts.close()

    def _led(self, word: str) -> str:
        return f"{self.mounts.folder}/{word.removeprefix(MOUNT)}" if word.startswith(MOUNT) else word


def _cluster(names: Sequence[str]) -> dict[str, list[str]]:
    """Where each replica is reached, by its pool."""
    found: dict[str, list[str]] = {}
    for name in names:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            found.setdefault(name.partition("-")[0], []).append(f"127.0.0.1:{free.getsockname()[1]}")
    return found


def _signal(process: subprocess.Popen[bytes], number: int) -> None:
    """To the process and all that it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
