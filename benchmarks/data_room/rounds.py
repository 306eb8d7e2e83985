"""Taking turns: both sides of a comparison in every round, every other round backwards, so that a slow moment hits both."""

from __future__ import annotations

import gc
import os
import statistics
import time
from collections.abc import Callable, Mapping

Times = dict[str, list[float]]
"""Seconds of each counted round, by side."""


def in_turns(sides: Mapping[str, Callable[[], object]], *, rounds: int, before: Callable[[], object] = lambda: None) -> Times:
    """Runs every side once a round; the first round is not counted. `before` goes before each run; then the disk
    and the garbage collector get their work done."""
    times: Times = {name: [] for name in sides}
    gc.collect()
    gc.freeze()  # what the imports left behind is looked through no more, whichever side is on
    try:
        for number in range(rounds + 1):
            turns = list(sides.items())
            for name, work in turns if number % 2 else reversed(turns):
                before()
                os.sync()  # what the other side has left for the disk to do would be waited for by whoever syncs next
                gc.collect()
                began = time.perf_counter()
                work()
                if number:
                    times[name].append(time.perf_counter() - began)
    finally:
        gc.unfreeze()
    return times


def ratio(times: Times, *, ours: str, theirs: str) -> float:
    """How many times as fast as `theirs` `ours` is: the median over the rounds."""
    return statistics.median(their_s / our_s for their_s, our_s in zip(times[theirs], times[ours], strict=True))


def rates(times: Times, rows: int) -> dict[str, dict[str, float]]:
    """Median seconds and rows a second, by side."""
    medians = {name: statistics.median(seconds) for name, seconds in times.items()}
    return {
        name: {"rows": rows, "median_s": round(median_s, 4), "rows_per_s": round(rows / median_s)} for name, median_s in medians.items()
    }
