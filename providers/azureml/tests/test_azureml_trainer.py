"""What is special about Azure ML's trainer: jobs named by the client, data by their bytes, and every way in which a workspace says no."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tuneport_azureml.adapter import sending_blobs
from tuneport_azureml.emulator import COMPUTE, Course, Habits
from tuneport_azureml.wire.names import data_name

from tuneport.errors import Ambiguous, CredentialsRefused, NotFound, QuotaExceeded, Refused, TuneportError, Unreachable
from tuneport.job import JobState
from tuneport.plan import Plan, PlannedFile
from tuneport.recipe import Classify, Recipe
from tuneport.testing.emulator.faults import MissingField, RateLimited, Reset, ServerError, SlowBody, UnknownWord

from .azureml_stage import BERT, DAY, GET_JOB, PUT_BLOB, PUT_DATA, PUT_JOB, Identity, Stage, labelled, recipe, staged

NAME = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


def uploaded(trainer: Any, plan: Plan) -> dict[str, str]:
    return {file.purpose: trainer.find_file(file) or trainer.upload(file) for file in plan.files}


def begun(stage: Stage, trainer: Any = None, *, chosen: Recipe | None = None, name: str = NAME) -> Any:
    trainer = trainer or stage.trainer()
    plan = trainer.plan(chosen or recipe())
    return trainer.create(plan, name, uploaded(trainer, plan))


# --- named by the client ----------------------------------------------------------------------------------------------------------------


def test_a_job_goes_by_our_own_id_and_the_studio_shows_what_it_is(stage: Stage) -> None:
    job = begun(stage, chosen=recipe(tags={"team": "support"}, experiment="cards", description="of November"))
    said = stage.job(NAME).properties
    assert job.provider_id == job.client_id == NAME
    assert (said["experimentName"], said["description"], said["tags"]["team"]) == ("cards", "of November", "support")
    assert said["tags"]["tuneport_plan"] == job.plan_fingerprint


def test_a_create_looks_first_puts_once_and_reads_back(stage: Stage) -> None:
    trainer = stage.trainer()
    plan = trainer.plan(recipe())
    files = uploaded(trainer, plan)
    stage.emulator.log.clear()
    trainer.create(plan, NAME, files)
    assert [each.method for each in stage.emulator.log] == ["GET", "PUT", "GET"]


def test_a_job_that_is_there_already_is_given_and_not_put_again(stage: Stage) -> None:
    begun(stage)
    stage.clock.sleep(600)
    assert begun(stage).state is JobState.RUNNING
    assert stage.job(NAME).puts == 1


def test_a_job_of_that_name_and_another_plan_is_left_as_it_is(stage: Stage) -> None:
    begun(stage)
    with pytest.raises(Refused, match="another plan"):
        begun(stage, chosen=recipe(about="parcel"))
    assert stage.job(NAME).properties == stage.job(NAME).first


def test_a_lost_answer_leads_to_the_one_job(stage: Stage) -> None:
    trainer = stage.trainer()
    plan = trainer.plan(recipe())
    files = uploaded(trainer, plan)
    stage.emulator.faults.once(Reset(after_effect=True), on=PUT_JOB)
    with pytest.raises(Ambiguous):
        trainer.create(plan, NAME, files)
    found = trainer.find(NAME, plan)
    assert found is not None
    assert (found.provider_id, found.plan_fingerprint, stage.job(NAME).puts) == (NAME, plan.fingerprint, 1)


def test_a_job_that_somebody_made_without_tuneport_is_listed_and_adopted_by_nobody(stage: Stage) -> None:
    trainer = stage.trainer()
    plan = trainer.plan(recipe())
    begun(stage, trainer)
    del stage.job(NAME).properties["tags"]["tuneport_client_id"]
    assert trainer.find(NAME, plan) is None
    assert [(each.provider_id, each.client_id) for each in trainer.list()] == [(NAME, None)]


# --- states -----------------------------------------------------------------------------------------------------------------------------


def test_a_run_that_pauses_and_one_that_is_silent_go_on_to_their_end(tmp_path: Path) -> None:
    with staged(tmp_path, course=Course(paused_s=600, silent_s=600)) as stage:
        trainer = stage.trainer()
        begun(stage, trainer)
        seen = []
        for _ in range(60):
            stage.clock.sleep(60)
            seen.append(trainer.fetch([NAME])[NAME].state)
    order = [JobState.RUNNING, JobState.PAUSED, JobState.UNKNOWN, JobState.FINALIZING, JobState.SUCCEEDED]
    assert [state for state in dict.fromkeys(seen) if state in order] == order


def test_a_job_that_fails_keeps_the_services_reason_and_the_time_of_its_end(tmp_path: Path) -> None:
    with staged(tmp_path, course=Course(ends="Failed", error="CUDA out of memory.")) as stage:
        trainer = stage.trainer()
        begun(stage, trainer)
        stage.clock.sleep(DAY)
        job = trainer.fetch([NAME])[NAME]
        events = list(trainer.events(NAME))
    assert (job.state, job.error) == (JobState.FAILED, "CUDA out of memory.")
    assert job.finished_at is not None
    assert (events[-1].level, "out of memory" in events[-1].message) == ("error", True)


def test_rows_that_the_task_does_not_take_end_the_job_with_their_line(stage: Stage) -> None:
    trainer = stage.trainer()
    plan = trainer.plan(recipe())
    files = uploaded(trainer, plan)
    world = stage.emulator.world
    path = next(iter(world.blobs))
    world.blobs[path] = world.store.write([b'{"messages": []}\n'])
    trainer.create(plan, NAME, files)
    stage.clock.sleep(DAY)
    job = trainer.fetch([NAME])[NAME]
    assert (job.state, job.error) == (JobState.FAILED, "Line 1 of the training data: it has no messages.")


def test_a_role_that_may_not_see_the_run_history_still_learns_the_state(stage: Stage) -> None:
    trainer = stage.trainer()
    begun(stage, trainer)
    stage.clock.sleep(DAY)
    stage.emulator.world.habits = Habits(history_lag_s=10 * DAY)
    job = trainer.fetch([NAME])[NAME]
    assert (job.state, job.finished_at) == (JobState.SUCCEEDED, None)


def test_a_new_word_and_a_missing_field_are_no_ends(stage: Stage) -> None:
    trainer = stage.trainer()
    begun(stage, trainer)
    stage.emulator.faults.once(UnknownWord(), on=GET_JOB)
    found = trainer.find(NAME)
    assert found is not None
    assert (found.state, found.provider_state) == (JobState.UNKNOWN, "hibernating")
    stage.emulator.faults.once(MissingField("status"), on=GET_JOB)
    found = trainer.find(NAME)
    assert found is not None
    assert not found.state.terminal


def test_a_slow_answer_is_an_answer(stage: Stage) -> None:
    stage.emulator.faults.always(SlowBody(4, 0.001))
    assert begun(stage).state is JobState.CREATED


# --- cancelling -------------------------------------------------------------------------------------------------------------------------


def test_cancelling_twice_is_no_error_and_what_has_ended_is_refused(stage: Stage) -> None:
    trainer = stage.trainer()
    begun(stage, trainer)
    assert trainer.cancel(NAME).state is JobState.CANCELLING
    assert trainer.cancel(NAME).state is JobState.CANCELLING
    stage.clock.sleep(600)
    assert trainer.cancel(NAME).state is JobState.CANCELLED
    begun(stage, trainer, name="b" * 32)
    stage.clock.sleep(DAY)
    with pytest.raises(Refused, match="Completed"):
        trainer.cancel("b" * 32)


# --- what came of it --------------------------------------------------------------------------------------------------------------------


def test_metrics_come_from_mlflow_over_all_its_pages(stage: Stage) -> None:
    trainer = stage.trainer()
    begun(stage, trainer, chosen=recipe(rows=120))
    stage.clock.sleep(DAY)
    metrics = list(trainer.metrics(NAME))
    assert [each.step for each in metrics] == list(range(5, 241, 5))
    assert set(metrics[0].values) == {"loss", "learning_rate"}
    assert metrics[0].values["loss"] > metrics[-1].values["loss"]
    assert all(each.at is not None for each in metrics)


def test_a_job_that_has_measured_nothing_yet_has_no_metrics(stage: Stage) -> None:
    trainer = stage.trainer()
    begun(stage, trainer)
    assert list(trainer.metrics(NAME)) == []
    assert [each.id for each in trainer.events(NAME)] == ["created"]


def test_the_log_comes_as_events_while_the_job_runs(stage: Stage) -> None:
    trainer = stage.trainer()
    begun(stage, trainer)
    stage.clock.sleep(1200)
    early = [each.id for each in trainer.events(NAME)]
    stage.clock.sleep(DAY)
    later = list(trainer.events(NAME, early[-1]))
    assert any("loss" in each.message for each in later)
    assert later[-1].id == "ended"
    assert not {each.id for each in later} & set(early)


def test_the_result_is_the_registered_model_with_its_lineage(stage: Stage) -> None:
    trainer = stage.trainer()
    begun(stage, trainer, chosen=recipe().model_copy(update={"suffix": "cards"}))
    stage.clock.sleep(DAY)
    model = trainer.result(NAME)
    assert model.id == f"models/cards-{NAME}/versions/1"
    assert (model.base, model.job_uri) == ("Phi-3-mini-4k-instruct", f"azureml:{NAME}")
    assert model.details["model_type"] == "mlflow_model"
    assert model.created_at is not None


# --- data -------------------------------------------------------------------------------------------------------------------------------


def test_the_same_rows_are_sent_once(stage: Stage) -> None:
    begun(stage)
    stage.emulator.log.clear()
    begun(stage, name="b" * 32)
    assert stage.emulator.log.count(PUT_BLOB) == stage.emulator.log.count(PUT_DATA) == 0


def test_an_asset_that_says_other_bytes_is_not_used(stage: Stage) -> None:
    trainer = stage.trainer()
    file = trainer.plan(recipe()).files[0]
    trainer.upload(file)
    stage.emulator.world.assets[data_name(file), "1"].properties["tags"]["tuneport_sha256"] = "0" * 64
    assert trainer.find_file(file) is None


def test_deleting_data_deletes_the_bytes_too(stage: Stage) -> None:
    trainer = stage.trainer()
    file_id = trainer.upload(trainer.plan(recipe()).files[0])
    trainer.delete_file(file_id)
    assert (stage.emulator.world.blobs, stage.emulator.world.assets) == ({}, {})


def test_a_dry_run_shows_what_is_sent_to_the_byte(stage: Stage) -> None:
    trainer = stage.trainer()
    plan = trainer.plan(recipe())
    blob, asset, job = plan.sends
    trainer.create(plan, NAME, uploaded(trainer, plan))
    world = stage.emulator.world
    assert blob.body == {"bytes": next(iter(world.blobs.values())).size_bytes}
    kept = next(iter(world.assets.values())).properties
    assert {key: kept[key] for key in asset.body["properties"]} == asset.body["properties"]
    shown = json.loads(json.dumps(job.body).replace("{client_id}", NAME))["properties"]
    assert {**stage.job(NAME).first, "fineTuningDetails": None} | {"tags": shown["tags"], "outputs": shown["outputs"]} == {
        **stage.job(NAME).first,
        "fineTuningDetails": None,
    }


def test_an_archived_asset_is_gone(stage: Stage) -> None:
    trainer = stage.trainer()
    file = trainer.plan(recipe()).files[0]
    file_id = trainer.upload(file)
    stage.emulator.world.assets[data_name(file), "1"].properties["isArchived"] = True
    assert trainer.file_state(file_id).state == "gone"


def test_a_large_file_goes_block_by_block_and_goes_on_where_it_broke_off(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sending_blobs, "BLOCK_BYTES", 1000)
    trainer = stage.trainer()
    file = trainer.plan(recipe(rows=60)).files[0]
    stage.emulator.faults.once(Reset(), on=PUT_BLOB, after=3)
    with pytest.raises(Ambiguous):
        trainer.upload(file)
    stage.emulator.log.clear()
    trainer.upload(file)
    blocks = -(-file.size_bytes // 1000)
    assert stage.emulator.log.count(PUT_BLOB) == blocks - 3 + 1
    assert stage.emulator.world.blobs[f"tuneport/{data_name(file)}.jsonl"].sha256 == file.sha256


def test_of_a_large_file_no_more_than_a_few_blocks_are_in_memory(stage: Stage) -> None:
    import tracemalloc

    block = b'{"messages": []}' * 65536
    file = PlannedFile.from_chunks(lambda: iter([block] * 40), purpose="train", rows=1)
    trainer = stage.trainer()
    trainer.upload(PlannedFile.from_chunks(lambda: iter([block]), purpose="train", rows=1))  # what is imported is not counted
    tracemalloc.start()
    trainer.upload(file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert file.size_bytes > 40e6
    assert peak < 5 * sending_blobs.BLOCK_BYTES


# --- refusals ---------------------------------------------------------------------------------------------------------------------------


def refused(stage: Stage, chosen: Recipe | None = None, **settings: Any) -> TuneportError:
    trainer = stage.trainer(**settings)
    with pytest.raises(TuneportError) as caught:
        begun(stage, trainer, chosen=chosen)
    assert stage.emulator.world.jobs == {}
    assert "\n" not in caught.value.message
    return caught.value


def test_a_token_of_another_tenant_is_told_as_such(stage: Stage) -> None:
    error = refused(stage, environ={"AZURE_MANAGEMENT_TOKEN": stage.emulator.token(tenant_right=False)})
    assert isinstance(error, CredentialsRefused)
    assert "another tenant" in error.message
    assert "az login --tenant" in error.remedy


def test_a_role_that_may_only_read_is_told_what_it_lacks(stage: Stage) -> None:
    error = refused(stage, environ={"AZURE_MANAGEMENT_TOKEN": stage.emulator.token(role="reader")})
    assert isinstance(error, CredentialsRefused)
    assert "AzureML Data Scientist" in error.remedy


def test_quota_zero_is_a_quota(stage: Stage) -> None:
    stage.emulator.world.quotas["standardNCADSA100v4Family"] = 0
    error = refused(stage, recipe(instance_types=["Standard_NC24ads_A100_v4"]))
    assert isinstance(error, QuotaExceeded)


def test_a_compute_that_is_not_there_and_a_model_that_is_none_are_named(stage: Stage) -> None:
    assert "no such compute" in refused(stage, compute="nowhere").message
    gone = "azureml://registries/azureml/models/gone/versions/1"
    error = refused(stage, recipe(gone))
    assert "no such model" in error.message
    assert gone in error.message


def test_a_workspace_in_another_region_is_told_so(stage: Stage) -> None:
    stage.emulator.world.served_regions = frozenset({"eastus2"})
    assert "region" in refused(stage).message


@pytest.mark.parametrize(
    ("profile", "words"),
    [
        ({"workspace": "nowhere"}, "nowhere"),
        ({"resource_group": "nowhere"}, "nowhere"),
        ({"subscription": "99999999-2222-4333-8444-555555555555"}, "99999999"),
    ],
)
def test_a_place_that_is_none_is_named_with_the_settings(stage: Stage, profile: dict[str, str], words: str) -> None:
    error = next(each for each in stage.trainer(**profile).check() if each.severity == "error")
    assert words in error.message
    assert "AZUREML_WORKSPACE_NAME" in error.remedy


def test_a_login_that_ends_in_the_middle_of_a_wait_is_renewed_and_nothing_is_lost(stage: Stage) -> None:
    trainer = stage.trainer(credential=lambda: Identity(stage, 900))
    begun(stage, trainer)
    before = len(stage.emulator.world.tokens)
    stage.clock.sleep(DAY)
    assert trainer.fetch([NAME])[NAME].state is JobState.SUCCEEDED
    assert len(stage.emulator.world.tokens) == before + 1


def test_a_datastore_for_identities_gets_a_token_of_storage_and_no_other(stage: Stage) -> None:
    stage.emulator.world.habits = Habits(signs=False)
    with pytest.raises(CredentialsRefused, match="which blob storage does not take"):
        begun(stage)
    assert stage.emulator.log.count(PUT_BLOB) == 0
    assert begun(stage, stage.trainer(credential=lambda: Identity(stage))).state is JobState.CREATED


def test_a_given_token_that_ends_is_told_and_the_job_goes_on(stage: Stage) -> None:
    trainer = stage.trainer(environ={"AZURE_MANAGEMENT_TOKEN": stage.emulator.token(life_s=900)})
    begun(stage, trainer)
    stage.clock.sleep(DAY)
    with pytest.raises(CredentialsRefused, match="expired"):
        trainer.fetch([NAME])
    assert stage.trainer().fetch([NAME])[NAME].state is JobState.SUCCEEDED


def test_no_token_of_entra_goes_to_this_machine(stage: Stage) -> None:
    with pytest.raises(CredentialsRefused, match="on this machine"):
        stage.trainer(environ={"AZURE_MANAGEMENT_TOKEN": ""}).find(NAME)


@pytest.mark.parametrize("fault", [RateLimited(7.0), ServerError(503), Reset()])
def test_every_request_is_sent_once(stage: Stage, fault: RateLimited | ServerError | Reset) -> None:
    """The SDK's pipelines repeat three to ten times by themselves; core decides here."""
    trainer = stage.trainer()
    plan = trainer.plan(recipe())
    for route, call in (
        (GET_JOB, lambda: trainer.find(NAME)),
        (PUT_BLOB, lambda: trainer.upload(plan.files[0])),
        (PUT_JOB, lambda: begun(stage, trainer)),
    ):
        stage.emulator.faults.once(fault, on=route)
        stage.emulator.log.clear()
        with pytest.raises((Unreachable, Ambiguous)):
            call()
        assert stage.emulator.log.count(route) == 1


