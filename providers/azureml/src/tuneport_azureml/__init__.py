"""Tuneport's provider `azureml`: fine-tuning jobs on models of Azure Machine Learning's registries. Importing this loads no SDK."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuneport.provider import Provider

if TYPE_CHECKING:
    from tuneport.provider import ProviderSettings, Trainer

__version__ = "0.1.0"
__all__ = ["__version__", "provider"]


def _open_trainer(settings: ProviderSettings) -> Trainer:
    from tuneport_azureml.adapter.trainer import AzureMLTrainer

    return AzureMLTrainer(settings)


provider = Provider(
    name="azureml",
    summary="Azure Machine Learning: models of its registries, tuned on serverless or named GPUs of a workspace.",
    open_trainer=_open_trainer,
    version=__version__,
)
