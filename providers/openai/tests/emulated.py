"""The vendor's own, unmodified client on OpenAI's emulator."""

from __future__ import annotations

from typing import Any

from openai import OpenAI
from tuneport_openai.emulator import OpenAIEmulator

_OPENED: list[OpenAI] = []


def sdk(emulator: OpenAIEmulator, key: str | None = None, **options: Any) -> OpenAI:
    """A client with that key (the open organisation's if none is given), without the SDK's retries unless asked for."""
    settings = {"max_retries": 0, "timeout": 10, **options}
    _OPENED.append(OpenAI(base_url=emulator.base_url, api_key=key or emulator.open_key, **settings))
    return _OPENED[-1]


def close_clients() -> None:
    """Closes every client that `sdk` has opened."""
    while _OPENED:
        _OPENED.pop().close()
