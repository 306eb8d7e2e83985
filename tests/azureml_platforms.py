"""Azure ML beside the other clouds, over its emulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from platforms import Platforms, azure_room, openai_room

from tuneport.client import Client
from tuneport.clock import Clock
from tuneport.settings import Settings
from tuneport.testing.clock import SimulatedClock
from tuneport.testing.emulator import SteppedClock

azureml_room = pytest.importorskip("tuneport_azureml.emulator")


@dataclass
class WithAzureML(Platforms):
    """Likewise, with a workspace of Azure ML on the same clock, in the subscription of Azure's resource."""

    azureml: Any = None

    @property
    def environ(self) -> dict[str, str]:
        return {**super().environ, **self.azureml.exports}

    def client(self, home: Path | None = None) -> Client:
        from tuneport_azureml import provider as azureml
        from tuneport_local import provider as local
        from tuneport_openai import provider as openai

        tables = {"local": {"calibrate": False}}
        clock: Clock | None = None if self.real else self.clock
        settings = Settings(home=home or self.home, environ=self.environ, providers=tables)
        return Client(settings=settings, clock=clock, providers=[openai, azureml, local])


@contextmanager
def opened_with_azureml(home: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[WithAzureML]:
    clock = SimulatedClock(azureml_room.START)
    openai = openai_room.OpenAIEmulator(clock=SteppedClock(clock))
    azure = azure_room.AzureEmulator(clock=SteppedClock(clock))
    azureml = azureml_room.AzureMLEmulator(clock=SteppedClock(clock))
    with openai, azure, azureml:
        yield WithAzureML(home, openai, azure, clock, capsys, azureml=azureml)
