"""The command line over the emulated Azure: what one types, and what comes back, in one sentence where it is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from commands import Run
from stage import rows_file
from tuneport_azure import provider as azure_provider

from tuneport import Client
from tuneport.cli import main
from tuneport.settings import Settings

from .azure_stage import Stage, staged

Shell = Callable[..., Run]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


@pytest.fixture
def shell(stage: Stage, capsys: pytest.CaptureFixture[str]) -> Shell:
    """`environ` over the SDK's variables; `north` is a profile of the resource that trains in all tiers."""
    north = {"provider": "azure", "endpoint": stage.emulator.endpoint("nordic"), "api_key_env": "NORTH_KEY"}

    def typed(*words: object, environ: Mapping[str, str] | None = None) -> Run:
        def opening(home: Path | None) -> Client:
            given = {**stage.settings().environ, "NORTH_KEY": stage.emulator.key("nordic"), **(environ or {})}
            settings = Settings(home=stage.home / "home", environ=given, providers={"north": north})
            return Client(settings=settings, clock=stage.clock, providers=[azure_provider])

        code = main([str(word) for word in words], opening=opening)
        return Run(code, *capsys.readouterr())

    return typed


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return rows_file(tmp_path)


def submitted(shell: Shell, rows: Path, *more: object, provider: str = "azure", **how: Any) -> Run:
    return shell("submit", rows, "--base", "gpt-4.1-mini", "--provider", provider, "--epochs", 2, "--yes", "--json", *more, **how)


def test_a_job_is_submitted_followed_and_told_of_by_its_uri(shell: Shell, rows: Path) -> None:
    uri = str(submitted(shell, rows, "--suffix", "cards").document["uri"])
    assert uri.startswith("azure:contoso/ftjob-")
    assert shell("jobs", "wait", uri).code == 0
    job = shell("jobs", "show", uri, "--json").document
    assert (job["state"], job["provider_state"], job["scope"].rpartition("/")[2]) == ("succeeded", "succeeded", "contoso")
    assert job["model"].startswith("azure:contoso/gpt-4.1-mini-2025-04-14.ft-")
    assert "Job succeeded." in shell("jobs", "events", uri).out
    assert "24" in shell("jobs", "metrics", uri).out
    (model,) = shell("models", "list", "--provider", "azure", "--json").document["models"]
    assert (model["uri"], model["job_uri"]) == (job["model"], uri)


def test_a_dry_run_shows_the_training_type_and_sends_nothing(shell: Shell, stage: Stage, rows: Path) -> None:
    run = shell("submit", rows, "--base", "gpt-4.1-mini", "--provider", "azure", "--epochs", 2, "--dry-run")
    assert (run.code, stage.emulator.log.count()) == (0, 0)
    assert '"trainingType": "GlobalStandard"' in run.out


@pytest.mark.parametrize(("chosen", "tier"), [("standard", "regional"), ("global", "global"), ("developer", "developer")])
def test_what_is_confirmed_is_the_price_of_the_tier_that_is_asked_for(
    shell: Shell, rows: Path, tmp_path: Path, chosen: str, tier: str
) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(f'base = "gpt-4.1-mini"\ntrain = "{rows}"\n[options.azure]\ntraining_type = "{chosen}"\n', encoding="utf-8")
    plan = shell("submit", path, "--provider", "north", "--epochs", 2, "--dry-run", "--json").document
    assert [quote["tier"] for quote in plan["quotes"]] == [tier]


def test_two_resources_are_two_names(shell: Shell, rows: Path) -> None:
    uris = [str(submitted(shell, rows, provider=name).document["uri"]) for name in ("azure", "north")]
    assert [uri.rpartition("/")[0] for uri in uris] == ["azure:contoso", "north:nordic"]
    assert {job["uri"] for job in shell("jobs", "list", "--json").document["jobs"]} == set(uris)


def test_a_check_says_what_is_there(shell: Shell) -> None:
    run = shell("providers", "check", "azure")
    assert run.code == 0
    assert "AZURE_OPENAI_API_KEY" in run.out
    assert "0 training, 0 waiting" in run.out


@pytest.mark.parametrize(
    ("environ", "more", "expected"),
    [
        ({"AZURE_OPENAI_ENDPOINT": "https://api.openai.com/v1"}, (), (2, "that is OpenAI's own address")),
        ({"AZURE_OPENAI_ENDPOINT": "contoso.openai.azure.com"}, (), (2, "it has no scheme and host")),
        ({"AZURE_OPENAI_ENDPOINT": ""}, (), (2, "no endpoint is named")),
        ({"OPENAI_API_VERSION": "2024-10-21"}, (), (2, "api_version 2024-10-21 is too old to train with")),
        ({"OPENAI_API_VERSION": "soon"}, (), (2, "api_version 'soon' is none")),
        ({"AZURE_OPENAI_API_KEY": "key-of-another-resource"}, (), (3, "contoso refused the key in AZURE_OPENAI_API_KEY")),
        ({"AZURE_OPENAI_API_KEY": "", "AZURE_OPENAI_AD_TOKEN": "ended"}, (), (3, "refused the token of AZURE_OPENAI_AD_TOKEN")),
        ({}, ("--suffix", "v1.2"), (2, "'.', which is not taken")),
        ({}, ("--suffix", "nineteen-characters"), (2, "19 characters; at most 18")),
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
    assert error["remedy"] or "suffix" in error["message"]
    assert "key-of-another-resource" not in run.out + run.err
    assert shell("jobs", "list", "--json").document["jobs"] == []


def test_a_resource_whose_region_trains_nothing_says_so_with_the_vendors_words(shell: Shell, rows: Path, stage: Stage) -> None:
    environ = {"AZURE_OPENAI_ENDPOINT": stage.emulator.endpoint("remote"), "AZURE_OPENAI_API_KEY": stage.emulator.key("remote")}
    run = submitted(shell, rows, environ=environ)
    error = run.document["error"]
    assert (run.code, error["type"]) == (3, "Refused")
    assert "remote does not train gpt-4.1-mini-2025-04-14 as global" in error["message"]
    assert "does not support fine-tuning" in error["reason"]
