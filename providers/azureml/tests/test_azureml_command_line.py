"""The command line over the emulated workspace: what one types, and what comes back, in one sentence where it is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from commands import Run
from tuneport_azureml import provider as azureml_provider
from tuneport_azureml.emulator import COMPUTE, Course

from tuneport import Client
from tuneport.cli import main
from tuneport.settings import Settings

from .azureml_stage import BERT, PHI, Stage, chats, labelled, recipe, staged

Shell = Callable[..., Run]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


@pytest.fixture
def shell(stage: Stage, capsys: pytest.CaptureFixture[str]) -> Shell:
    """`environ` over the variables that the emulator prints; `gpu` is a profile of the same workspace on a compute."""
    profiles = {"gpu": {"provider": "azureml", "compute": COMPUTE}}

    def typed(*words: object, environ: Mapping[str, str] | None = None) -> Run:
        def opening(home: Path | None) -> Client:
            given = {**stage.settings().environ, **(environ or {})}
            settings = Settings(home=stage.home / "home", environ=given, providers=profiles)
            return Client(settings=settings, clock=stage.clock, providers=[azureml_provider])

        code = main([str(word) for word in words], opening=opening)
        return Run(code, *capsys.readouterr())

    return typed


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    chats(24).write(path, format="chat")
    return path


def submitted(shell: Shell, rows: Path, *more: object, provider: str = "azureml", base: str = PHI, **how: Any) -> Run:
    return shell("submit", rows, "--base", base, "--provider", provider, "--epochs", 2, "--yes", "--json", *more, **how)


def test_a_model_is_tuned_followed_and_told_of_by_its_uri(shell: Shell, rows: Path, stage: Stage) -> None:
    uri = str(submitted(shell, rows, "--suffix", "cards").document["uri"])
    name = uri.removeprefix("azureml:")
    assert stage.job(name).properties["displayName"] == "cards"
    assert shell("jobs", "wait", uri).code == 0
    job = shell("jobs", "show", uri, "--json").document
    assert (job["state"], job["provider_state"], job["base"]) == ("succeeded", "Completed", PHI)
    assert job["model"] == f"azureml:models/cards-{name}/versions/1"
    assert "Training 24 rows" in shell("jobs", "events", uri).out
    assert "loss" in shell("jobs", "metrics", uri).out


def test_a_job_of_another_machine_is_shown_and_adopted_by_its_name(shell: Shell, rows: Path, stage: Stage) -> None:
    uri = str(submitted(shell, rows).document["uri"])
    name = uri.removeprefix("azureml:")
    full = f"azureml:{stage.trainer().scope()}/{name}"
    assert shell("jobs", "show", full, "--json").document["client_id"] == name


def test_a_classifier_is_trained_on_a_compute_from_a_base_by_its_asset_id(shell: Shell, stage: Stage, tmp_path: Path) -> None:
    path = tmp_path / "labels.jsonl"
    labelled().write(path, format="classification")
    run = submitted(shell, path, "--method", "classify", "--wait", provider="gpu", base=BERT)
    assert run.code == 0
    assert next(iter(stage.emulator.world.jobs.values())).properties["computeId"] == COMPUTE


def test_a_dry_run_shows_the_body_of_the_job_and_sends_nothing(shell: Shell, stage: Stage, rows: Path) -> None:
    run = shell("submit", rows, "--base", PHI, "--provider", "azureml", "--epochs", 2, "--dry-run")
    assert (run.code, stage.emulator.log.count()) == (0, 0)
    assert '"num_train_epochs": "2"' in run.out
    assert "runs on machines of the service's own" in run.out


def test_a_job_is_cancelled_from_the_command_line(shell: Shell, rows: Path) -> None:
    uri = str(submitted(shell, rows).document["uri"])
    assert shell("jobs", "cancel", uri).code == 0
    assert shell("jobs", "wait", uri).code == 1
    assert shell("jobs", "show", uri, "--json").document["state"] == "cancelled"


def test_a_tuned_model_is_listed_deployed_asked_evaluated_and_ended(shell: Shell, rows: Path, stage: Stage) -> None:
    uri = str(submitted(shell, rows, "--suffix", "cards").document["uri"])
    assert shell("jobs", "wait", uri).code == 0
    (model,) = shell("models", "list", "--provider", "azureml", "--json").document["models"]
    assert model["job_uri"] == uri
    refused = shell("models", "deploy", uri)
    assert (refused.code, "price per hosting hour not known" in refused.err) == (2, True)
    assert stage.emulator.world.shelf.endpoints == {}
    assert shell("models", "deploy", uri, "--yes").code == 0
    stage.clock.sleep(60)
    (deployment,) = shell("models", "deployments", "--provider", "azureml", "--json").document["deployments"]
    assert deployment["state"] == "Succeeded"
    answer = shell("models", "chat", uri, "My card number 3 is blocked")
    assert (answer.code, answer.out.strip()) == (0, "It is blocked")
    found = shell("models", "eval", uri, rows, "--yes", "--json").document
    assert (found["rows"], found["metrics"]["exact_match"]) == (24, 1.0)
    watched = shell("watch", "--provider", "azureml", "--all", "--json")
    assert deployment["uri"] in watched.out
    assert shell("models", "undeploy", deployment["uri"], "--yes").code == 0
    assert shell("models", "deployments", "--provider", "azureml", "--json").document["deployments"] == []


def test_an_archive_holds_the_model_its_rows_and_its_record(shell: Shell, rows: Path, tmp_path: Path) -> None:
    uri = str(submitted(shell, rows).document["uri"])
    assert shell("jobs", "wait", uri).code == 0
    run = shell("archive", uri, tmp_path / "kept", "--json")
    (archive,) = run.document["archives"]
    assert (run.code, archive["missing"]) == (0, [])
    folder = Path(archive["folder"])
    kept = {path.name for path in folder.rglob("*") if path.is_file()}
    assert {"job.json", "model.json", "events.jsonl", "metrics.jsonl", "MLmodel", "adapter_model.safetensors"} <= kept
    assert (folder / "files" / "train.jsonl").read_text(encoding="utf-8").count("\n") == 24
    assert shell("archive", "--verify", tmp_path / "kept").code == 0


@pytest.mark.parametrize(
    ("size", "price"), [("Standard_NC24ads_A100_v4", "3.673"), ("Standard_ND96isr_H100_v5", "98.32"), ("Standard_NC6s_v3", None)]
)
def test_a_quote_says_what_an_hour_costs_where_that_is_known_and_never_how_many_there_are(
    stage: Stage, size: str, price: str | None
) -> None:
    quote = stage.trainer(instance_types=[size]).estimate(recipe())
    (line,) = quote.lines
    assert (None if line.price is None else str(line.price), line.amount, line.cost, quote.once) == (price, None, None, None)
    assert (line.as_of, line.confidence) == (("2026-11-09", "third party") if price else (None, "unknown"))
    assert "how many machines" in quote.notes[1]


def test_a_check_says_who_asks_and_where_data_go(shell: Shell) -> None:
    run = shell("providers", "check", "azureml")
    assert run.code == 0
    for said in ("contoso-ml", "AZURE_MANAGEMENT_TOKEN", "workspaceblobstore", "machines of the service's own"):
        assert said in run.out


@pytest.mark.parametrize(
    ("environ", "more", "expected"),
    [
        ({"AZURE_SUBSCRIPTION_ID": "contoso"}, (), (2, "subscription is 'contoso'")),
        ({"AZUREML_WORKSPACE_NAME": ""}, (), (2, "no workspace is named")),
        ({"AZUREML_WORKSPACE_NAME": "nowhere"}, (), (3, "no such place")),
        ({"AZURE_MANAGEMENT_TOKEN": "eyJthat-has-ended"}, (), (3, "the token was refused")),
        ({"AZUREML_DEV_URL_MFE": "http://example.org"}, (), (2, "neither this machine")),
        ({}, ("--method", "dpo"), (2, "dpo")),
    ],
)
def test_what_cannot_be_is_one_sentence(
    shell: Shell, rows: Path, environ: Mapping[str, str], more: tuple[str, ...], expected: tuple[int, str]
) -> None:
    code, said = expected
    run = submitted(shell, rows, *more, environ=environ)
    error = run.document["error"]
    assert (run.code, error["exit_code"]) == (code, code)
    assert said in error["message"]
    assert "\n" not in error["message"]
    assert "that-has-ended" not in run.out + run.err
    assert shell("jobs", "list", "--json").document["jobs"] == []


class TestWhereJobsFail:
    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[Stage]:
        with staged(tmp_path, course=Course(ends="Failed", error="The node was lost.")) as stage:
            yield stage

    def test_the_services_reason_is_kept_and_the_exit_code_says_so(self, shell: Shell, rows: Path) -> None:
        uri = str(submitted(shell, rows).document["uri"])
        assert shell("jobs", "wait", uri).code == 1
        assert shell("jobs", "show", uri, "--json").document["error"] == "The node was lost."
