"""`tuneport demo` on an empty home, and how soon a second one trains: what the README says of it.

    python -m benchmarks.demo [--data FOLDER] [--no-record]

The first demo runs to its end. The second is watched until its worker has written its first step, then detached and its job cancelled.
Limits: 480 s for the first, 0.85 exact match, 15 s to the first step of the second. The exact match is that of the demo's own test rows.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.record import record

LIMIT_S = 480.0
LIMIT_EXACT_MATCH = 0.85
LIMIT_FIRST_STEP_S = 15.0
_PATIENCE_S = 300.0
"""For a first step that does not come."""


def command(home: Path, *words: str) -> list[str]:
    """The console script as it is installed beside this Python."""
    return [str(Path(sys.executable).with_name("tuneport")), "--json", "--home", str(home), *words]


def environ() -> dict[str, str]:
    """Without the settings of whoever measures."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TUNEPORT_")}


def first_run(home: Path, demo: list[str]) -> dict[str, Any]:
    """Runs the demo to its end: seconds as one waits for them, and what it found. Raises RuntimeError when it fails."""
    began = time.monotonic()
    done = subprocess.run(command(home, *demo), capture_output=True, text=True, env=environ(), check=False)
    took_s = time.monotonic() - began
    if done.returncode != 0:
        raise RuntimeError(f"the demo ended with {done.returncode}:\n{done.stderr[-2000:]}")
    said = [json.loads(line) for line in done.stdout.splitlines()]
    evaluation = next(one for one in said if one.get("record") == "evaluation")
    others = [one["against"] for one in evaluation["comparisons"]]
    return {
        "seconds": round(took_s, 1),
        "rows": evaluation["rows"],
        "exact_match": evaluation["metrics"]["exact_match"],
        "against": {other["name"]: other["metrics"]["exact_match"] for other in others},
    }


def second_run(home: Path, demo: list[str]) -> float:
    """Seconds from the start of another demo to the end of its first training step; its job is cancelled then."""
    before = set(_jobs(home))
    began = time.time()
    process = subprocess.Popen(command(home, *demo), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ())
    try:
        first = next(_first_steps(home, before, until=began + _PATIENCE_S), None)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        for folder in set(_jobs(home)) - before:
            cancel = command(home, "jobs", "cancel", f"local:{folder.name}")
            subprocess.run(cancel, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environ(), check=False)
    if first is None:
        raise RuntimeError(f"the second demo trained no step within {_PATIENCE_S:.0f} s")
    return first - began


def _jobs(home: Path) -> list[Path]:
    return list((home / "local" / "jobs").glob("*/"))


def _first_steps(home: Path, before: set[Path], *, until: float) -> Iterator[float]:
    """When each new job has trained its first step, as its worker wrote it down; in seconds since 1970."""
    while time.time() < until:
        for folder in set(_jobs(home)) - before:
            metrics = folder / "metrics.jsonl"
            line = metrics.read_text(encoding="utf-8").partition("\n") if metrics.is_file() else ("", "", "")
            if line[1]:
                yield datetime.fromisoformat(json.loads(line[0])["at"]).timestamp()
        time.sleep(0.1)


def main() -> int:
    """Runs, prints, records; 1 when a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, help="folder with the two files of the demo; the checkout's when not given")
    parser.add_argument("--no-record", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tuneport-demo-") as temporary:
        home, folder = Path(temporary) / "home", Path(temporary) / "demo"
        demo = ["demo", "--dir", str(folder), *(["--data", str(given.data.resolve())] if given.data else [])]
        figures = first_run(home, demo)
        figures["second_run_first_step_s"] = round(second_run(home, demo), 1)
    against = ", ".join(f"{name} {value:.3f}" for name, value in figures["against"].items())
    headline = (
        f"{figures['seconds']:.0f} s on an empty home; exact match {figures['exact_match']:.3f} on {figures['rows']} rows ({against}); "
        f"a second run's first step after {figures['second_run_first_step_s']:.1f} s"
    )
    print(f"{headline} (limits: {LIMIT_S:.0f} s, {LIMIT_EXACT_MATCH}, {LIMIT_FIRST_STEP_S:.0f} s)")
    if not given.no_record:
        record("demo", figures, headline=headline)
    held = figures["seconds"] <= LIMIT_S, figures["exact_match"] >= LIMIT_EXACT_MATCH
    return 0 if all(held) and figures["second_run_first_step_s"] <= LIMIT_FIRST_STEP_S else 1


if __name__ == "__main__":
    sys.exit(main())
