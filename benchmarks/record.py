"""Keeps what a benchmark measured, with the machine it was measured on: one JSON file a run, and a table of all of them."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
_DATA = ("msgspec", "orjson", "datasets", "bpe-openai")
_PACKAGES = ("tuneport", "tuneport-local", "torch", "transformers", "peft", "trl", "accelerate", "typer", "numpy", *_DATA)


def machine() -> dict[str, Any]:
    """What this machine is, without its name: processor, cores this process may use, memory, versions, and how busy it was."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "load_average_1m": round(os.getloadavg()[0], 2),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def paired_rounds(text: str) -> int:
    """For argparse: an even number of rounds. Who goes first changes with every round, and both must do so equally often."""
    rounds = int(text)
    if rounds < 2 or rounds % 2:
        raise argparse.ArgumentTypeError(f"{rounds} is not an even number of rounds")
    return rounds


def commit() -> str | None:
    """The commit that is measured, with `+` when the checkout differs from it; None outside a checkout."""
    head, changes = _git("rev-parse", "HEAD"), _git("status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results")
    return None if head is None else head + ("+" if changes else "")


def _git(*words: str) -> str | None:
    try:
        done = subprocess.run(["git", *words], cwd=RESULTS.parents[1], capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def record(benchmark: str, figures: dict[str, Any], *, headline: str, folder: Path = RESULTS) -> Path:
    """Writes `<benchmark>-<time>.json` and the table beside it. `headline` is the result in one line."""
    from tuneport.files import write_text

    now = datetime.now(UTC)
    result = {
        "benchmark": benchmark,
        "date": now.date().isoformat(),
        "commit": commit(),
        "headline": headline,
        "machine": machine(),
        "figures": figures,
    }
    path = write_text(folder / f"{benchmark}-{now:%Y%m%dT%H%M%SZ}.json", json.dumps(result, indent=2) + "\n")
    write_text(folder / "README.md", table(folder))
    return path


def table(folder: Path = RESULTS) -> str:
    """All results as a Markdown table, by benchmark, the latest first."""
    results = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.json"), reverse=True)]
    results.sort(key=lambda result: result["benchmark"])
    rows = [f"| {r['benchmark']} | {r['date']} | {_short(r)} | {_machine_line(r['machine'])} | {r['headline']} |" for r in results]
    head = [
        "# Results",
        "",
        "Written by `benchmarks/record.py`; the figures behind each line are in the JSON files. A `+` after a commit says that",
        "the checkout differed from it; `-` that the commit was not written down yet.",
        "",
    ]
    return "\n".join([*head, "| benchmark | date | commit | machine | result |", "|---|---|---|---|---|", *rows]) + "\n"


def _short(result: dict[str, Any]) -> str:
    found = result.get("commit")
    return "-" if not found else f"`{found[:10]}{'+' if found.endswith('+') else ''}`"


def _machine_line(found: dict[str, Any]) -> str:
    return f"{found['cpu']}, {found['cores']} cores, {found['memory_gb']} GB, Python {found['python']}"


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
