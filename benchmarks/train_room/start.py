"""From `submit` to the end of the first step, with everything warm: the base converted, the files in the page cache, a job gone before."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

from benchmarks.data_room.verdict import Outcome, Verdict
from benchmarks.train_room.material import write

LIMIT_S = 10.0
WARM = 3
_ROWS = 8


def first_step(base: str, *, home: Path, folder: Path) -> Outcome:
    """The median of several jobs of one step, after one that is not counted."""
    rows = [(f"Where is my card number {number}?", "card_arrival") for number in range(_ROWS)]
    path = write(rows, folder / "start.jsonl")
    every = [_job(base, path, home=home) for _ in range(WARM + 1)]
    took = [job["first_step_s"] for job in every[1:]]
    return Outcome({"cold": every[0], "warm": every[1:]}, (Verdict("submit to first step", statistics.median(took), LIMIT_S, True, "s"),))


def _job(base: str, path: Path, *, home: Path) -> dict[str, Any]:
    """Seconds from the call of `submit` on: until it came back, until the first step was done, and until each phase of the worker began."""
    import tuneport as tp

    recipe = tp.Recipe(base=base, method=tp.SFT(epochs=1), train=tp.Dataset.read(path))
    with tp.Client(home=home) as client:
        began = time.time()
        job = client.submit(recipe, provider="local", force=True)
        returned = time.time()
        job = client.wait(job, timeout_s=600)
        if job.state is not tp.JobState.SUCCEEDED:
            raise RuntimeError(f"{job.uri} ended {job.state}: {job.error}")
        first = client.metrics(job)[0].at.timestamp()
    return {"submit_s": round(returned - began, 2), "first_step_s": round(first - began, 2)}
