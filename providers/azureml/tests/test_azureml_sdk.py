"""The emulator as azure-ai-ml 1.35 sees it, and our bodies and requests beside the ones that it makes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from tuneport_azureml.emulator import COMPUTE, GROUP, WORKSPACE, Habits, Serving
from tuneport_azureml.wire.names import data_id
from tuneport_azureml.wire.plans import asked, create_body, to_plan
from tuneport_azureml.wire.states import STATES, job_state

from tuneport.dataset import Dataset
from tuneport.examples import ChatExample, Message
from tuneport.job import JobState
from tuneport.recipe import Classify, Recipe
from tuneport.registry import JobRegistry
from tuneport.submit import Desk, submit

from .azureml_sdk import entity, ml_client, wire
from .azureml_served import served
from .azureml_stage import BERT, GPT, Stage, chats, labelled, recipe, staged

pytest.importorskip("azure.ai.ml", reason="azure-ai-ml is not installed: pip install azure-ai-ml==1.35.2")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the SDK and what it imports


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


def body_of(stage: Stage, chosen: Recipe, **profile: Any) -> dict[str, Any]:
    place = stage.trainer(**profile)._place
    plan = to_plan(asked(chosen, place=place))
    files = {file.purpose: data_id(place, f"tuneport-{file.sha256[:32]}") for file in plan.files}
    return create_body(plan, client_id="0123456789abcdef", files=files)


def asked_about() -> Recipe:
    """Questions about a context, with answers that stand there."""
    rows = [
        ChatExample((Message("system", f"Card {n} is lost."), Message("user", "Which?"), Message("assistant", f"Card {n}")))
        for n in range(12)
    ]
    return recipe(task="question_answering").model_copy(update={"train": Dataset.from_examples(rows, name="questions")})


RECIPES = {
    "own machines": (recipe(), {}),
    "instance types": (recipe(instance_types=["Standard_NC24ads_A100_v4"], job_tier="spot", description="a test"), {}),
    "compute": (recipe(hyperparameters={"max_steps": "10"}), {"compute": COMPUTE}),
    "validated": (recipe().model_copy(update={"validation": chats(10, about="parcel"), "suffix": "cards"}), {"job_tier": "premium"}),
    "summarization": (recipe(task="summarization", tags={"team": "support"}), {}),
    "question answering": (asked_about(), {}),
    "classification": (Recipe(base=BERT, train=labelled(), method=Classify(epochs=3)), {"compute": COMPUTE}),
    "azure openai": (recipe(GPT), {}),
}


@pytest.mark.parametrize("name", RECIPES)
def test_what_is_sent_is_what_the_sdks_own_job_entity_makes(stage: Stage, name: str) -> None:
    chosen, profile = RECIPES[name]
    body = body_of(stage, chosen, **profile)
    assert wire(entity(body, "0123456789abcdef")) == body


def test_every_status_of_the_sdk_is_mapped_and_only_true_ends_are_ends() -> None:
    from azure.ai.ml.operations._run_history_constants import RunHistoryConstants

    assert set(STATES) == set(RunHistoryConstants.ALL_STATUSES)
    ours = {word for word in STATES if job_state(word).terminal}
    assert set(RunHistoryConstants.TERMINAL_STATUSES) - ours == {"Paused", "NotResponding"}


def test_the_unmodified_client_drives_a_job_from_its_data_to_its_end(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = stage.trainer()
    plan = trainer.plan(recipe())
    files = {file.purpose: trainer.upload(file) for file in plan.files}
    with ml_client(stage.emulator, monkeypatch) as client:
        job = client.jobs.create_or_update(entity(create_body(plan, client_id="by-the-sdk", files=files), "by-the-sdk"))
        assert str(job.status.value if hasattr(job.status, "value") else job.status) == "NotStarted"
        assert [each.name for each in client.jobs.list()] == ["by-the-sdk"]
        stage.clock.sleep(600)
        client.jobs.begin_cancel("by-the-sdk").wait()
        stage.clock.sleep(600)
        assert client.jobs._runs_operations.get_run_details("by-the-sdk").status == "Canceled"
        assert client.data.get(files["train"].split("/")[-3], version="1").tags["tuneport_sha256"] == plan.files[0].sha256
        assert client.workspaces.get(WORKSPACE).location == "westeurope"
        assert client.compute.get(COMPUTE).size.startswith("Standard_NC")
    assert trainer.fetch(["by-the-sdk"])["by-the-sdk"].state is JobState.CANCELLED


def test_a_second_put_of_the_sdk_changes_a_job_and_ours_never_sends_one(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = stage.trainer()
    plan = trainer.plan(recipe())
    files = {file.purpose: trainer.upload(file) for file in plan.files}
    trainer.create(plan, "one", files)
    trainer.create(plan, "one", files)
    assert stage.job("one").puts == 1
    with ml_client(stage.emulator, monkeypatch) as client:
        client.jobs.create_or_update(entity(create_body(plan, client_id="one", files=files), "one"))
    assert stage.job("one").puts == 2


def test_a_submit_makes_at_most_two_requests_more_than_the_bare_sdk(stage: Stage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    log = stage.emulator.log
    trainer = stage.trainer()
    plan = trainer.plan(recipe())
    with JobRegistry(stage.home, clock=stage.clock) as registry:
        submit(plan, desk=Desk(provider="azureml", trainer=trainer, registry=registry, clock=stage.clock))
    ours = log.count()
    with ml_client(stage.emulator, monkeypatch) as client:
        from azure.ai.ml._artifacts._artifact_utilities import get_datastore_info
        from azure.ai.ml._utils._storage_utils import get_storage_client
        from azure.ai.ml.entities import Data

        log.clear()
        rows = tmp_path / "rows.jsonl"
        rows.write_bytes(b"".join(plan.files[0].chunks()))
        address = f"{stage.emulator.url}/{stage.emulator.world.account}"
        store = get_storage_client(**get_datastore_info(client.datastores, "workspaceblobstore", account_url=address))
        sent = store.upload(str(rows), name="rows", version="1", asset_hash="0a1b", show_progress=False)
        place = trainer._place
        where = f"azureml://subscriptions/{place.subscription}/resourcegroups/{place.group}/workspaces/{place.workspace}"
        path = f"{where}/datastores/workspaceblobstore/paths/{sent['remote path']}"
        data = client.data.create_or_update(Data(name="rows", version="1", type="uri_file", path=path))
        body = create_body(plan, client_id="bare", files={"train": data.id})
        client.jobs.create_or_update(entity(body, "bare"))
    bare = log.count()
    assert ours <= bare + 2, f"{ours} requests, and the bare SDK makes {bare}"


def test_the_sdk_writes_the_remote_of_the_folder_on_its_jobs_and_we_do_not(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = stage.trainer()
    plan = trainer.plan(recipe())
    files = {file.purpose: trainer.upload(file) for file in plan.files}
    trainer.create(plan, "ours", files)
    assert stage.job("ours").properties["properties"] == {}
    assert "azure.ai.ml" in sys.modules  # of the other tests here; whoever only submits never loads it: test_azureml_trainer.py


def test_the_unmodified_client_lists_models_fetches_and_archives_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path, habits=Habits(page=1)) as stage:
        model = stage.tuned()
        name = model.id.split("/")[1]
        other = stage.tuned(recipe(about="parcel"), name="job-2").id.split("/")[1]
        with ml_client(stage.emulator, monkeypatch) as client:
            assert {each.name for each in client.models.list()} == {name, other}
            found = client.models.get(name=name, version="1")
            assert (found.job_name, found.type, found.path) == ("job-1", "mlflow_model", model.details["model_uri"])
            assert [each.version for each in client.models.list(name=name)] == ["1"]
            client.models.archive(name=name)
            assert [each.name for each in client.models.list()] == [other]
            assert [each.id for each in stage.server().models()] == [f"models/{other}/versions/1"]
            client.models.restore(name=name)
            client.models.archive(name=other, version="1")
            assert [each.version for each in client.models.list(name=other)] == []
        assert [each.id for each in stage.server().models()] == [f"models/{other}/versions/1", model.id]


def test_the_unmodified_client_drives_a_serverless_endpoint_from_its_making_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    with served(tmp_path, serving=Serving(creating_s=0, deleting_s=0, deaf_s=0)) as stage:
        model, server = stage.tuned(), stage.server()
        plan = server.deployment_plan(model, options={"name": "cards"})
        body = dict(plan.requests[0].body)
        served_by = body["properties"]["modelSettings"]["modelId"]
        with ml_client(stage.emulator, monkeypatch) as client:
            from azure.ai.ml.entities import ServerlessEndpoint

            endpoint = ServerlessEndpoint(name="cards", model_id=served_by, tags=body["tags"])
            made = client.serverless_endpoints.begin_create_or_update(endpoint).result()
            assert (made.provisioning_state, made.model_id, made.location) == ("succeeded", served_by, "westeurope")
            assert wire_of(endpoint) == {**body, "properties": {"modelSettings": {"modelId": served_by}}}
            assert [each.name for each in client.serverless_endpoints.list()] == ["cards"]
            assert server.deployments()[0].model == model.id
            keys = client.serverless_endpoints.get_keys("cards")
            asked = {"messages": [{"role": "user", "content": "My card number 3 is blocked"}], "max_tokens": 1024}
            url = f"{client.serverless_endpoints.get('cards').scoring_uri}/v1/chat/completions"
            for header in (keys.primary_key, f"Bearer {keys.secondary_key}"):
                answer = requests.post(url, json=asked, headers={"Authorization": header}, timeout=10)
                assert answer.json()["choices"][0]["message"]["content"] == "It is blocked"
            with pytest.raises(HttpResponseError, match="already"):
                client.serverless_endpoints.begin_create_or_update(ServerlessEndpoint(name="second", model_id=served_by))
            client.serverless_endpoints.begin_delete("cards").result()
            with pytest.raises(ResourceNotFoundError):
                client.serverless_endpoints.get("cards")
        assert server.deployments() == []


def wire_of(endpoint: Any) -> Any:
    """What the SDK sends of an endpoint."""
    import json

    from azure.ai.ml._restclient.arm_ml_service._utils.model_base import SdkJSONEncoder

    return json.loads(json.dumps(endpoint._to_rest_object(), cls=SdkJSONEncoder, exclude_readonly=True))


def test_the_unmodified_client_hides_a_job_and_deletes_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with served(tmp_path) as stage:
        stage.made()
        with ml_client(stage.emulator, monkeypatch) as client:
            client.jobs.archive("job-1")
            assert list(client.jobs.list()) == []
            assert [each.provider_id for each in stage.trainer().list()] == ["job-1"]
            client.jobs.restore("job-1")
            assert [each.name for each in client.jobs.list()] == ["job-1"]
            client.jobs.begin_delete("job-1").wait()
        assert stage.trainer().fetch(["job-1"]) == {}


def test_the_unmodified_client_drives_a_managed_online_endpoint_and_its_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

    with served(tmp_path, serving=Serving(endpoint_s=0, creating_s=0, deleting_s=0, deaf_s=0)) as stage:
        model, server = stage.tuned(compute=COMPUTE), stage.server()
        plan = server.deployment_plan(model, options={"name": "cards"})
        with ml_client(stage.emulator, monkeypatch) as client:
            from azure.ai.ml.entities import ManagedOnlineDeployment, ManagedOnlineEndpoint, OnlineRequestSettings, ProbeSettings

            endpoint = ManagedOnlineEndpoint(name="cards", auth_mode="key", tags=plan.requests[0].body["tags"])
            assert bare(wire_of_rest(endpoint._to_rest_online_endpoint("westeurope"))) == plan.requests[0].body
            made = client.online_endpoints.begin_create_or_update(endpoint).result()
            assert (made.provisioning_state, made.scoring_uri) == ("Succeeded", f"{stage.emulator.url}/online/cards/score")
            deployment = ManagedOnlineDeployment(
                name="tuned",
                endpoint_name="cards",
                model=plan.requests[1].body["properties"]["model"],
                instance_type="Standard_NC24ads_A100_v4",
                instance_count=1,
                liveness_probe=ProbeSettings(initial_delay=600),
                request_settings=OnlineRequestSettings(request_timeout_ms=90_000),
                tags=plan.requests[1].body["tags"],
            )
            said = bare(wire_of_rest(deployment._to_rest_object("westeurope")))
            ours = plan.requests[1].body
            assert {**said, "properties": {key: said["properties"][key] for key in ours["properties"]}} == with_all_defaults(ours, said)
            client.online_deployments._online_deployment.begin_create_or_update(
                GROUP, WORKSPACE, "cards", "tuned", deployment._to_rest_object("westeurope")
            ).result()
            assert [each.name for each in client.online_endpoints.list()] == ["cards"]
            assert client.online_deployments.get("tuned", "cards").instance_type == "Standard_NC24ads_A100_v4"
            assert server.deployments()[0].model == model.id
            key = client.online_endpoints.get_keys("cards").primary_key
            asked = {"input_data": {"input_string": [{"role": "user", "content": "My card number 3 is blocked"}]}}
            headers = {"Authorization": f"Bearer {key}", "azureml-model-deployment": "tuned"}
            assert requests.post(made.scoring_uri, json=asked, headers=headers, timeout=10).json() == {"output": "It is blocked"}
            assert requests.post(made.scoring_uri, json=asked, headers={"Authorization": f"Bearer {key}"}, timeout=10).status_code == 404
            other = {**ours, "properties": {**ours["properties"], "instanceType": "Standard_Nothing"}}
            with pytest.raises(HttpResponseError, match="instance type"):
                client.online_deployments._online_deployment.begin_create_or_update(GROUP, WORKSPACE, "cards", "more", other)
            client.online_endpoints.begin_delete("cards").result()
            with pytest.raises(ResourceNotFoundError):
                client.online_endpoints.get("cards")
        assert server.deployments() == []


def wire_of_rest(rest: Any) -> Any:
    import json

    from azure.ai.ml._restclient.arm_ml_service._utils.model_base import SdkJSONEncoder

    return json.loads(json.dumps(rest, cls=SdkJSONEncoder, exclude_readonly=True))


def bare(body: dict[str, Any]) -> dict[str, Any]:
    """Without what is null or empty."""
    found = {key: bare(value) if isinstance(value, dict) else value for key, value in body.items()}
    return {key: value for key, value in found.items() if value not in (None, {})}


def with_all_defaults(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """Our body with what the SDK adds to the settings that we set: its own defaults of probes and requests."""
    properties = dict(ours["properties"])
    for name in ("livenessProbe", "requestSettings"):
        properties[name] = {**theirs["properties"][name], **ours["properties"][name]}
    return {**ours, "properties": properties}
