"""Following thousands of jobs of an account that has others too: requests a round, counted by the platform."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from benchmarks.data_room.verdict import Outcome, Verdict
from benchmarks.provider_room.setting import Setting

if TYPE_CHECKING:
    from tuneport.plan import Plan
    from tuneport.testing.clock import SimulatedClock

OTHERS_EACH = 10
"""Every so many jobs one of somebody else."""
OLDER = 500
"""Jobs of others that were made before ours."""
UNKNOWN = 3
"""Followed jobs that the platform denies: a miss each."""
ROUNDS = 10
INTERVAL_S = 30.0


def followed(
    setting: Setting, *, provider: str, trainer: Any, plan: Plan, page: int, denied: str, requests: Callable[[], int], clock: SimulatedClock
) -> Outcome:
    """The most requests of a round, against the pages back to the oldest followed job and the misses. In the first round it is not known
    yet which are denied. Client and platform are one process: the processor time is of both.

    `page` is how many jobs a page holds; `denied` the id of a job that is not there, with {} for a number.
    """
    from tuneport.errors import WaitTimeout
    from tuneport.poll import follow as look_on
    from tuneport.registry import JobRegistry

    with JobRegistry(setting.folder / "home", clock=clock) as registry:
        snapshots = _made(setting, trainer, plan, denied, clock)
        jobs = [registry.add(provider, trainer.scope(), snapshot) for snapshot in snapshots]
        sent, began = [requests()], time.process_time()
        looks = look_on(jobs, trainers={provider: trainer}, registry=registry, clock=clock, interval_s=INTERVAL_S, max_rounds=ROUNDS)
        try:
            for _ in looks:
                sent.append(requests())
        except WaitTimeout:  # the budget of rounds is used up
            pass
        core_s = round((time.process_time() - began) / ROUNDS, 3)
    return _outcome(setting, [after - before for before, after in pairwise(sent)], core_s, page=page)


def _made(setting: Setting, trainer: Any, plan: Plan, denied: str, clock: SimulatedClock) -> list[Any]:
    """Creates the jobs, a second apart; those that are ours, and beside them some that the platform does not know."""
    files = {file.purpose: trainer.upload(file) for file in plan.files}
    for number in range(OLDER):
        trainer.create(plan, f"older-{number}", files)
    clock.sleep(1.0)
    snapshots = []
    for number in range(setting.jobs):
        snapshots.append(trainer.create(plan, f"client-{number}", files))
        clock.sleep(1.0)
        if number % OTHERS_EACH == 0:
            trainer.create(plan, f"other-{number}", files)
    return snapshots + [replace(snapshots[0], provider_id=denied.format(number), client_id=None) for number in range(UNKNOWN)]


def _outcome(setting: Setting, rounds: list[int], core_s: float, *, page: int) -> Outcome:
    made = setting.jobs + setting.jobs // OTHERS_EACH
    figures = {
        "jobs": setting.jobs,
        "others": OLDER + made - setting.jobs,
        "unknown": UNKNOWN,
        "requests": rounds,
        "processor_s_per_round": core_s,
    }
    name = f"follow: requests a round for {setting.jobs:,} jobs among {made + OLDER:,} and {UNKNOWN} that are denied"
    verdict = Verdict(name, max(rounds[1:]), math.ceil(made / page) + UNKNOWN, at_most=True, unit="")
    return Outcome(figures, (verdict,), (f"follow: {rounds[0]} requests in the first round",))


def small_plan(trainer: Any, *, base: str) -> Plan:
    """A plan of a few rows, for jobs of which only the number counts."""
    from tuneport.dataset import Dataset
    from tuneport.examples import ChatExample, Message
    from tuneport.recipe import SFT, Recipe

    rows = [ChatExample((Message("user", f"Is {n} even?"), Message("assistant", "yes" if n % 2 == 0 else "no"))) for n in range(12)]
    found: Plan = trainer.plan(Recipe(base=base, train=Dataset.from_examples(rows, name="even"), method=SFT(epochs=2)))
    return found
