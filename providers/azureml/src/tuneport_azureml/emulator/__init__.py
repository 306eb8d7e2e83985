"""Azure Machine Learning on this machine: fine-tuning jobs, data, blob storage, run history and MLflow, small, stateful and strict.

Written from the REST models of azure-ai-ml 1.35.2 and azure-storage-blob 12.31.1. It knows nothing of the adapter.
"""

from __future__ import annotations

from tuneport_azureml.emulator.courses import Course
from tuneport_azureml.emulator.habits import Habits
from tuneport_azureml.emulator.machines import Container, Machines
from tuneport_azureml.emulator.platform import COMPUTE, GROUP, START, SUBSCRIPTION, WORKSPACE, AzureMLEmulator
from tuneport_azureml.emulator.shelf import Serving

__all__ = [
    "COMPUTE",
    "GROUP",
    "START",
    "SUBSCRIPTION",
    "WORKSPACE",
    "AzureMLEmulator",
    "Container",
    "Course",
    "Habits",
    "Machines",
    "Serving",
]
