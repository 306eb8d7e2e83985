"""Microsoft's own, unmodified MLClient on the emulated workspace. It is no development requirement: tests skip without it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from tuneport_azureml.emulator import GROUP, SUBSCRIPTION, WORKSPACE, AzureMLEmulator

SCOPE = "https://management.azure.com/.default"


class Known:
    """A credential that has its token already."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        return AccessToken(self._token, 4_000_000_000)


class OnLoopback(BearerTokenCredentialPolicy):
    """Signs requests over plain HTTP, which the SDK only does for some of its calls."""

    def on_request(self, request: Any) -> None:
        request.context.options["enforce_https"] = False
        super().on_request(request)


@contextmanager
def ml_client(emulator: AzureMLEmulator, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A client of the workspace, without retries."""
    monkeypatch.setenv("AZUREML_DEV_URL_MFE", emulator.url)
    monkeypatch.setenv("AZUREML_CURRENT_CLOUD", "AzureCloud")
    from azure.ai.ml import MLClient

    logging.getLogger("azure.ai.ml").setLevel(logging.ERROR)
    known = Known(emulator.token())
    yield MLClient(
        known,
        SUBSCRIPTION,
        GROUP,
        WORKSPACE,
        authentication_policy=OnLoopback(known, SCOPE),
        retry_total=0,
        show_progress=False,
        enable_telemetry=False,
    )


def entity(body: dict[str, Any], name: str) -> Any:
    """The job entity that says what a body of ours says."""
    from azure.ai.ml import Input, Output
    from azure.ai.ml.entities import JobResources, QueueSettings
    from azure.ai.ml.entities._job.finetuning.azure_openai_finetuning_job import AzureOpenAIFineTuningJob
    from azure.ai.ml.entities._job.finetuning.azure_openai_hyperparameters import AzureOpenAIHyperparameters
    from azure.ai.ml.entities._job.finetuning.custom_model_finetuning_job import CustomModelFineTuningJob

    said = body["properties"]
    details = said["fineTuningDetails"]
    values = details.get("hyperParameters")
    custom = details["modelProvider"] == "Custom"
    names = {"nEpochs": "n_epochs", "batchSize": "batch_size", "learningRateMultiplier": "learning_rate_multiplier"}
    more: dict[str, Any] = {}
    if custom:
        more = {
            "compute": said.get("computeId"),
            "resources": JobResources(instance_types=said["resources"]["instanceTypes"]) if "resources" in said else None,
            "queue_settings": QueueSettings(job_tier=said["queueSettings"]["jobTier"].lower()) if "queueSettings" in said else None,
        }
    else:
        values = AzureOpenAIHyperparameters(**{names[key]: value for key, value in values.items()})
    validation = details.get("validationData")
    return (CustomModelFineTuningJob if custom else AzureOpenAIFineTuningJob)(
        name=name,
        display_name=said["displayName"],
        description=said.get("description"),
        experiment_name=said["experimentName"],
        tags=said["tags"],
        properties=said["properties"],
        task=details["taskType"],
        model=Input(type="mlflow_model", path=details["model"]["uri"]),
        training_data=Input(type="uri_file", path=details["trainingData"]["uri"]),
        validation_data=None if validation is None else Input(type="uri_file", path=validation["uri"]),
        hyperparameters=values,
        outputs={"registered_model": Output(type="mlflow_model", name=said["outputs"]["registered_model"]["assetName"])},
        **more,
    )


def wire(job: Any) -> Any:
    """What the SDK sends of a job entity."""
    import json

    from azure.ai.ml._restclient.arm_ml_service._utils.model_base import SdkJSONEncoder

    return json.loads(json.dumps(job._to_rest_object(), cls=SdkJSONEncoder, exclude_readonly=True))
