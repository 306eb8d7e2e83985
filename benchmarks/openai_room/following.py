"""Following thousands of jobs of an account that has others too: requests a round, counted by the platform."""

from __future__ import annotations

import math
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.data_room.verdict import Outcome, Verdict
from benchmarks.openai_room.setting import Setting

if TYPE_CHECKING:
    from tuneport_openai.adapter.trainer import OpenAITrainer
    from tuneport_openai.emulator import OpenAIEmulator

    from tuneport.plan import Plan
    from tuneport.testing.clock import SimulatedClock

PAGE = 100
OTHERS_EACH = 10
"""Every so many jobs one of somebody else."""
OLDER = 500
"""Jobs of others that were made before ours."""
UNKNOWN = 3
"""Followed jobs that the platform denies: a miss each."""
ROUNDS = 10
INTERVAL_S = 30.0


def follow(setting: Setting) -> Outcome:
    """The most requests of a round, against the pages back to the oldest followed job and the misses. In the first round it is not known
    yet which are denied. Client and platform are one process: the processor time is of both."""
    from tuneport_openai.adapter.trainer import OpenAITrainer
    from tuneport_openai.emulator import Course, Habits, OpenAIEmulator
    from tuneport_openai.emulator.platform import START

    from tuneport.testing.clock import SimulatedClock
    from tuneport.testing.emulator import SteppedClock

    clock = SimulatedClock(START)
    going_on = Course(validating_s=600.0, queued_s=600.0, running_s=86_400.0)
    with OpenAIEmulator(clock=SteppedClock(clock), habits=Habits(processing_s=0.0), course=going_on) as emulator:
        trainer = OpenAITrainer(_settings(emulator, clock, setting.folder))
        rounds, core_s = _rounds(setting, emulator, trainer, clock)
    made = setting.jobs + setting.jobs // OTHERS_EACH
    most = math.ceil(made / PAGE) + UNKNOWN
    figures = {
        "jobs": setting.jobs,
        "others": OLDER + made - setting.jobs,
        "unknown": UNKNOWN,
        "requests": rounds,
        "processor_s_per_round": core_s,
    }
    name = f"follow: requests a round for {setting.jobs:,} jobs among {made + OLDER:,} and {UNKNOWN} that are denied"
    verdict = Verdict(name, max(rounds[1:]), most, at_most=True, unit="")
    return Outcome(figures, (verdict,), (f"follow: {rounds[0]} requests in the first round",))


def _settings(emulator: OpenAIEmulator, clock: SimulatedClock, home: Path) -> Any:
    from tuneport.provider import ProviderSettings

    environ = {"OPENAI_API_KEY": emulator.open_key, "OPENAI_BASE_URL": emulator.base_url}
    return ProviderSettings(name="openai", home=home, environ=environ, clock=clock)


def _rounds(setting: Setting, emulator: OpenAIEmulator, trainer: OpenAITrainer, clock: SimulatedClock) -> tuple[list[int], float]:
    """The requests of each round, and seconds of processor time a round."""
    from tuneport.errors import WaitTimeout
    from tuneport.poll import follow as look_on
    from tuneport.registry import JobRegistry

    with JobRegistry(setting.folder / "home", clock=clock) as registry:
        jobs = _fill(setting, trainer, registry, clock)
        sent, began = [emulator.log.count()], time.process_time()
        looks = look_on(jobs, trainers={"openai": trainer}, registry=registry, clock=clock, interval_s=INTERVAL_S, max_rounds=ROUNDS)
        try:
            for _ in looks:
                sent.append(emulator.log.count())
        except WaitTimeout:  # the budget of rounds is used up
            pass
        core_s = (time.process_time() - began) / ROUNDS
    return [after - before for before, after in pairwise(sent)], round(core_s, 3)


def _fill(setting: Setting, trainer: OpenAITrainer, registry: Any, clock: SimulatedClock) -> list[Any]:
    """Creates the jobs, a second apart, and records those that are ours, and beside them some that the platform does not know."""
    from dataclasses import replace

    plan = _plan(trainer)
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
    snapshots += [replace(snapshots[0], provider_id=f"ftjob-denied-{number}", client_id=None) for number in range(UNKNOWN)]
    return [registry.add("openai", trainer.scope(), snapshot) for snapshot in snapshots]


def _plan(trainer: OpenAITrainer) -> Plan:
    from tuneport.dataset import Dataset
    from tuneport.examples import ChatExample, Message
    from tuneport.recipe import SFT, Recipe

    rows = [ChatExample((Message("user", f"Is {n} even?"), Message("assistant", "yes" if n % 2 == 0 else "no"))) for n in range(12)]
    return trainer.plan(Recipe(base="gpt-4.1-mini", train=Dataset.from_examples(rows, name="even"), method=SFT(epochs=2)))
