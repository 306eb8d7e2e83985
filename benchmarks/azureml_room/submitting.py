"""`Client.submit` against the calls of azure-ai-ml that it cannot do without: datastore, upload, data asset, job."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.data_room.verdict import Outcome
from benchmarks.provider_room.process import Platform, platform
from benchmarks.provider_room.setting import Setting
from benchmarks.provider_room.turns import EPOCHS, in_turns

if TYPE_CHECKING:
    from tuneport.client import Client

BASE = "Phi-3-mini-4k-instruct"
ASSET = f"azureml://registries/azureml/models/{BASE}/versions/14"
DATASTORE = "workspaceblobstore"


def submit(setting: Setting) -> Outcome:
    """Both in turns, each on a file that the platform has not seen."""
    with platform("benchmarks.azureml_room.platform") as there:
        ours, bare = _client(there, setting.folder / "home"), _SDK(there)
        try:
            return in_turns(setting, {"ours": lambda path: _submit(ours, path), "bare": bare.submit}, requests=there.requests)
        finally:
            ours.close()


def _submit(client: Client, path: Path) -> None:
    from tuneport.dataset import Dataset
    from tuneport.recipe import SFT, Recipe

    client.submit(Recipe(base=BASE, train=Dataset.read(path), method=SFT(epochs=EPOCHS)), provider="azureml")


class _SDK:
    """The MLClient, as its documentation has it. It takes the address of blob storage from a table of clouds, and here from us."""

    def __init__(self, there: Platform) -> None:
        import logging
        import warnings

        os.environ |= there.environ
        os.environ["AZUREML_CURRENT_CLOUD"] = "AzureCloud"
        warnings.simplefilter("ignore")
        from azure.ai.ml import MLClient
        from azure.core.credentials import AccessToken
        from azure.core.pipeline.policies import BearerTokenCredentialPolicy

        logging.getLogger("azure.ai.ml").setLevel(logging.CRITICAL)  # that tuning is experimental
        given = there.environ

        class Known:
            def get_token(self, *scopes: str, **options: Any) -> AccessToken:
                return AccessToken(given["AZURE_MANAGEMENT_TOKEN"], 4_000_000_000)

        class OnLoopback(BearerTokenCredentialPolicy):
            def on_request(self, request: Any) -> None:
                request.context.options["enforce_https"] = False
                super().on_request(request)

        place = (given["AZURE_SUBSCRIPTION_ID"], given["AZURE_RESOURCE_GROUP"], given["AZUREML_WORKSPACE_NAME"])
        self._where = "azureml://subscriptions/{}/resourcegroups/{}/workspaces/{}".format(*place)
        self._url = given["AZUREML_DEV_URL_MFE"]
        policy = OnLoopback(Known(), "https://management.azure.com/.default")
        self._client: Any = MLClient(Known(), *place, authentication_policy=policy, show_progress=False, enable_telemetry=False)

    def submit(self, path: Path) -> None:
        from azure.ai.ml import Input, Output
        from azure.ai.ml._artifacts._artifact_utilities import get_datastore_info
        from azure.ai.ml._utils._storage_utils import get_storage_client
        from azure.ai.ml.entities import Data
        from azure.ai.ml.entities._job.finetuning.custom_model_finetuning_job import CustomModelFineTuningJob

        found = get_datastore_info(self._client.datastores, DATASTORE)
        store = get_storage_client(**found | {"account_url": f"{self._url}/{found['storage_account']}"})
        sent = store.upload(str(path), name=path.stem, version="1", asset_hash=path.stem, show_progress=False)
        uri = f"{self._where}/datastores/{DATASTORE}/paths/{sent['remote path']}"
        data = self._client.data.create_or_update(Data(name=path.stem, version="1", type="uri_file", path=uri))
        job = CustomModelFineTuningJob(
            name=path.stem,
            task="ChatCompletion",
            model=Input(type="mlflow_model", path=ASSET),
            training_data=Input(type="uri_file", path=data.id),
            hyperparameters={"num_train_epochs": str(EPOCHS)},
            outputs={"registered_model": Output(type="mlflow_model", name=f"tuned-{path.stem}")},
        )
        self._client.jobs.create_or_update(job)


def _client(there: Platform, home: Path) -> Client:
    """The clock stands where the platform's does."""
    from tuneport_azureml.emulator import START

    from tuneport.client import Client
    from tuneport.settings import load_settings
    from tuneport.testing.clock import SimulatedClock

    return Client(settings=load_settings(home=home, environ=there.environ, folder=home.parent), clock=SimulatedClock(START))
