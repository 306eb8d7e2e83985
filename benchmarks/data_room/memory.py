"""Peak memory of the commands on a small and on a large file, and how soon `Dataset.read` returns. Imports little: on Linux a process
counts at least the memory of the one that started it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks.data_room.rows import write_megabytes
from benchmarks.data_room.verdict import Outcome, Setting, Verdict

LIMIT_MB = 60.0
LIMIT_READ_MS = 10.0
_LOOK_S = 0.02
_STARTS = 5
_READ = """
import sys, time
from tuneport.dataset import Dataset
began = time.perf_counter()
Dataset.read(sys.argv[1])
print(time.perf_counter() - began)
"""


def commands(source: Path, folder: Path) -> dict[str, list[str]]:
    """What is run, by name. The console script as it is installed beside this Python."""
    data = [str(Path(sys.executable).with_name("tuneport")), "data"]
    one, two = str(folder / "one.jsonl"), str(folder / "two.jsonl")
    return {
        "convert": [*data, "convert", str(source), one, "--to", "gemini"],
        "check": [*data, "check", str(source), "--for", "openai"],
        "split": [*data, "split", str(source), "--train-file", one, "--test-file", two],
        "dedupe": [*data, "dedupe", str(source), one, "--alike", "exact"],
    }


def memory(setting: Setting) -> Outcome:
    """Each command on both files. Both are deleted afterwards, and so is what is written."""
    needed, free = int(2.5e6 * setting.large_mb), shutil.disk_usage(setting.folder).free
    if free < needed:
        reason = f"needs {needed / 1e9:.1f} GB of disk, and {free / 1e9:.1f} are free"
        return Outcome({"not_measured": reason}, (Verdict("memory", None, LIMIT_MB, at_most=True, unit="MB", reason=reason),))
    source, peaks = setting.folder / "rows.jsonl", {}
    for size, megabytes in (("small", setting.small_mb), ("large", setting.large_mb)):
        write_megabytes(source, megabytes)
        peaks[size] = {name: run(command, folder=setting.folder) for name, command in commands(source, setting.folder).items()}
    read_ms = 1e3 * max(read_seconds(source) for _ in range(_STARTS))
    source.unlink()
    figures = {"small_mb": setting.small_mb, "large_mb": setting.large_mb, **peaks, "read_ms": round(read_ms, 3)}
    verdicts = [
        Verdict(f"{name}: more memory for the large file", peaks["large"][name]["peak_mb"] - peak["peak_mb"], LIMIT_MB, True, "MB")
        for name, peak in peaks["small"].items()
    ]
    return Outcome(figures, (*verdicts, Verdict("Dataset.read on the large file", read_ms, LIMIT_READ_MS, True, "ms")))


_FOUND_ERRORS = 1
"""How a check ends that did its work: two billion bytes are more than a provider takes."""


def run(command: list[str], *, folder: Path) -> dict[str, Any]:
    """Seconds, and the peak memory in MB of the process and all it started: what they held together when looked at every 20 ms (pages that
    they share count for each), or the most that one of them ever held, whichever is more. Raises RuntimeError when the command fails."""
    began = time.perf_counter()
    with (folder / "said.txt").open("w+b") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env={**os.environ, "TUNEPORT_HOME": str(folder / "home")})
        together = most = 0.0
        while process.returncode is None:
            together = max(together, resident_mb(process.pid))
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                most = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
            else:
                time.sleep(_LOOK_S)
        took = time.perf_counter() - began
        said.seek(0)
        if process.returncode not in (0, _FOUND_ERRORS):
            raise RuntimeError(f"{' '.join(command[1:3])} ended with {process.returncode}: {said.read().decode()[-500:]}")
    for written in ("one.jsonl", "two.jsonl"):
        (folder / written).unlink(missing_ok=True)
    return {"seconds": round(took, 2), "peak_mb": round(max(together, most), 1), "largest_process_mb": round(most, 1)}


def resident_mb(pid: int) -> float:
    """What the process and those it started hold now; 0 for one that is gone."""
    import psutil

    try:
        process = psutil.Process(pid)
        family = [process, *process.children(recursive=True)]
        return float(sum(each.memory_info().rss for each in family)) / 1e6
    except psutil.Error:
        return 0.0


def read_seconds(source: Path) -> float:
    """How long the first `Dataset.read` of a process takes, imports aside."""
    done = subprocess.run([sys.executable, "-c", _READ, str(source)], capture_output=True, text=True, check=True)
    return float(done.stdout)
