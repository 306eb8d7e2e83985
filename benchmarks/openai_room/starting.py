"""What starting costs: importing the provider, and listing jobs, which asks nobody."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.data_room.verdict import Outcome, Verdict
from benchmarks.openai_room.setting import Setting

LIMIT_IMPORT_MS = 50.0

_IMPORT = """
import time
began = time.perf_counter()
import tuneport_openai
took = time.perf_counter() - began
import sys
print(took, "openai" in sys.modules)
"""
_LIST = """
import json, sys, time
touched = []
sys.addaudithook(lambda event, args: touched.append(event) if event.startswith("socket.") else None)
from tuneport.cli import main
began = time.perf_counter()
code = main(["jobs", "list"])
took = time.perf_counter() - began
print(json.dumps({"code": code, "seconds": took, "touched": touched, "sdk": "openai" in sys.modules}), file=sys.stderr)
"""


def start(setting: Setting) -> Outcome:
    """The import by its median; the list by whatever touched a socket, with jobs of openai in the registry and nobody at their address."""
    told = [_run(_IMPORT, {}).stdout.split() for _ in range(setting.rounds + 1)][1:]
    import_ms = 1e3 * statistics.median(float(took) for took, _ in told)
    _fill(setting)
    environ = {"TUNEPORT_HOME": str(setting.folder), "OPENAI_API_KEY": "sk-nobody", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    done = _run(_LIST, environ)
    found = json.loads(done.stderr.splitlines()[-1])
    if found["code"] or "openai:ftjob-" not in done.stdout:
        raise RuntimeError(f"tuneport jobs list ended with {found['code']}")
    loads_sdk = any(sdk == "True" for _, sdk in told) or found["sdk"]
    figures = {"import_ms": import_ms, "jobs": setting.jobs, "jobs_list_ms": 1e3 * found["seconds"], "touched": found["touched"]}
    return Outcome(
        figures,
        (
            Verdict("start: import tuneport_openai", import_ms, LIMIT_IMPORT_MS, at_most=True, unit="ms"),
            Verdict("start: uses of the network by `jobs list`", len(found["touched"]), 0, at_most=True, unit=""),
            Verdict("start: times that the SDK was loaded", int(loads_sdk), 0, at_most=True, unit=""),
        ),
        (f"start: `jobs list` of {setting.jobs:,} jobs in {1e3 * found['seconds']:.0f} ms, imports aside",),
    )


def _run(code: str, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], env={**os.environ, **environ}, capture_output=True, text=True, check=True)


def _fill(setting: Setting) -> None:
    """Jobs of openai in the registry of that folder."""
    from tuneport.clock import SystemClock
    from tuneport.job import JobState, Snapshot
    from tuneport.registry import JobRegistry

    clock = SystemClock()
    with JobRegistry(Path(setting.folder), clock=clock) as registry:
        for number in range(setting.jobs):
            registry.add(
                "openai",
                "127.0.0.1:9/v1",
                Snapshot(
                    provider_id=f"ftjob-{number:05d}",
                    state=JobState.RUNNING,
                    provider_state="running",
                    client_id=f"client-{number}",
                    created_at=clock.now(),
                ),
            )
