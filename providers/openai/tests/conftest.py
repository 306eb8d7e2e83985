"""Fixtures of the tests that drive the emulator by the vendor's own client."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from openai import OpenAI
from tuneport_openai.emulator import OpenAIEmulator

from tuneport.testing.emulator import SteppedClock

from .emulated import close_clients, sdk


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(start=datetime(2026, 11, 21, 9, 0, tzinfo=UTC))


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
