"""`Client.submit` against the SDK's calls that it cannot do without: in turns, each on a file that the platform has not seen."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import count, islice
from pathlib import Path

from benchmarks.data_room.rows import lines
from benchmarks.data_room.verdict import Outcome, Verdict
from benchmarks.provider_room.setting import Setting

LIMIT_MS = 100.0
LIMIT_REQUESTS = 2
EPOCHS = 2

Sides = Mapping[str, Callable[[Path], object]]
"""`ours` and `bare`, each with what it does with a file."""


def in_turns(
    setting: Setting, sides: Sides, *, requests: Callable[[], int], prepared: Callable[[str, Path], Path] | None = None
) -> Outcome:
    """What ours takes beside the bare calls. The first round, with its imports, is not counted but told.

    `requests` counts those of both; `prepared` makes a side's file of the rows beforehand.
    """
    taken: dict[str, list[float]] = {name: [] for name in sides}
    sent: dict[str, int] = {}
    files = _new_files(setting)
    for number in range(setting.rounds + 1):
        turns = list(sides.items())
        for name, work in turns if number % 2 else reversed(turns):
            path = next(files) if prepared is None else prepared(name, next(files))
            before = requests()
            gc.collect()
            began = time.perf_counter()
            work(path)
            taken[name].append(time.perf_counter() - began)
            sent[name] = max(sent.get(name, 0), requests() - before)
    return _outcome(setting, taken, sent)


def _outcome(setting: Setting, taken: Mapping[str, list[float]], sent: Mapping[str, int]) -> Outcome:
    own = [1e3 * (our_s - bare_s) for our_s, bare_s in zip(taken["ours"], taken["bare"], strict=True)]
    own_ms, more = statistics.median(own[1:]), sent["ours"] - sent["bare"]
    figures = {
        "rows": setting.rows,
        "own_ms": own_ms,
        "first_own_ms": own[0],
        "requests": dict(sent),
        **{f"{name}_ms": 1e3 * statistics.median(seconds[1:]) for name, seconds in taken.items()},
    }
    notes = (f"submit: {sent['ours']} requests, the bare SDK calls {sent['bare']}; {own[0]:.0f} ms of its own at first, with imports",)
    return Outcome(
        figures,
        (
            Verdict(f"submit: time of its own, {setting.rows:,} rows", own_ms, LIMIT_MS, at_most=True, unit="ms"),
            Verdict("submit: requests more than the bare SDK calls", more, LIMIT_REQUESTS, at_most=True, unit=""),
        ),
        notes,
    )


def _new_files(setting: Setting) -> Iterator[Path]:
    """Files of that many rows, no two alike."""
    for number in count():
        path = setting.folder / f"rows-{number}.jsonl"
        with path.open("wb") as file:
            file.writelines(islice(lines(number), setting.rows))
        yield path
