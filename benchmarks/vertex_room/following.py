"""Following thousands of jobs of a project that has others too."""

from __future__ import annotations

from benchmarks.data_room.verdict import Outcome
from benchmarks.provider_room.looks import followed, small_plan
from benchmarks.provider_room.setting import Setting

PAGE = 100


def follow(setting: Setting) -> Outcome:
    """Requests a round, counted by the platform in this process."""
    from tuneport_vertex.adapter.trainer import VertexTrainer
    from tuneport_vertex.emulator import START, Course, Habits, VertexEmulator

    from tuneport.provider import ProviderSettings
    from tuneport.testing.clock import SimulatedClock
    from tuneport.testing.emulator import SteppedClock

    clock = SimulatedClock(START)
    with VertexEmulator(
        clock=SteppedClock(clock), habits=Habits(concurrent_jobs=1_000_000), course=Course(tuning_s=7 * 86_400.0)
    ) as emulator:
        trainer = VertexTrainer(ProviderSettings(name="vertex", home=setting.folder, environ=emulator.exports, clock=clock))
        return followed(
            setting,
            provider="vertex",
            trainer=trainer,
            plan=small_plan(trainer, base="gemini-3.5-flash"),
            page=PAGE,
            denied=f"{trainer.scope()}/tuningJobs/99999999{{}}",
            requests=emulator.log.count,
            clock=clock,
        )
