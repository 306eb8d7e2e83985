"""Following thousands of jobs of a workspace that has others too."""

from __future__ import annotations

from benchmarks.data_room.verdict import Outcome
from benchmarks.provider_room.looks import followed, small_plan
from benchmarks.provider_room.setting import Setting

PAGE = 100


def follow(setting: Setting) -> Outcome:
    """Requests a round, counted by the platform in this process."""
    from tuneport_azureml.adapter.trainer import AzureMLTrainer
    from tuneport_azureml.emulator import START, AzureMLEmulator, Course, Habits

    from tuneport.provider import ProviderSettings
    from tuneport.testing.clock import SimulatedClock
    from tuneport.testing.emulator import SteppedClock

    clock = SimulatedClock(START)
    with AzureMLEmulator(clock=SteppedClock(clock), habits=Habits(page=PAGE), course=Course(running_s=7 * 86_400.0)) as emulator:
        trainer = AzureMLTrainer(ProviderSettings(name="azureml", home=setting.folder, environ=emulator.exports, clock=clock))
        return followed(
            setting,
            provider="azureml",
            trainer=trainer,
            plan=small_plan(trainer, base="Phi-3-mini-4k-instruct"),
            page=PAGE,
            denied="denied-{}",
            requests=emulator.log.count,
            clock=clock,
        )
