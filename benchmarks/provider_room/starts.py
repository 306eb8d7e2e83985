"""What starting costs: importing the provider, and listing jobs, which asks nobody."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping

from benchmarks.data_room.verdict import Outcome, Verdict
from benchmarks.provider_room.setting import Setting

LIMIT_IMPORT_MS = 50.0

_IMPORT = """
import time
began = time.perf_counter()
import {package}
took = time.perf_counter() - began
import sys
print(took, any(each in sys.modules for each in {sdks}))
"""
_LIST = """
import json, sys, time
touched = []
sys.addaudithook(lambda event, args: touched.append(event) if event.startswith("socket.") else None)
from tuneport.cli import main
began = time.perf_counter()
code = main(["jobs", "list"])
took = time.perf_counter() - began
sdk = any(each in sys.modules for each in {sdks})
print(json.dumps({{"code": code, "seconds": took, "touched": touched, "sdk": sdk}}), file=sys.stderr)
"""


def started(setting: Setting, *, provider: str, sdks: tuple[str, ...], scope: str, job: str, environ: Mapping[str, str]) -> Outcome:
    """The import by its median; the list by whatever touched a socket, with jobs of the provider in the registry and nobody at their
    address. `job` is the id of one, with {} for its number; `sdks` are the modules that must not be loaded."""
    package = f"tuneport_{provider}"
    importing = _IMPORT.format(package=package, sdks=sdks)
    told = [_run(importing, {}).stdout.split() for _ in range(setting.rounds + 1)][1:]
    import_ms = 1e3 * statistics.median(float(took) for took, _ in told)
    _fill(setting, provider=provider, scope=scope, job=job)
    done = _run(_LIST.format(sdks=sdks), {"TUNEPORT_HOME": str(setting.folder), **environ})
    found = json.loads(done.stderr.splitlines()[-1])
    if found["code"] or f"{provider}:{job.partition('{')[0]}" not in done.stdout:
        raise RuntimeError(f"tuneport jobs list ended with {found['code']}")
    loads_sdk = any(sdk == "True" for _, sdk in told) or found["sdk"]
    figures = {"import_ms": import_ms, "jobs": setting.jobs, "jobs_list_ms": 1e3 * found["seconds"], "touched": found["touched"]}
    return Outcome(
        figures,
        (
            Verdict(f"start: import {package}", import_ms, LIMIT_IMPORT_MS, at_most=True, unit="ms"),
            Verdict("start: uses of the network by `jobs list`", len(found["touched"]), 0, at_most=True, unit=""),
            Verdict("start: times that the SDK was loaded", int(loads_sdk), 0, at_most=True, unit=""),
        ),
        (f"start: `jobs list` of {setting.jobs:,} jobs in {1e3 * found['seconds']:.0f} ms, imports aside",),
    )


def _run(code: str, environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], env={**os.environ, **environ}, capture_output=True, text=True, check=True)


def _fill(setting: Setting, *, provider: str, scope: str, job: str) -> None:
    """Jobs of the provider in the registry of that folder."""
    from tuneport.clock import SystemClock
    from tuneport.job import JobState, Snapshot
    from tuneport.registry import JobRegistry

    clock = SystemClock()
    with JobRegistry(setting.folder, clock=clock) as registry:
        for number in range(setting.jobs):
            registry.add(
                provider,
                scope,
                Snapshot(
                    provider_id=job.format(f"{number:05d}"),
                    state=JobState.RUNNING,
                    provider_state="running",
                    client_id=f"client-{number}",
                    created_at=clock.now(),
                ),
            )
