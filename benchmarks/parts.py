"""A benchmark of several parts, each in a process of its own: how they are run, told, recorded and held to their limits."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from benchmarks.data_room.verdict import Outcome, Verdict
from benchmarks.record import record


def outcome_of(module: str, part: str, given: str) -> Outcome:
    """What the part printed as its last line; what it says otherwise goes to the terminal. One that fails breaks a limit of its own."""
    done = subprocess.run([sys.executable, "-m", module, "--part", part, given], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        return Outcome({"failed": done.returncode}, (Verdict(f"{part}: exit code", done.returncode, 0, at_most=True, unit=""),))
    return Outcome.of(json.loads(done.stdout.splitlines()[-1]))


def in_turn(names: Iterable[str], run: Callable[[str], Outcome]) -> dict[str, Outcome]:
    """The parts in turn; each limit is printed as soon as it is known."""
    outcomes = {}
    for name in names:
        print(f"-- {name}", flush=True)
        outcomes[name] = run(name)
        for line in (*outcomes[name].verdicts, *outcomes[name].notes):
            print(line, flush=True)
    return outcomes


def concluded(benchmark: str, outcomes: Mapping[str, Outcome], *, asked: Mapping[str, Any], recording: bool) -> int:
    """Records them with what was `asked`, every limit and note in the headline. The exit code: 1 when a limit is broken."""
    if recording:
        headline = "; ".join(str(said) for outcome in outcomes.values() for said in (*outcome.verdicts, *outcome.notes))
        record(benchmark, {"asked": asked, "parts": {name: outcome.to_dict() for name, outcome in outcomes.items()}}, headline=headline)
    broken = [verdict for outcome in outcomes.values() for verdict in outcome.verdicts if not verdict.holds]
    for verdict in broken:
        print(verdict, file=sys.stderr)
    return 1 if broken else 0
