"""Tuneport's provider `openai`: OpenAI itself, and every endpoint that speaks its dialect. Importing this loads no SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneport.provider import Provider

if TYPE_CHECKING:
    from tuneport.provider import ProviderSettings, Server, Trainer

__version__ = "0.1.0"
__all__ = ["__version__", "provider"]


def _open_trainer(settings: ProviderSettings) -> Trainer:
    from tuneport_openai.adapter.trainer import OpenAITrainer

    return OpenAITrainer(settings)


def _open_server(settings: ProviderSettings) -> Server:
    from tuneport_openai.adapter.server import OpenAIServer

    return OpenAIServer(settings)


provider = Provider(
    name="openai",
    summary="OpenAI's fine-tuning API, and endpoints compatible with it; at OpenAI itself open to existing customers until 2027-01-06.",
    open_trainer=_open_trainer,
    open_server=_open_server,
    version=__version__,
)
