"""Fixtures of the tests that drive the emulator by the vendor's own client."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai import OpenAI
from tuneport_openai.emulator import OpenAIEmulator
from tuneport_openai.emulator.platform import START

from tuneport.testing.emulator import SteppedClock

from .emulated import close_clients, sdk


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(start=START)


@pytest.fixture
def emulator(clock: SteppedClock) -> Iterator[OpenAIEmulator]:
    with OpenAIEmulator(clock=clock) as emulator:
        yield emulator


@pytest.fixture
def client(emulator: OpenAIEmulator) -> OpenAI:
    return sdk(emulator)


@pytest.fixture(autouse=True)
def _close_clients() -> Iterator[None]:
    yield
    close_clients()
