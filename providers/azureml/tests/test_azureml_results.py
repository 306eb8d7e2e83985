"""What comes of a job: its model with its lineage, in lists and by itself; its files, fetched; its rows, given back; and its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tuneport_azureml.adapter import reading_blobs, stores
from tuneport_azureml.emulator import COMPUTE, Course, Habits

from tuneport.dataset import Dataset
from tuneport.errors import NotFound, Refused, UnknownModel, Unreachable
from tuneport.examples import ChatExample, Message
from tuneport.testing.emulator.faults import Reset, Truncated

from .azureml_served import Served, served
from .azureml_stage import PHI, WORKSPACE, Identity, recipe, staged

READ = f"GET /contosomlstore/{{container}}/{'/'.join(f'{{part{n}}}' for n in range(6))}"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as stage:
        yield stage


def files_in(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# --- models ------------------------------------------------------------------------------------------------------------------------------


def test_tuned_models_are_listed_the_youngest_first_with_what_they_were_trained_with(tmp_path: Path) -> None:
    with served(tmp_path, habits=Habits(page=1)) as stage:
        first, second = stage.tuned(name="job-1"), stage.tuned(recipe(about="parcel"), name="job-2")
        listed = stage.server().models()
    assert [each.id for each in listed] == [second.id, first.id]
    assert [each.recipe_fingerprint for each in listed] == [second.recipe_fingerprint, first.recipe_fingerprint]
    assert listed[0].created_at is not None
    assert listed[0].job_uri == "azureml:job-2"


def test_an_archived_name_is_left_out_of_the_list_and_is_still_known_by_its_id(stage: Served) -> None:
    model = stage.tuned()
    stage.emulator.world.shelf.archived.add(model.id.split("/")[1])
    assert stage.server().models() == []
    assert stage.server().model(model.id).job_uri == model.job_uri


def test_a_model_is_found_by_its_id_and_by_its_job_and_a_base_by_its_name_and_asset(stage: Served) -> None:
    model, server = stage.tuned(), stage.server()
    assert {server.model(text).id for text in (model.id, model.uri, "job-1", "azureml:job-1")} == {model.id}
    assert server.model(model.id).recipe_fingerprint == model.recipe_fingerprint
    base = server.model(PHI)
    assert (base.kind, base.uri) == ("base", f"azureml:{PHI}")
    asset = "azureml://registries/azureml/models/bert-base-uncased/versions/3"
    assert server.model(asset).id == server.model(asset.partition(":")[2]).id == asset


@pytest.mark.parametrize("name", ["no-such-model-anywhere", "models/nothing/versions/1", "serverlessEndpoints/nothing"])
def test_a_model_that_is_not_there_is_refused_by_name(stage: Served, name: str) -> None:
    with pytest.raises(UnknownModel, match=r"nothing|no-such-model-anywhere"):
        stage.server().model(name)


def test_a_model_whose_job_is_gone_is_told_with_what_the_workspace_knows(stage: Served) -> None:
    model = stage.tuned()
    stage.emulator.world.jobs.clear()
    found = stage.server().model(model.id)
    assert (found.id, found.job_uri, found.details["job"]) == (model.id, None, "job-1")


def test_the_result_says_how_long_the_run_took_on_which_machines_and_nobody_says_what_it_cost(stage: Served) -> None:
    model = stage.tuned(compute=COMPUTE)
    assert model.details["machines"] == COMPUTE
    assert model.details["run_hours"] == pytest.approx(1860 / 3600, abs=0.01)
    assert stage.trainer().billed("job-1") is None


# --- files -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "habits", [Habits(), Habits(signs=False, model_store="workspaceblobstore", blob_page=1)], ids=["by a signature", "by an identity"]
)
def test_the_registered_model_is_fetched_as_it_lies_with_the_record_of_its_job(tmp_path: Path, habits: Habits) -> None:
    with served(tmp_path, habits=habits) as stage:
        stage.made(credential=lambda: Identity(stage))
        _ = stage.server().models()  # the shelf is filled when somebody looks
        there = {key.partition("registered_model/")[2]: blob.read() for key, blob in stage.emulator.world.blobs.items() if "dcid" in key}
        where = stage.trainer(credential=lambda: Identity(stage)).download("job-1", tmp_path / "new")
    fetched = files_in(where)
    assert "job.json" in fetched
    assert {name.removeprefix("model/"): data for name, data in fetched.items() if name != "job.json"} == there
    assert len(there) == 4


def test_a_fetch_that_broke_off_goes_on_where_it_was(stage: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for module in (stores, reading_blobs):
        monkeypatch.setattr(module, "BLOCK_BYTES", 1024)
    stage.made()
    trainer, to = stage.trainer(), tmp_path / "new"
    stage.emulator.faults.times(100, Reset(), on=READ, after=5)
    with pytest.raises(Unreachable):
        trainer.download("job-1", to)
    assert not (to / "model").exists()
    had = sum(path.stat().st_size for path in (to / ".tuneport-parts").iterdir())
    stage.emulator.faults.calm()
    stage.emulator.log.clear()
    trainer.download("job-1", to)
    weights = (to / "model/data/model/adapter_model.safetensors").read_bytes()
    assert (len(weights), had) == (8192, had)
    assert had >= 4096
    assert len(stage.emulator.log.of(READ)) <= 5
    assert not (to / ".tuneport-parts").exists()


def test_a_model_that_is_written_anew_while_it_is_fetched_is_not_mixed(
    stage: Served, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for module in (stores, reading_blobs):
        monkeypatch.setattr(module, "BLOCK_BYTES", 1024)
    stage.made()
    trainer, world = stage.trainer(), stage.emulator.world
    stage.emulator.faults.times(100, Reset(), on=READ, after=5)
    with pytest.raises(Unreachable):
        trainer.download("job-1", tmp_path / "new")
    stage.emulator.faults.calm()
    path = next(key for key in world.blobs if key.endswith("safetensors"))
    world.blobs[path] = world.store.write((b"other" * 1000,))
    trainer.download("job-1", tmp_path / "new")
    assert (tmp_path / "new/model/data/model/adapter_model.safetensors").read_bytes() == b"other" * 1000


def test_a_name_that_would_lead_out_of_the_folder_is_not_written(stage: Served, tmp_path: Path) -> None:
    stage.made()
    _ = stage.server().models()
    world = stage.emulator.world
    key = next(key for key in world.blobs if key.endswith("MLmodel"))
    world.blobs[key.replace("MLmodel", "../../outside")] = world.blobs[key]
    with pytest.raises(Refused, match="outside"):
        stage.trainer().download("job-1", tmp_path / "new")
    assert not list(tmp_path.rglob("outside"))


def test_what_is_not_there_to_fetch_is_said(stage: Served, tmp_path: Path) -> None:
    stage.made()
    _ = stage.server().models()
    for key in [key for key in stage.emulator.world.blobs if "dcid" in key]:
        del stage.emulator.world.blobs[key]
    with pytest.raises(NotFound, match="no files of the model"):
        stage.trainer().download("job-1", tmp_path / "new")


def test_a_job_that_failed_has_nothing_to_fetch(tmp_path: Path) -> None:
    with staged(tmp_path, course=Course(ends="Failed")) as stage:
        trainer = stage.trainer()
        plan = trainer.plan(recipe())
        trainer.create(plan, "job-1", {file.purpose: trainer.upload(file) for file in plan.files})
        stage.clock.sleep(10_000)
        with pytest.raises(NotFound, match="it is Failed"):
            trainer.download("job-1", tmp_path / "new")


def test_rows_come_back_as_they_were_sent_and_others_are_not_taken_for_them(stage: Served) -> None:
    trainer = stage.trainer()
    plan = trainer.plan(recipe())
    file_id = trainer.upload(plan.files[0])
    assert b"".join(trainer.file_content(file_id)) == b"".join(plan.files[0].chunks())
    world = stage.emulator.world
    path = next(iter(world.blobs))
    world.blobs[path] = world.store.write((b"{}\n",))
    with pytest.raises(Refused, match="other bytes"):
        b"".join(trainer.file_content(file_id))
    trainer.delete_file(file_id)
    with pytest.raises(NotFound):
        trainer.file_content(file_id)


# --- the end -----------------------------------------------------------------------------------------------------------------------------


def test_deleting_takes_the_model_and_the_record_and_leaves_the_files_where_they_lie(stage: Served) -> None:
    model = stage.tuned()
    stage.trainer().delete("job-1")
    assert stage.trainer().fetch(["job-1"]) == {}
    with pytest.raises(UnknownModel):
        stage.server().model(model.id)
    assert any("dcid.job-1" in key for key in stage.emulator.world.blobs)
    with pytest.raises(NotFound):
        stage.trainer().delete("job-1")


def test_a_job_that_runs_is_not_deleted(stage: Served) -> None:
    trainer = stage.trainer()
    plan = trainer.plan(recipe())
    trainer.create(plan, "job-1", {file.purpose: trainer.upload(file) for file in plan.files})
    with pytest.raises(Refused, match="has not ended"):
        trainer.delete("job-1")


def test_a_model_that_is_served_is_not_deleted_before_its_endpoint_is_ended(stage: Served) -> None:
    ready = stage.deployed(stage.tuned())
    with pytest.raises(Refused, match="which costs") as caught:
        stage.trainer().delete("job-1")
    assert ready.uri in caught.value.remedy
    stage.server().undeploy(ready.id)
    stage.trainer().delete("job-1")


def test_a_service_that_keeps_its_records_says_so_after_the_model_is_gone(tmp_path: Path) -> None:
    with served(tmp_path, habits=Habits(deletes_jobs=False)) as stage:
        model = stage.tuned()
        with pytest.raises(Refused, match="keeps the record") as caught:
            stage.trainer().delete("job-1")
        assert "az ml job archive" in caught.value.remedy
        with pytest.raises(UnknownModel):
            stage.server().model(model.id)


def test_a_lost_answer_to_a_deletion_is_looked_after(stage: Served) -> None:
    stage.made()
    stage.emulator.faults.once(Reset(after_effect=True), on=f"DELETE {WORKSPACE}/jobs/{{job}}")
    stage.trainer().delete("job-1")
    assert stage.trainer().fetch(["job-1"]) == {}


@pytest.mark.parametrize("moved", [0, 1])
def test_a_job_of_question_answering_learns_rows_whose_answers_stand_where_they_say(stage: Served, moved: int) -> None:
    turns = (Message("system", "Snow in Łódź fell."), Message("user", "Where?"), Message("assistant", "Łódź"))
    rows = Dataset.from_examples([ChatExample(turns)] * 12, name="talks")
    trainer, world = stage.trainer(), stage.emulator.world
    plan = trainer.plan(recipe(task="question_answering").model_copy(update={"train": rows}))
    files = {file.purpose: trainer.upload(file) for file in plan.files}
    path = next(iter(world.blobs))
    world.blobs[path] = world.store.write((world.blobs[path].read().replace(b"[8]", f"[{8 + moved}]".encode()),))
    trainer.create(plan, "job-1", files)
    stage.clock.sleep(10_000)
    job = trainer.fetch(["job-1"])["job-1"]
    assert (job.provider_state, "where its start says" in (job.error or "")) == (("Failed", True) if moved else ("Completed", False))


def test_what_the_sdk_says_of_an_answer_that_it_cannot_read_reaches_no_terminal(
    stage: Served, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stage.made()
    stage.emulator.faults.times(20, Truncated(admitted=True), on="GET /{account}/{container}")
    with pytest.raises(Unreachable):
        stage.trainer().download("job-1", tmp_path / "new")
    assert [record.getMessage() for record in caplog.records if record.name.startswith("azure")] == []
