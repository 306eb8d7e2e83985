"""10,000 simulated lives of a client, several submits each, under faults. Exits 1 if one makes a second job, loses one or says an untruth.

python -m benchmarks.faults [--seeds N] [--start K] [--processes P] [--no-record]
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field

from benchmarks.record import record
from tuneport.testing.faults import Fault
from tuneport.testing.simulation import InvariantViolation, Run, simulate

SHOWN = 3
"""How many violations are printed in full."""


@dataclass(slots=True)
class Total:
    """What all runs were made of."""

    runs: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    uncertain: int = 0
    remote_jobs: int = 0
    flavours: Counter[str] = field(default_factory=Counter)
    faults: Counter[Fault] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, outcome: Run | str) -> None:
        self.runs += 1
        if isinstance(outcome, str):
            self.violations.append(outcome)
            return
        self.kills += outcome.kills_by_module
        self.uncertain += outcome.uncertain
        self.remote_jobs += outcome.remote_jobs
        self.flavours[outcome.flavour] += 1
        self.faults += outcome.faults

    def lines(self, seconds: float) -> list[str]:
        """The summary, one line, then the kills by module and the faults by kind."""
        flavours = ", ".join(f"{count} {flavour}" for flavour, count in sorted(self.flavours.items()))
        return [
            f"{self.runs} lives of a client ({flavours}), {self.kills.total()} kills, {self.faults.total()} faults, "
            f"{self.uncertain} uncertain submits, {self.remote_jobs} remote jobs, {len(self.violations)} violations, {seconds:.0f} s",
            "kills: " + ", ".join(f"{module} {count}" for module, count in self.kills.most_common()),
            "faults: " + ", ".join(f"{fault.name.lower()} {count}" for fault, count in self.faults.most_common()),
        ]


def run_one(seed: int) -> Run | str:
    """One seed's run, or the violation it led to."""
    logging.disable(logging.CRITICAL)  # unknown state words are wanted here
    try:
        return simulate(seed)
    except InvariantViolation as violation:
        return str(violation)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many seeds (default 10000)")
    parser.add_argument("--start", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--processes", type=int, default=min(4, os.cpu_count() or 1), help="worker processes")
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    total, began = Total(), time.monotonic()
    with ProcessPoolExecutor(options.processes) as workers:
        for outcome in workers.map(run_one, range(options.start, options.start + options.seeds), chunksize=20):
            total.add(outcome)
    for violation in total.violations[:SHOWN]:
        print(violation, end="\n\n")
    lines = total.lines(time.monotonic() - began)
    print("\n".join(lines))
    if not options.no_record:
        figures = {"start": options.start, "lives": total.runs, "kills": dict(total.kills.most_common())}
        faults = {fault.name.lower(): n for fault, n in total.faults.items()}
        record("faults", figures | {"faults": faults, "violations": len(total.violations)}, headline=lines[0])
    return 1 if total.violations else 0


if __name__ == "__main__":
    sys.exit(main())
