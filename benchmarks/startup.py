"""How long the cheap commands take and how much memory, against `import typer` alone.

    python -m benchmarks.startup [--rounds 16] [--no-record]

Every round starts each command once, every other round backwards, so that a slow moment of the machine hits all of them.
Limits: twice `import typer`, 60 MB.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.record import paired_rounds, record

LIMIT_RATIO = 2.0
LIMIT_MB = 60.0
_BASELINE = "import typer"


def commands() -> dict[str, list[str]]:
    """What is started, by name. The console script as it is installed beside this Python."""
    tuneport = str(Path(sys.executable).with_name("tuneport"))
    return {
        "python": [sys.executable, "-c", "pass"],
        _BASELINE: [sys.executable, "-c", "import typer"],
        "tuneport --help": [tuneport, "--help"],
        "tuneport --version": [tuneport, "--version"],
        "tuneport jobs list": [tuneport, "jobs", "list"],
    }


def start(command: list[str], *, home: str) -> tuple[float, float]:
    """Runs the command; its wall time in seconds and its largest resident size in MB. Raises RuntimeError when it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env={**os.environ, "TUNEPORT_HOME": home, "COLUMNS": "120"}
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    took = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}: {said.decode()[-500:]}")
    return took, usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def measure(rounds: int) -> dict[str, dict[str, float]]:
    """Median wall time in ms, its ratio to the baseline, and peak memory in MB, by command. The first round is not counted."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands()}
    with tempfile.TemporaryDirectory() as home:
        for number in range(rounds + 1):
            turns = list(commands().items())
            for name, command in turns if number % 2 else reversed(turns):
                found = start(command, home=home)
                if number:
                    taken[name].append(found)
    medians = {name: statistics.median(took for took, _ in found) for name, found in taken.items()}
    return {
        name: {"median_ms": 1e3 * medians[name], "ratio": medians[name] / medians[_BASELINE], "peak_mb": max(size for _, size in found)}
        for name, found in taken.items()
    }


def main() -> int:
    """Measures, prints, records; 1 when a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rounds", type=paired_rounds, default=16, help="an even number: the order changes with every round")
    parser.add_argument("--no-record", action="store_true")
    given = parser.parse_args()
    figures = measure(given.rounds)
    for name, found in figures.items():
        print(f"{name:20} {found['median_ms']:7.0f} ms  {found['ratio']:5.2f} x  {found['peak_mb']:6.1f} MB")
    ours = {name: found for name, found in figures.items() if name.startswith("tuneport")}
    broken = [name for name, found in ours.items() if found["ratio"] > LIMIT_RATIO or found["peak_mb"] > LIMIT_MB]
    worst, most = max(found["ratio"] for found in ours.values()), max(found["peak_mb"] for found in ours.values())
    if not given.no_record:
        headline = f"slowest of --help, --version, jobs list: {worst:.2f} x `import typer`; peak {most:.0f} MB"
        record("startup", {"rounds": given.rounds, "commands": figures}, headline=headline)
    for name in broken:
        print(f"{name} is over the limit of {LIMIT_RATIO} x and {LIMIT_MB:.0f} MB", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
