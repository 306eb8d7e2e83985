"""A rehearsal stage: Azure OpenAI's fine-tuning on loopback, data plane and management plane, written from the documentation.

    python -m tuneport_azure.emulator --port 8398

It accepts what the vendor accepts and refuses the rest in the vendor's words, its drift from OpenAI included. It knows nothing of
Tuneport's adapter.
"""

from __future__ import annotations

from tuneport_azure.emulator.bases import AzureBase
from tuneport_azure.emulator.courses import AT_ONCE, AzureCourse, DeploymentCourse
from tuneport_azure.emulator.habits import AzureHabits
from tuneport_azure.emulator.platform import AzureEmulator
from tuneport_azure.emulator.resources import UNLIMITED, Quotas, Resource

__all__ = [
    "AT_ONCE",
    "UNLIMITED",
    "AzureBase",
    "AzureCourse",
    "AzureEmulator",
    "AzureHabits",
    "DeploymentCourse",
    "Quotas",
    "Resource",
]
