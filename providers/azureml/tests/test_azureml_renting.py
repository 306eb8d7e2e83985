"""Launching, finding, watching and ending a command job of the emulated workspace."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tuneport_azureml.emulator import COMPUTE, Course, Habits
from tuneport_azureml.emulator.platform import ENVIRONMENTS
from tuneport_azureml.renting.launcher import AzureMLLauncher
from tuneport_azureml.wire.bundles import IMAGE, environment_name

from tuneport.errors import Ambiguous, CredentialsRefused, QuotaExceeded, RecipeError, Refused, TuneportError, Unreachable
from tuneport.testing.emulator.faults import Reset, ServerError

from .azureml_renting import A100, SHA, bundle, command, configuration, launching, order, signed_in
from .azureml_stage import PUT_JOB, WORKSPACE, Stage, staged

PUT_CODE = f"PUT {WORKSPACE}/codes/{{name}}/versions/{{version}}"
BUNDLE = f"tuneport/bundles/tuneport-bundle-{SHA[:32]}"


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


# --- the settings ----------------------------------------------------------------------------------------------------------------------


def test_settings_hold_all_that_a_worker_without_the_configuration_needs(stage: Stage) -> None:
    lab = {"provider": "azureml", "experiment": "lab", "instance_types": [A100], "job_tier": "spot"}
    settings = launching(stage, lab=lab).read({"profile": "lab", "max_hours": 6, "tags": {"team": "a"}})
    assert settings | {"management_url": ""} == {
        "profile": "lab",
        "subscription": stage.emulator.world.place.subscription,
        "resource_group": "tuning",
        "workspace": "contoso-ml",
        "cloud": "public",
        "management_url": "",
        "instance_type": A100,
        "gpus": 1,
        "job_tier": "spot",
        "image": IMAGE,
        "experiment": "lab",
        "datastore": "workspaceblobstore",
        "max_hours": 6,
        "tags": {"team": "a"},
    }
    assert stage.emulator.log.count() == 0
    elsewhere = AzureMLLauncher(configuration(stage), clock=stage.clock)
    assert elsewhere.check(settings) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "no machine is named"),
        ({"instance_typ": A100}, "did you mean 'instance_type'?"),
        ({"instance_type": A100, "compute": COMPUTE}, "not on both"),
        ({"compute": COMPUTE, "job_tier": "spot"}, "job_tier is of serverless machines"),
        ({"instance_type": A100, "job_tier": "cheap"}, "job_tier must be"),
        ({"instance_type": A100, "instance_count": 0}, "instance_count must be at least 1"),
        ({"instance_type": A100, "gpus": "1"}, "gpus must be a whole number"),
        ({"instance_type": A100, "environment": "pytorch"}, "environment 'pytorch' is none"),
        ({"instance_type": A100, "environment": "azureml:a:1", "image": IMAGE}, "not in both"),
        ({"instance_type": A100, "image": "a image"}, "no name of a container image"),
        ({"instance_type": A100, "shm_size": "8 gigabytes"}, "shm_size"),
        ({"instance_type": A100, "max_hours": 0}, "max_hours must be above 0"),
        ({"instance_type": A100, "tags": {"tuneport_plan": "x"}}, "Tuneport's own"),
        ({"instance_type": A100, "profile": "labb"}, "did you mean 'lab'?"),
        ({"instance_type": A100, "profile": "other"}, "of another provider"),
        ({"compute": "a/b"}, "no name"),
    ],
)
def test_a_setting_that_cannot_be_is_one_sentence_that_names_it(stage: Stage, options: dict[str, Any], said: str) -> None:
    launcher = launching(stage, lab={"provider": "azureml"}, other={"provider": "openai"})
    with pytest.raises(RecipeError, match=said) as refused:
        launcher.read(options)
    assert "options.local.azureml" in str(refused.value)
    assert "\n" not in str(refused.value)


# --- a launch --------------------------------------------------------------------------------------------------------------------------


def test_a_launch_makes_one_command_job_of_the_bundle_and_the_image(stage: Stage, tmp_path: Path) -> None:
    launcher = launching(stage)
    rented = launcher.launch(order(launcher, tmp_path / "bundle", job_tier="spot", max_hours=1.5, shm_size="8g"))
    asked = command(stage).properties
    assert rented.id == "job-1-1"
    assert rented.page.startswith("https://ml.azure.com/runs/job-1-1")
    assert asked["command"] == "python start.py ${{outputs.place}} --launch job-1-1"
    assert asked["outputs"]["place"]["uri"] == "azureml://datastores/workspaceblobstore/paths/tuneport/jobs/job-1/"
    assert asked["resources"] == {"instanceCount": 1, "instanceType": A100, "shmSize": "8g"}
    assert (asked["queueSettings"], asked["limits"]["timeout"]) == ({"jobTier": "Spot"}, "PT1H30M")
    assert asked["tags"]["tuneport_job"] == "job-1"
    assert asked["tags"]["tuneport_recipe"] == "0123"
    world = stage.emulator.world
    assert world.environments[environment_name(IMAGE), "1"].properties["image"] == IMAGE
    assert {path for path in world.blobs if path.startswith(BUNDLE)} == {
        f"{BUNDLE}/start.py",
        f"{BUNDLE}/wheels/tuneport-0.1.0-py3-none-any.whl",
    }


def test_a_second_launch_sends_neither_the_bundle_nor_the_image_again(stage: Stage, tmp_path: Path) -> None:
    launcher, log = launching(stage), stage.emulator.log
    launcher.launch(order(launcher, tmp_path / "bundle"))
    log.clear()
    launcher.launch(order(launcher, tmp_path / "bundle", name="job-2-1", job_id="job-2"))
    puts = [entry.path.rpartition("/workspaces/")[2] for entry in log if entry.method == "PUT"]
    assert puts == ["contoso-ml/jobs/job-2-1"]


def test_an_order_that_was_launched_is_found_and_never_put_again(stage: Stage, tmp_path: Path) -> None:
    launcher = launching(stage)
    ordered = order(launcher, tmp_path / "bundle")
    assert launcher.find(ordered) is None
    rented = launcher.launch(ordered)
    assert launcher.find(ordered) == rented == launcher.launch(ordered)
    assert command(stage).puts == 1


def test_a_job_of_that_name_that_is_another_is_left_as_it_is(stage: Stage, tmp_path: Path) -> None:
    launcher = launching(stage)
    launcher.launch(order(launcher, tmp_path / "bundle"))
    with pytest.raises(Refused, match="is another; it was left as it is"):
        launcher.launch(order(launcher, tmp_path / "bundle", gpus=1, instance_type="Standard_NC6s_v3"))
    assert command(stage).puts == 1


@pytest.mark.parametrize("fault", [Reset(after_effect=True), ServerError(502, after_effect=True)])
def test_where_the_answer_is_lost_the_job_is_found_under_its_name(stage: Stage, tmp_path: Path, fault: Any) -> None:
    launcher = launching(stage)
    ordered = order(launcher, tmp_path / "bundle")
    stage.emulator.faults.once(fault, on=PUT_JOB)
    with pytest.raises(Ambiguous):
        launcher.launch(ordered)
    found = launcher.find(ordered)
    assert found is not None
    assert launcher.launch(ordered) == found
    assert command(stage).puts == 1


def test_a_bundle_that_broke_off_is_sent_on_and_not_begun_again(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuneport_azureml.adapter.sending_blobs.BLOCK_BYTES", 1 << 16)
    launcher, log = launching(stage), stage.emulator.log
    ordered = order(launcher, tmp_path / "bundle")
    (ordered.bundle / "wheels" / "large.whl").write_bytes(bytes(range(256)) * 1000)
    stage.emulator.faults.always(ServerError(503), on=PUT_CODE)
    with pytest.raises(Unreachable):
        launcher.launch(ordered)
    stage.emulator.faults.calm()
    log.clear()
    launcher.launch(ordered)
    again = [(entry.status, dict(entry.query).get("comp")) for entry in log if entry.method == "PUT" and BUNDLE in entry.path]
    assert again == [(409, None), (409, None)]


def test_a_large_file_of_a_bundle_goes_block_by_block(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tuneport_azureml.adapter.sending_blobs.BLOCK_BYTES", 1 << 16)
    launcher = launching(stage)
    ordered = order(launcher, tmp_path / "bundle")
    data = bytes(range(256)) * 1000
    (bundle(tmp_path / "bundle") / "wheels" / "large.whl").write_bytes(data)
    launcher.launch(ordered)
    assert stage.emulator.world.blobs[f"{BUNDLE}/wheels/large.whl"].read() == data
    assert sum("comp" in dict(entry.query) and dict(entry.query)["comp"] == "block" for entry in stage.emulator.log) == 4


# --- the course of a job ---------------------------------------------------------------------------------------------------------------


def test_a_job_waits_runs_and_ends(stage: Stage, tmp_path: Path) -> None:
    launcher = launching(stage)
    ordered = order(launcher, tmp_path / "bundle")
    rented, settings = launcher.launch(ordered), ordered.settings
    assert launcher.look(rented, settings).state == "waiting"
    assert launcher.log(rented, settings) == ""
    stage.clock.sleep(300)
    assert launcher.look(rented, settings).state == "running"
    assert launcher.log(rented, settings) == "started\n"
    stage.clock.sleep(4000)
    seen = launcher.look(rented, settings)
    assert (seen.state, seen.word, seen.reason) == ("succeeded", "Completed", "")


def test_a_job_whose_machine_was_taken_away_waits_for_another_and_is_not_over(tmp_path: Path) -> None:
    with staged(tmp_path, course=Course(away_s=500)) as stage:
        launcher = launching(stage)
        ordered = order(launcher, tmp_path / "bundle", job_tier="spot")
        rented = launcher.launch(ordered)
        seen = []
        for _ in range(30):
            seen.append(launcher.look(rented, ordered.settings).state)
            stage.clock.sleep(100)
        assert list(dict.fromkeys(itertools.pairwise(seen))) == [
            ("waiting", "waiting"),
            ("waiting", "running"),
            ("running", "running"),
            ("running", "waiting"),
            ("running", "succeeded"),
            ("succeeded", "succeeded"),
        ]


def test_a_job_that_fails_says_why_in_the_services_words(tmp_path: Path) -> None:
    with staged(tmp_path, course=Course(ends="Failed", error="The node was lost.")) as stage:
        launcher = launching(stage)
        ordered = order(launcher, tmp_path / "bundle")
        rented = launcher.launch(ordered)
        stage.clock.sleep(4000)
        seen = launcher.look(rented, ordered.settings)
        assert (seen.state, seen.reason) == ("failed", "The node was lost.")


def test_a_job_is_cancelled_and_one_that_is_over_stays_as_it_is(stage: Stage, tmp_path: Path) -> None:
    launcher = launching(stage)
    ordered = order(launcher, tmp_path / "bundle")
    rented, settings = launcher.launch(ordered), ordered.settings
    launcher.cancel(rented, settings)
    launcher.cancel(rented, settings)
    stage.clock.sleep(60)
    assert launcher.look(rented, settings).state == "cancelled"
    launcher.cancel(rented, settings)


def test_after_max_hours_the_service_cancels_the_job(stage: Stage, tmp_path: Path) -> None:
    launcher = launching(stage)
    ordered = order(launcher, tmp_path / "bundle", max_hours=0.1)
    rented = launcher.launch(ordered)
    stage.clock.sleep(300 + 360)
    assert launcher.look(rented, ordered.settings).word == "Canceled"


def test_a_login_that_ends_in_the_middle_is_renewed(stage: Stage, tmp_path: Path) -> None:
    launcher = launching(stage, credential=signed_in(stage))
    ordered = order(launcher, tmp_path / "bundle")
    rented = launcher.launch(ordered)
    stage.clock.sleep(1000)
    assert launcher.look(rented, ordered.settings).state == "running"
    place = launcher.place(ordered.settings, "job-1")
    place.write("wish", b"cancel")
    stage.clock.sleep(4000)
    assert place.read("wish") == b"cancel"


def test_a_token_of_a_variable_that_ends_is_a_sentence_and_the_job_goes_on(stage: Stage, tmp_path: Path) -> None:
    launcher = launching(stage, environ={"AZURE_MANAGEMENT_TOKEN": stage.emulator.token(life_s=600)})
    ordered = order(launcher, tmp_path / "bundle")
    rented = launcher.launch(ordered)
    stage.clock.sleep(700)
    with pytest.raises(CredentialsRefused, match="the token has expired"):
        launcher.look(rented, ordered.settings)
    assert launching(stage).look(rented, ordered.settings).state == "running"


# --- what cannot be --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"compute": "gpu-h100"}, Refused, "no such compute"),
        ({"environment": "azureml:mine:3"}, Refused, "there is no such environment"),
        ({"environment": "azureml://registries/azureml/environments/acpt/labels/latest"}, Refused, "there is no such environment"),
        ({"datastore": "elsewhere"}, Refused, "knows nothing of that"),
    ],
)
def test_what_the_service_refuses_is_one_sentence_and_no_job_is_made(
    stage: Stage, tmp_path: Path, options: dict[str, Any], kind: type[TuneportError], said: str
) -> None:
    launcher = launching(stage)
    with pytest.raises(kind, match=said) as refused:
        launcher.launch(order(launcher, tmp_path / "bundle", **options))
    assert refused.value.exit_code == 3
    assert "\n" not in str(refused.value)
    assert stage.emulator.world.commands == {}


def test_a_quota_of_zero_is_told_before_the_launch_and_by_it(stage: Stage, tmp_path: Path) -> None:
    stage.emulator.world.quotas["standardNCADSA100v4Family"] = 0
    launcher = launching(stage)
    ordered = order(launcher, tmp_path / "bundle")
    assert "the quota of standardNCADSA100v4Family is 0 in westeurope" in launcher.check(ordered.settings)[0]
    with pytest.raises(QuotaExceeded, match="not enough quota"):
        launcher.launch(ordered)
    assert launcher.check(launcher.read({"instance_type": A100, "job_tier": "spot"})) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"instance_type": "Standard_NC24"}, "westeurope has no machines of size Standard_NC24"),
        ({"compute": "cpu-small"}, "Standard_E4s_v3 has 0 GPUs, and options.local.azureml.gpus is 1"),
        ({"compute": "nothing"}, "no compute 'nothing'"),
        ({"instance_type": A100, "gpus": 4}, f"{A100} has 1 GPUs"),
        ({"compute": COMPUTE, "environment": "azureml:mine:3"}, "no environment mine of version 3"),
        ({"compute": COMPUTE, "environment": "azureml://registries/mine/environments/a/labels/latest"}, "the registry mine"),
        ({"compute": COMPUTE, "environment": ENVIRONMENTS[0]}, None),
        ({"compute": COMPUTE, "datastore": "elsewhere"}, "knows nothing of that"),
        ({"compute": "cpu-small", "gpus": 0}, None),
        ({"compute": COMPUTE}, None),
    ],
)
def test_a_check_says_why_no_job_could_run(stage: Stage, options: dict[str, Any], said: str | None) -> None:
    launcher = launching(stage)
    reasons = launcher.check(launcher.read(options))
    assert [said in reason for reason in reasons] == ([] if said is None else [True])


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ({"role": "nobody"}, "the role of this identity does not allow"),
        ({"tenant_right": False}, "another tenant"),
    ],
)
def test_who_may_not_ask_is_told_so_by_the_check_and_by_a_launch(stage: Stage, tmp_path: Path, token: dict[str, Any], said: str) -> None:
    launcher = launching(stage, environ={"AZURE_MANAGEMENT_TOKEN": stage.emulator.token(**token)})
    ordered = order(launcher, tmp_path / "bundle")
    assert said in launcher.check(ordered.settings)[0]
    with pytest.raises(CredentialsRefused, match=said):
        launcher.launch(ordered)
    assert stage.emulator.world.commands == {}


def test_a_datastore_without_a_secret_needs_an_identity_for_the_machine(tmp_path: Path) -> None:
    with staged(tmp_path, habits=Habits(signs=False)) as stage:
        launcher = launching(stage, credential=signed_in(stage))
        assert "holds no secret" in launcher.check(launcher.read({"instance_type": A100}))[0]
        ordered = order(launcher, tmp_path / "bundle", identity="managed")
        assert launcher.check(ordered.settings) == []
        launcher.launch(ordered)
        assert command(stage).properties["identity"] == {"identityType": "Managed"}


# --- the job's folder ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("signs", [True, False])
def test_a_jobs_folder_is_the_blobs_that_the_machine_has_mounted(tmp_path: Path, signs: bool) -> None:
    with staged(tmp_path, habits=Habits(signs=signs)) as stage:
        launcher = launching(stage, credential=None if signs else signed_in(stage))
        settings = launcher.read({"instance_type": A100})
        place = launcher.place(settings, "job-1")
        assert place.read("state.json") is None
        assert place.names("checkpoints") == []
        place.write("state.json", b"{}")
        place.write("empty.jsonl", b"")
        (tmp_path / "step-5").mkdir()
        (tmp_path / "step-5" / "weights").write_bytes(b"w" * 100)
        (tmp_path / "step-5" / "complete.json").write_bytes(b"{}")
        place.put(tmp_path / "step-5", "checkpoints/step-5")
        assert place.names("checkpoints") == ["step-5/complete.json", "step-5/weights"]
        assert (place.read("state.json"), place.read("empty.jsonl")) == (b"{}", b"")
        assert (place.size("checkpoints/step-5/weights"), place.size("empty.jsonl"), place.size("nothing")) == (100, 0, None)
        assert place.read("checkpoints/step-5/weights", start=90) == b"w" * 10
        place.take("checkpoints", tmp_path / "home")
        assert (tmp_path / "home" / "step-5" / "weights").read_bytes() == b"w" * 100
        assert "tuneport/jobs/job-1/state.json" in stage.emulator.world.blobs
        place.remove("checkpoints")
        place.remove("nothing")
        assert sorted(stage.emulator.world.blobs) == ["tuneport/jobs/job-1/empty.jsonl", "tuneport/jobs/job-1/state.json"]
        assert launcher.place_there(settings, "job-1") == "${{outputs.place}}"


def test_a_signature_that_has_ended_is_asked_for_anew(stage: Stage) -> None:
    launcher = launching(stage)
    place = launcher.place(launcher.read({"instance_type": A100}), "job-1")
    place.write("wish", b"run")
    stage.clock.sleep(2 * 3600)
    assert place.read("wish") == b"run"


def test_a_folder_that_cannot_be_reached_says_who_may_not(stage: Stage) -> None:
    launcher = launching(stage, environ={"AZURE_MANAGEMENT_TOKEN": stage.emulator.token(role="reader")})
    place = launcher.place(launcher.read({"instance_type": A100}), "job-1")
    with pytest.raises(CredentialsRefused, match="role"):
        place.write("wish", b"run")