# --- check ------------------------------------------------------------------------------------------------------------------------------


def told(stage: Stage, **profile: Any) -> dict[str, str]:
    return {each.rule: f"{each.severity}: {each.message}" for each in stage.trainer(**profile).check()}


def test_a_check_says_who_where_and_on_what(stage: Stage) -> None:
    found = told(stage, compute=COMPUTE)
    assert {"credentials", "workspace", "history", "datastore", "compute", "registries", "jobs"} == set(found)
    assert "westeurope" in found["workspace"]
    assert "Standard_NC24ads_A100_v4" in found["compute"]


def test_a_registry_that_cannot_be_reached_is_warned_of(stage: Stage) -> None:
    stage.emulator.world.models = {each for each in stage.emulator.world.models if "azureml-meta" not in each}
    found = [each for each in stage.trainer().check() if each.rule == "registries"]
    assert [(each.severity, "azureml-meta" in each.message) for each in found] == [("info", False), ("warning", True)]


def test_a_check_tells_the_price_and_the_quota_of_sizes(stage: Stage) -> None:
    assert "3.673 USD an hour" in told(stage, instance_types=["Standard_NC24ads_A100_v4"])["quota"]
    stage.emulator.world.quotas["standardNCADSA100v4Family"] = 0
    assert told(stage, instance_types=["Standard_NC24ads_A100_v4"])["quota"].startswith("error: the quota")
    assert "no machines of size" in told(stage, instance_types=["Standard_Nowhere"])["quota"]


