"""The command line over the emulated platform: what a customer of OpenAI types, and what comes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import Run
from tuneport_openai import provider as openai_provider

from tuneport import Client
from tuneport.cli import main
from tuneport.settings import Settings

from .stage import Stage, rows_file, staged

Shell = Callable[..., Run]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


@pytest.fixture
def shell(stage: Stage, capsys: pytest.CaptureFixture[str]) -> Shell:
    def typed(*words: object, key: str | None = None, at: str = "home") -> Run:
        def opening(home: Path | None) -> Client:
            settings = Settings(home=stage.home / at, environ=stage.settings(key=key).environ)
            return Client(settings=settings, clock=stage.clock, providers=[openai_provider])

        code = main([str(word) for word in words], opening=opening)
        return Run(code, *capsys.readouterr())

    return typed


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return rows_file(tmp_path)


def submitted(shell: Shell, rows: Path, *more: object, **how: Any) -> Run:
    return shell("submit", rows, "--base", "gpt-4.1-mini", "--provider", "openai", "--epochs", 2, "--yes", "--json", *more, **how)


def finished(shell: Shell, rows: Path) -> str:
    uri = str(submitted(shell, rows).document["uri"])
    assert shell("jobs", "wait", uri).code == 0
    return uri


def test_a_submit_that_a_closed_platform_refuses_says_why_and_where_else_and_is_kept(shell: Shell, stage: Stage, rows: Path) -> None:
    run = submitted(shell, rows, key=stage.emulator.closed_key)
    error = run.document["error"]
    assert (run.code, error["type"]) == (3, "PlatformClosed")
    assert "2027-01-06" in error["message"]
    assert "azure:gpt-4.1-mini-2025-04-14" in error["remedy"]
    assert error["reason"].startswith("Your organization is not permitted")
    assert shell("jobs", "list", "--json").document["jobs"] == []
    (kept,) = shell("jobs", "list", "--refused", "--json").document["jobs"]
    assert (kept["state"], kept["provider_id"], kept["error"]) == ("failed", None, error["reason"])


def test_a_submit_says_which_settings_the_vendor_does_not_take(shell: Shell, rows: Path) -> None:
    run = submitted(shell, rows, "--rank", 8)
    assert run.code == 0
    assert "OpenAI decides these by itself and does not use the recipe's: lora" in run.err


def test_where_nothing_was_refused_the_list_says_so(shell: Shell) -> None:
    assert shell("jobs", "list", "--refused").out.strip() == "No submit was refused."


def test_a_wrong_key_is_told_by_the_vendors_words_without_the_key(shell: Shell, rows: Path) -> None:
    run = submitted(shell, rows, key="sk-wrongwrongwrong")
    assert (run.code, run.document["error"]["type"]) == (3, "CredentialsRefused")
    assert "Incorrect API key provided: [hidden]" in run.document["error"]["reason"]
    assert "wrongwrong" not in run.out + run.err


def test_a_job_of_another_account_is_unknown_and_the_remedy_says_whose_key_to_look_at(shell: Shell, stage: Stage, rows: Path) -> None:
    uri = submitted(shell, rows).document["uri"]
    run = shell("jobs", "cancel", uri, key=stage.emulator.closed_key)
    assert run.code == 3
    assert "Could not find fine tune" in run.err
    assert "tuneport providers check" in run.err


def test_models_that_the_vendor_lists_are_told_with_the_job_that_made_them(shell: Shell, rows: Path) -> None:
    uri = finished(shell, rows)
    (model,) = shell("models", "list", "--provider", "openai", "--json").document["models"]
    job = shell("jobs", "show", uri, "--json").document
    assert (model["uri"], model["job_uri"]) == (job["model"], uri)
    assert (model["recipe_fingerprint"], model["dataset_fingerprint"]) == (job["recipe_fingerprint"], job["dataset_fingerprint"])
    assert shell("models", "show", model["uri"], "--json").document["job_uri"] == uri


def test_a_model_is_shown_with_its_checkpoints_and_settings_in_words(shell: Shell, rows: Path) -> None:
    said = shell("models", "show", finished(shell, rows)).out
    assert "n_epochs 2" in said
    assert ":ckpt-step-12" in said
    assert "train_loss" in said
    assert "{" not in said


def test_what_another_machine_submitted_is_adopted_and_archived_with_its_rows_and_hyperparameters(
    shell: Shell, tmp_path: Path, rows: Path
) -> None:
    uri = finished(shell, rows)
    run = shell("jobs", "sync", "openai", "--all", "--json", at="elsewhere")
    assert run.code == 0, run.out + run.err
    (adopted,) = run.document["results"]
    assert (adopted["kind"], adopted["job"]["uri"]) == ("foreign", uri)
    run = shell("archive", uri, tmp_path / "kept", "--json", at="elsewhere")
    (archive,) = run.document["archives"]
    assert (run.code, sorted(piece["piece"] for piece in archive["missing"])) == (0, ["plan", "recipe"])
    folder = Path(archive["folder"])
    assert json.loads((folder / "hyperparameters.json").read_bytes())["n_epochs"] == 2
    assert (folder / "files" / "train.jsonl").read_bytes().count(b"\n") == 12
    assert shell("archive", "--verify", tmp_path / "kept").code == 0


def test_the_check_for_the_rows_that_were_refused_is_named_with_its_target(shell: Shell, rows: Path) -> None:
    rows.write_text("".join(rows.read_text(encoding="utf-8").splitlines(keepends=True)[:3]), encoding="utf-8")
    run = submitted(shell, rows)
    assert run.code == 1
    assert "at least 10 are needed" in run.err
    assert "tuneport data check FILE --for openai:gpt-4.1-mini-2025-04-14" in run.err
