"""Every field that the emulator answers with is one that azure-ai-ml's REST models know."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tuneport_azureml.emulator import COMPUTE

from .azureml_stage import DAY, Stage, recipe, staged

pytest.importorskip("azure.ai.ml", reason="azure-ai-ml is not installed: pip install azure-ai-ml==1.35.2")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the SDK and what it imports
NAME = "a" * 32


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        trainer = stage.trainer(compute=COMPUTE)
        plan = trainer.plan(recipe(job_tier="spot", description="x"))
        trainer.create(plan, NAME, {file.purpose: trainer.upload(file) for file in plan.files})
        stage.clock.sleep(DAY)
        yield stage


def known(model: Any) -> set[str]:
    """The wire names of a model's fields."""
    model({})  # the fields are gathered when the first one is made
    return {field._rest_name for field in model._attr_to_rest_field.values()}


def test_a_job_is_told_in_fields_that_the_sdk_knows(stage: Stage) -> None:
    from azure.ai.ml._restclient.arm_ml_service import models

    row = stage.trainer()._connection.arm("GET", f"/jobs/{NAME}", doing="x")
    properties = row["properties"]
    assert set(row) <= known(models.JobBase)
    assert set(properties) <= known(models.FineTuningJob)
    assert set(properties["fineTuningDetails"]) <= known(models.CustomModelFineTuning)
    assert set(properties["outputs"]["registered_model"]) <= known(models.MLFlowModelJobOutput) | {"assetVersion"}
    assert set(row["systemData"]) <= known(models.SystemData)


@pytest.mark.parametrize(
    ("path", "outer", "inner"),
    [
        ("/datastores/workspaceblobstore", "Datastore", "AzureBlobDatastore"),
        (f"/models/tuneport-{NAME}/versions/1", "ModelVersion", "ModelVersionProperties"),
    ],
)
def test_other_resources_are_told_in_fields_that_the_sdk_knows(stage: Stage, path: str, outer: str, inner: str) -> None:
    from azure.ai.ml._restclient.arm_ml_service import models

    row = stage.trainer()._connection.arm("GET", path, doing="x")
    assert set(row) <= known(getattr(models, outer))
    assert set(row["properties"]) <= known(getattr(models, inner))


def test_models_by_name_endpoints_and_keys_are_told_in_fields_that_the_sdk_knows(stage: Stage) -> None:
    from azure.ai.ml._restclient.arm_ml_service import models
    from tuneport_azureml.adapter.server import AzureMLServer

    connection, name = stage.trainer()._connection, f"tuneport-{NAME}"
    container = connection.arm("GET", f"/models/{name}", doing="x")
    assert set(container) <= known(models.ModelContainer)
    assert set(container["properties"]) <= known(models.ModelContainerProperties)
    trainer = stage.trainer()
    plan = trainer.plan(recipe(about="parcel"))
    trainer.create(plan, "served", {file.purpose: trainer.upload(file) for file in plan.files})
    stage.clock.sleep(DAY)
    server = AzureMLServer(stage.settings())
    own = server.deploy(server.model("served"), options={"name": "cards"}).id
    stage.clock.sleep(DAY)
    row = connection.arm("GET", f"/{own}", doing="x")
    properties = row["properties"]
    assert set(row) <= known(models.ServerlessEndpoint)
    assert set(properties) <= known(models.ServerlessEndpointProperties)
    assert set(properties["inferenceEndpoint"]) <= known(models.ServerlessInferenceEndpoint)
    assert set(connection.arm("POST", f"/{own}/listKeys", doing="x")) <= known(models.EndpointAuthKeys)
    assert properties["provisioningState"] in {str(each.value) for each in models.EndpointProvisioningState}
    assert properties["endpointState"] in {str(each.value) for each in models.ServerlessEndpointState}


def test_online_endpoints_and_their_machines_are_told_in_fields_that_the_sdk_knows(stage: Stage) -> None:
    from azure.ai.ml._restclient.arm_ml_service import models
    from tuneport_azureml.adapter.server import AzureMLServer

    server, connection = AzureMLServer(stage.settings()), stage.trainer()._connection
    own = server.deploy(server.model(NAME), options={"name": "cards"}).id
    stage.clock.sleep(DAY)
    row, machines = (connection.arm("GET", path, doing="x") for path in (f"/{own}", f"/{own}/deployments/tuned"))
    assert set(row) <= known(models.OnlineEndpoint)
    assert set(row["properties"]) <= known(models.OnlineEndpointProperties)
    assert set(machines) <= known(models.OnlineDeployment)
    assert set(machines["properties"]) <= known(models.ManagedOnlineDeployment)


def test_every_word_for_an_endpoint_and_its_machines_is_mapped() -> None:
    from azure.ai.ml._restclient.arm_ml_service.models import DeploymentProvisioningState, EndpointProvisioningState
    from tuneport_azureml.wire.endpoints import PHASES
    from tuneport_azureml.wire.online import STATES

    assert set(PHASES) == {str(each.value).casefold() for each in EndpointProvisioningState}
    assert set(STATES) == {str(each.value).casefold() for each in DeploymentProvisioningState}


def test_data_are_told_in_fields_that_the_sdk_knows(stage: Stage) -> None:
    from azure.ai.ml._restclient.arm_ml_service import models

    name = next(iter(stage.emulator.world.assets))[0]
    row = stage.trainer()._connection.arm("GET", f"/data/{name}/versions/1", doing="x")
    assert set(row) <= known(models.DataVersionBase)
    assert set(row["properties"]) <= known(models.UriFileDataVersion)


def test_the_region_is_told_in_fields_that_the_sdk_knows(stage: Stage) -> None:
    from azure.ai.ml._restclient.arm_ml_service import models

    trainer = stage.trainer()
    where = f"/subscriptions/{trainer._place.subscription}/providers/Microsoft.MachineLearningServices/locations/westeurope"
    size = next(trainer._connection.rows(f"{where}/vmSizes", doing="x"))[0]
    usage = next(trainer._connection.rows(f"{where}/usages", doing="x"))[0]
    assert set(size) <= known(models.VirtualMachineSize)
    assert set(size["estimatedVMPrices"]) <= known(models.EstimatedVMPrices)
    assert set(size["estimatedVMPrices"]["values"][0]) <= known(models.EstimatedVMPrice)
    assert set(usage) <= known(models.Usage)


def test_runs_are_told_in_fields_that_the_sdk_knows(stage: Stage) -> None:
    from azure.ai.ml._restclient.runhistory import models

    row = stage.trainer()._connection.api(f"history/v1.0//runs/{NAME}/details", doing="x")
    assert set(row) <= known(models.RunDetails)


def test_the_words_of_the_emulator_are_the_sdks(stage: Stage) -> None:
    from azure.ai.ml._restclient.arm_ml_service.models import JobStatus
    from tuneport_azureml.emulator import Course

    words = {word for word, _ in Course().phases()} | {"Completed", "Failed", "Canceled", "CancelRequested"}
    assert words <= {str(each.value) for each in JobStatus}
