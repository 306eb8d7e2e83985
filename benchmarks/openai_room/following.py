"""Following thousands of jobs of an account that has others too."""

from __future__ import annotations

from benchmarks.data_room.verdict import Outcome
from benchmarks.provider_room.looks import followed, small_plan
from benchmarks.provider_room.setting import Setting

PAGE = 100


def follow(setting: Setting) -> Outcome:
    """Requests a round, counted by the platform in this process."""
    from tuneport_openai.adapter.trainer import OpenAITrainer
    from tuneport_openai.emulator import Course, Habits, OpenAIEmulator
    from tuneport_openai.emulator.platform import START

    from tuneport.provider import ProviderSettings
    from tuneport.testing.clock import SimulatedClock
    from tuneport.testing.emulator import SteppedClock

    clock = SimulatedClock(START)
    going_on = Course(validating_s=600.0, queued_s=600.0, running_s=86_400.0)
    with OpenAIEmulator(clock=SteppedClock(clock), habits=Habits(processing_s=0.0), course=going_on) as emulator:
        environ = {"OPENAI_API_KEY": emulator.open_key, "OPENAI_BASE_URL": emulator.base_url}
        trainer = OpenAITrainer(ProviderSettings(name="openai", home=setting.folder, environ=environ, clock=clock))
        return followed(
            setting,
            provider="openai",
            trainer=trainer,
            plan=small_plan(trainer, base="gpt-4.1-mini"),
            page=PAGE,
            denied="ftjob-denied-{}",
            requests=emulator.log.count,
            clock=clock,
        )
