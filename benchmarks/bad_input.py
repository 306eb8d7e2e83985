"""100,000 damaged files of every format and container. Exits 1 if one gives anything but rows, findings or an error, or is slow.

python -m benchmarks.bad_input [--files N] [--start K] [--processes P] [--no-record]
"""

from __future__ import annotations

import argparse
import os
import resource
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from benchmarks.record import record
from tuneport.testing.bad_input import SECONDS_A_MEGABYTE, Trial, trial
from tuneport.testing.sample_rows import SampleFile, sample_files

SHOWN = 10
"""How many violations are printed."""

MEGABYTES_AT_MOST = 300
"""What a process may hold at its highest, itself and pyarrow included; the files have less than 2 MB."""

A_TIME = 200


@dataclass(slots=True)
class Total:
    """What came of all files."""

    files: int = 0
    size_bytes: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    slowest_seconds: float = 0.0
    peak_mb: int = 0
    violations: list[str] = field(default_factory=list)

    def add(self, found: list[Trial], peak_mb: int) -> None:
        self.files += len(found)
        self.size_bytes += sum(each.size_bytes for each in found)
        self.outcomes.update(each.outcome for each in found)
        self.slowest_seconds = max(self.slowest_seconds, *(each.seconds for each in found))
        self.peak_mb = max(self.peak_mb, peak_mb)
        self.violations += [each.violation for each in found if each.violation]

    @property
    def ok(self) -> bool:
        return not self.violations and self.peak_mb <= MEGABYTES_AT_MOST

    def line(self) -> str:
        """The result in one line."""
        counts = ", ".join(f"{count:,} {outcome}" for outcome, count in self.outcomes.most_common())
        return (
            f"{self.files:,} damaged files ({self.size_bytes / 1e6:,.0f} MB): {counts}; slowest {self.slowest_seconds:.1f} s, "
            f"at most {self.peak_mb} MB, {len(self.violations)} violations"
        )


@cache
def samples() -> list[SampleFile]:
    """The files to damage."""
    return list(sample_files())


def run(start: int) -> tuple[list[Trial], int]:
    """Some trials in a row, and the most memory this process has held."""
    with tempfile.TemporaryDirectory() as folder:
        found = [trial(seed, samples(), Path(folder)) for seed in range(start, start + A_TIME)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return found, peak >> (20 if sys.platform == "darwin" else 10)


def measure(*, files: int, start: int, processes: int) -> Total:
    """Reads that many damaged files."""
    total = Total()
    with ProcessPoolExecutor(processes) as pool:
        for found, peak_mb in pool.map(run, range(start, start + files, A_TIME)):
            total.add(found, peak_mb)
    return total


def main() -> int:
    """Measures, prints and records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=100_000)
    parser.add_argument("--start", type=int, default=1_000_000, help="the first seed; the tests have the first thousands")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--no-record", action="store_true")
    given = parser.parse_args()
    began = time.monotonic()
    total = measure(files=given.files, start=given.start, processes=given.processes)
    print(f"{total.line()}, {time.monotonic() - began:.0f} s")
    for violation in total.violations[:SHOWN]:
        print(f"  {violation}")
    if not given.no_record:
        limits = {"seconds_a_megabyte": SECONDS_A_MEGABYTE, "megabytes_at_most": MEGABYTES_AT_MOST}
        figures = {
            "files": total.files,
            "size_bytes": total.size_bytes,
            "outcomes": dict(total.outcomes),
            "slowest_seconds": round(total.slowest_seconds, 2),
            "peak_mb": total.peak_mb,
            "violations": total.violations[:SHOWN],
            "limits": limits,
        }
        record("bad_input", figures, headline=total.line())
    return int(not total.ok)


if __name__ == "__main__":
    sys.exit(main())
