"""How fast this machine trains, as measured by jobs that ran here: `<home>/local/throughput.json`, per base, hardware and method."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from tuneport.files import write_text
from tuneport.job import Metric
from tuneport_local.jobs.devices import device_of
from tuneport_local.jobs.folder import JobFolder

_FILE = "throughput.json"
_STEPS_WANTED = 2


@dataclass(frozen=True, slots=True)
class Throughput:
    """A measurement: the median of the steps, and the rates that a tenth of them stayed under and over. `startup_s` is from the start of
    the worker to its first step, `on` the day (ISO), `source` what was measured."""

    tokens_per_second: float
    startup_s: float
    on: str
    source: str
    slow: float | None = None
    fast: float | None = None


def known(local: Path, *, base: str, hardware: str, method: str = "sft") -> Throughput | None:
    """The latest measurement of `base` on that hardware by that method, or None. An unreadable file is the same as none."""
    entry = _read(local / _FILE).get(_key(base, hardware, method))
    return Throughput(**entry) if entry else None


def remember(local: Path, measured: Throughput, *, base: str, hardware: str, method: str = "sft") -> None:
    """Keeps a measurement in place of the one before."""
    with _alone(local):
        entries = {**_read(local / _FILE), _key(base, hardware, method): asdict(measured)}
        write_text(local / _FILE, json.dumps(entries, indent=1, sort_keys=True) + "\n")


def measured_by(folder: JobFolder, *, source: str) -> Throughput | None:
    """What a job's own readings say, or None when it took too few steps. The first step is left out: it pays for warming up."""
    from statistics import median

    metrics = [metric for metric in folder.metrics() if "tokens_per_second" in metric.values]
    if len(metrics) < _STEPS_WANTED:
        return None
    rates = sorted(metric.values["tokens_per_second"] for metric in metrics[1:])
    if not median(rates):  # images have no tokens
        return None
    slow, fast = rates[len(rates) // 10], rates[-1 - len(rates) // 10]
    return Throughput(median(rates), _startup_s(folder, metrics[0]), folder.now()[:10], source, slow, fast)


def hardware_of(wanted: str = "auto") -> str:
    """A name for what trains here, found without torch: the device, the processor and the cores."""
    device = device_of(wanted)
    if device.startswith("cuda"):
        return f"{device} {gpu_name()}"
    return f"{device} {_processor()} x{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()}"


def one_of(values: Mapping[str, Any]) -> str:
    """What one worker of a recipe's hyperparameters trains on: this machine, one of a cluster's, or one that is rented."""
    if values.get("rented") is not None:
        said = hashlib.sha256(json.dumps(values["rented"], sort_keys=True).encode()).hexdigest()
        return f"{values['device']} of a machine that {values['engine']} rents ({said[:8]})"
    return f"the Ray cluster at {values['address']}" if values.get("address") else hardware_of(values["device"])


def all_of(values: Mapping[str, Any]) -> str:
    """What all of them train on together: what their speed is kept under."""
    workers = values.get("workers", 1)
    divided = ", the base divided" if values.get("sharding", "none") != "none" else ""
    return one_of(values) if workers == 1 else f"{workers} workers by {values['engine']} on {one_of(values)}{divided}"


def of_several(one: Throughput, *, workers: int) -> Throughput:
    """What so many workers would do if none waited for another, from what one was seen to do: its lower bound is that of one alone."""
    source = f"{one.source}: {one.tokens_per_second:,.0f} by one worker, times {workers}; an estimate, nothing was seen with {workers} yet"
    fast = (one.fast or one.tokens_per_second) * workers
    return replace(one, tokens_per_second=one.tokens_per_second * workers, slow=one.slow or one.tokens_per_second, fast=fast, source=source)


def _startup_s(folder: JobFolder, first: Metric) -> float:
    from datetime import datetime

    started = folder.status().started_at
    return max(0.0, (first.at - datetime.fromisoformat(started)).total_seconds()) if started and first.at else 0.0


def gpu_name() -> str:
    """The model of the first NVIDIA GPU, by the driver's own files."""
    for information in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("Model:"):
                return line.partition(":")[2].strip()
    return "NVIDIA"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def _key(base: str, hardware: str, method: str) -> str:
    return f"{base} on {hardware}" + ("" if method == "sft" else f", {method}")


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


@contextmanager
def _alone(local: Path) -> Iterator[None]:
    local.mkdir(parents=True, exist_ok=True)
    with (local / f"{_FILE}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