def test_a_compute_without_gpus_is_warned_of_and_one_that_is_not_there_is_an_error(stage: Stage) -> None:
    assert told(stage, compute="cpu-small")["compute"].startswith("warning")
    assert told(stage, compute="nowhere")["compute"].startswith("error")


def test_an_estimate_says_that_the_price_is_not_known(stage: Stage) -> None:
    quote = stage.trainer(compute=COMPUTE).estimate(recipe())
    assert quote.total is None
    assert [(each.item, each.price) for each in quote.lines] == [("training", None)]
    assert COMPUTE in quote.notes[0]


# --- beside ----------------------------------------------------------------------------------------------------------------------------


def test_a_classifier_is_trained_on_labels(stage: Stage) -> None:
    trainer = stage.trainer(compute=COMPUTE)
    begun(stage, trainer, chosen=Recipe(base=BERT, train=labelled(), method=Classify(epochs=1)))
    stage.clock.sleep(DAY)
    job = trainer.fetch([NAME])[NAME]
    assert (job.state, job.method, job.base) == (JobState.SUCCEEDED, "classify", BERT)


def test_importing_the_provider_loads_no_sdk_and_submitting_never_loads_azure_ai_ml(stage: Stage) -> None:
    """So nothing that it prints, warns of or reports home can reach a terminal."""
    code = "import sys, tuneport_azureml; print([name for name in sys.modules if name.startswith(('azure', 'requests', 'pydantic'))])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
    program = f"""
import sys, pathlib
from tuneport_azureml.adapter.trainer import AzureMLTrainer
from tuneport.provider import ProviderSettings
from tuneport.dataset import Dataset
from tuneport.examples import ChatExample, Message
from tuneport.recipe import Recipe
rows = [ChatExample((Message("user", f"q{{n}}"), Message("assistant", f"a{{n}}"))) for n in range(20)]
recipe = Recipe(base="Phi-3-mini-4k-instruct", train=Dataset.from_examples(rows, name="rows"))
trainer = AzureMLTrainer(ProviderSettings("azureml", pathlib.Path({str(stage.home)!r}), environ={dict(stage.emulator.exports)!r}))
plan = trainer.plan(recipe)
trainer.create(plan, "a" * 32, {{file.purpose: trainer.upload(file) for file in plan.files}})
print("azure.ai.ml" in sys.modules)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("False\n", "")


def test_a_job_of_another_workspace_is_not_found_here(stage: Stage) -> None:
    trainer = stage.trainer()
    with pytest.raises(NotFound, match="no job of the workspace"):
        trainer.cancel(f"{trainer.scope()}x/{NAME}")
    assert trainer.fetch([f"{trainer.scope()}x/{NAME}"]) == {}


def test_jobs_of_other_kinds_are_left_out_of_the_list(stage: Stage) -> None:
    stage.emulator.world.habits = Habits(honours_filters=False)
    trainer = stage.trainer()
    begun(stage, trainer)
    stage.job(NAME).properties["jobType"] = "Command"
    assert list(trainer.list()) == []
