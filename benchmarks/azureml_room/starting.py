"""What starting costs where Azure ML's provider is installed: azure-ai-ml takes one to two seconds to import, and is never needed."""

from __future__ import annotations

from benchmarks.data_room.verdict import Outcome
from benchmarks.provider_room.setting import Setting
from benchmarks.provider_room.starts import started

SDKS = ("azure.core", "azure.identity", "azure.storage.blob", "azure.ai.ml", "requests")
SUBSCRIPTION = "11111111-2222-4333-8444-555555555555"


def start(setting: Setting) -> Outcome:
    """The import, and a list of jobs with nobody at their address."""
    environ = {
        "AZUREML_DEV_URL_MFE": "http://127.0.0.1:9",
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
        "AZURE_RESOURCE_GROUP": "tuning",
        "AZUREML_WORKSPACE_NAME": "contoso-ml",
        "AZURE_MANAGEMENT_TOKEN": "nobody",
    }
    scope = f"{SUBSCRIPTION}/tuning/contoso-ml"
    return started(setting, provider="azureml", sdks=SDKS, scope=scope, job="job-{}", environ=environ)
