"""The other side of `child`: a Python grader in a process of its own, with limits of time and memory, and a sentence for whatever it does.

This is a fence around mistakes, not around malice: a grader's code runs with the rights of whoever names it in a recipe.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tuneport.errors import GraderFailed

_CHILD = Path(__file__).with_name("child.py")
_KEPT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH")
"""Of the environment; the rest, with whatever keys are in it, is not for a grader."""
_FIXED = {"PYTHONHASHSEED": "0", "PYTHONIOENCODING": "utf-8", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_LOOK_EVERY_S = 0.2
_MB = 1 << 20


@dataclass(frozen=True, slots=True)
class GraderLimits:
    """What one call of a Python grader may take, and how long its source may take to be run once, with what it imports."""

    timeout_s: float = 10.0
    memory_mb: int = 1024
    start_timeout_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Task:
    """What a process runs: `function` of `source`, called with a sample, an item and `settings`. `name` is the grader's."""

    name: str
    source: str
    function: str = "grade"
    settings: Mapping[str, Any] = field(default_factory=dict)


class GraderProcess:
    """Started when first asked, and again after it had to be ended. `look` is called several times a second while an answer is waited for,
    and may raise."""

    def __init__(self, task: Task, *, limits: GraderLimits, look: Callable[[], None] = lambda: None) -> None:
        self._task = task
        self._limits = limits
        self._look = look
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._waiting = b""
        self.printed = ""

    def start(self) -> None:
        """Runs the source, so that what is wrong with it is known. Raises GraderFailed."""
        if self._process is not None:
            return
        self._folder = tempfile.TemporaryDirectory(prefix="tuneport-grader-", ignore_cleanup_errors=True)
        environment = {name: os.environ[name] for name in _KEPT if name in os.environ} | _FIXED | {"TMPDIR": self._folder.name}
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-s", "-B", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            cwd=self._folder.name,
            start_new_session=True,
        )
        self._waiting = b""
        task = {"source": self._task.source, "function": self._task.function, "settings": dict(self._task.settings)}
        first = {**task, "memory_bytes": self._limits.memory_mb * _MB, "parent": os.getpid()}
        said = self._asked(first, limit_s=self._limits.start_timeout_s, doing="its source was run")
        if "error" in said:
            self.close()
            raise GraderFailed(self._why_not_loaded(said), remedy="Try it with: tuneport data grade")

    def score(self, sample: Mapping[str, Any], item: Mapping[str, Any], *, seed: str) -> float:
        """What the grader gives. Raises GraderFailed, without naming the row, for everything else than a number."""
        self.start()
        asked = {"sample": sample, "item": item, "seed": seed, "limit_s": self._limits.timeout_s}
        said = self._asked(asked, limit_s=self._limits.timeout_s, doing="it graded an answer")
        if "score" in said:
            return float(said["score"])
        if said["error"] == "memory":
            self.close()
        raise GraderFailed(f"{self._name} {self._why_no_score(said)}")

    def close(self) -> None:
        """Ends the process, and those that it started in its own session."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            for pipe in (process.stdin, process.stdout):
                with suppress(OSError):
                    pipe.close()  # type: ignore[union-attr]
            process.wait()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    # --- inside --------------------------------------------------------------------------------------------------------------------

    @property
    def _name(self) -> str:
        return f"the grader {self._task.name!r}"

    def _asked(self, question: Mapping[str, Any], *, limit_s: float, doing: str) -> dict[str, Any]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
            line = self._line(process, limit_s)
        except BrokenPipeError:
            line = b""
        except BaseException:  # `look` ends the wait: what the process would say next belongs to no question
            self.close()
            raise
        if line is None:
            self.close()
            raise GraderFailed(f"{self._name} took more than {limit_s:g} seconds while {doing}, and was ended.")
        return self._read(line, process, doing)

    def _read(self, line: bytes, process: subprocess.Popen[bytes], doing: str) -> dict[str, Any]:
        try:
            said = dict(json.loads(line))
            self.printed = str(said.get("printed", ""))
        except ValueError:
            how = self._ending(process)
            self.close()
            raise GraderFailed(f"the process of {self._name} ended while {doing}{how}.") from None
        return said

    def _line(self, process: subprocess.Popen[bytes], limit_s: float) -> bytes | None:
        """The next line; b'' when the process is gone, None when the time is over."""
        assert process.stdout is not None
        until, descriptor = time.monotonic() + limit_s, process.stdout.fileno()
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while b"\n" not in self._waiting:
                left = until - time.monotonic()
                if left <= 0:
                    return None
                if selector.select(min(left, _LOOK_EVERY_S)):
                    read = os.read(descriptor, 1 << 16)
                    if not read:
                        return b""
                    self._waiting += read
                else:
                    self._look()
        line, _, self._waiting = self._waiting.partition(b"\n")
        return line

    @staticmethod
    def _ending(process: subprocess.Popen[bytes]) -> str:
        try:
            code = process.wait(timeout=2.0)
        except subprocess.TimeoutExpired:
            return ""
        if code < 0:
            return f" (signal {-code})"
        return f" (exit code {code})"

    def _why_not_loaded(self, said: Mapping[str, Any]) -> str:
        if said["error"] == "function":
            return f"the source of {self._name} has no function {self._task.function}(sample, item)."
        where = f", line {said['line']}" if said.get("line") else ""
        return f"the source of {self._name} does not run ({said['kind']}{where})."

    def _why_no_score(self, said: Mapping[str, Any]) -> str:
        match said["error"]:
            case "raised":
                where = f" in line {said['line']} of its source" if said.get("line") else ""
                return f"raised {said['kind']}{where}."
            case "memory":
                return f"wanted more than {self._limits.memory_mb} MB of memory."
            case "exit":
                return "wanted to end its process instead of giving a score."
            case "number":
                return f"gave {said['kind']}, which is no score: a finite number up to a million is."
        return f"gave a value of type {said['kind']} where a number is wanted."
