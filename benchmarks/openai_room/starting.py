"""What starting costs where OpenAI's provider is installed."""

from __future__ import annotations

from benchmarks.data_room.verdict import Outcome
from benchmarks.provider_room.setting import Setting
from benchmarks.provider_room.starts import started


def start(setting: Setting) -> Outcome:
    """The import, and a list of jobs with nobody at their address."""
    environ = {"OPENAI_API_KEY": "sk-nobody", "OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
    return started(setting, provider="openai", sdks=("openai",), scope="127.0.0.1:9/v1", job="ftjob-{}", environ=environ)
