"""Tuneport's provider `azure`: fine-tuning and deployments at Azure OpenAI (Microsoft Foundry). Importing this loads no SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneport.provider import Provider

if TYPE_CHECKING:
    from tuneport.provider import ProviderSettings, Server, Trainer

__version__ = "0.1.0"
__all__ = ["__version__", "provider"]


def _open_trainer(settings: ProviderSettings) -> Trainer:
    from tuneport_azure.adapter.trainer import AzureTrainer

    return AzureTrainer(settings)


def _open_server(settings: ProviderSettings) -> Server:
    from tuneport_azure.adapter.server import AzureServer

    return AzureServer(settings)


provider = Provider(
    name="azure",
    summary="Azure OpenAI (Microsoft Foundry): training in three tiers, deployments that are told with what they cost.",
    open_trainer=_open_trainer,
    open_server=_open_server,
    version=__version__,
)
