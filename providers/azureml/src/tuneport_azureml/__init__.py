"""Tuneport's provider `azureml`: fine-tuning jobs and serverless endpoints of Azure Machine Learning. Importing this loads no SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneport.provider import Provider

if TYPE_CHECKING:
    from tuneport.provider import ProviderSettings, Server, Trainer

__version__ = "0.1.0"
__all__ = ["__version__", "provider"]


def _open_trainer(settings: ProviderSettings) -> Trainer:
    from tuneport_azureml.adapter.trainer import AzureMLTrainer

    return AzureMLTrainer(settings)


def _open_server(settings: ProviderSettings) -> Server:
    from tuneport_azureml.adapter.server import AzureMLServer

    return AzureMLServer(settings)


provider = Provider(
    name="azureml",
    summary="Azure Machine Learning: models of its registries, tuned on serverless or named GPUs of a workspace, and served there.",
    open_trainer=_open_trainer,
    open_server=_open_server,
    version=__version__,
)
