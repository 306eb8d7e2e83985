"""The most memory that uploading a large file takes above what the process held before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.data_room.verdict import Verdict

LIMIT_MB = 80.0
_BLOCK_BYTES = 1 << 18


def measured_elsewhere(module: str, *words: str | Path, environ: Mapping[str, str]) -> dict[str, Any]:
    """What `python -m module words` printed: a process of its own, which calls `measured`."""
    command = [sys.executable, "-m", module, *map(str, words)]
    done = subprocess.run(command, env={**os.environ, **environ}, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def verdict(name: str, found: Mapping[str, Any], *, megabytes: float) -> Verdict:
    """How it stands to the limit."""
    return Verdict(f"upload of {megabytes:.0f} MB, {name}: memory above the start", found["above_mb"], LIMIT_MB, at_most=True, unit="MB")


def measured(work: Callable[[], object]) -> int:
    """In that process: does the work, and prints what it took."""
    start_mb, began = _memory_mb("VmRSS"), time.perf_counter()
    work()
    found = {"seconds": round(time.perf_counter() - began, 2), "start_mb": start_mb, "above_mb": round(_memory_mb("VmHWM") - start_mb, 1)}
    print(json.dumps(found))
    return 0


def planned(source: Path) -> Any:
    """The file as it is, to be uploaded."""
    from tuneport.plan import PlannedFile

    def chunks() -> Iterator[bytes]:
        with source.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                yield block

    return PlannedFile.from_chunks(chunks, purpose="train", rows=1)


def _memory_mb(name: str) -> float:
    """What this process holds (VmRSS), or the most it ever did (VmHWM). Raises OSError where there is no /proc."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(round(int(line.split()[1]) / 1e3, 1) for line in lines if line.startswith(name))
