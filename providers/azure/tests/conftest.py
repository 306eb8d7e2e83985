"""Fixtures of the tests that drive the emulator by the vendor's own clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from openai import AzureOpenAI, OpenAI
from tuneport_azure.emulator import AzureEmulator
from tuneport_azure.emulator.platform import START

from tuneport.testing.emulator import SteppedClock

from .azure_emulated import close_clients, dated, v1


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(start=START)


@pytest.fixture
def emulator(clock: SteppedClock) -> Iterator[AzureEmulator]:
    with AzureEmulator(clock=clock) as emulator:
        yield emulator


@pytest.fixture
def client(emulator: AzureEmulator) -> OpenAI:
    """OpenAI's client on the v1 API of the resource `contoso`."""
    return v1(emulator)


@pytest.fixture
def preview(emulator: AzureEmulator) -> AzureOpenAI:
    """AzureOpenAI's client on the same resource."""
    return dated(emulator)


@pytest.fixture(autouse=True)
def _close_clients() -> Iterator[None]:
    yield
    close_clients()
