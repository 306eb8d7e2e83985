"""`tuneport providers check`: what can be told without creating anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tuneport_openai.adapter.trainer import OpenAITrainer

from tuneport.finding import Finding
from tuneport.provider import ProviderSettings
from tuneport.testing.emulator.faults import Reset, ServerError
from tuneport.testing.kit import make

from .stage import Stage, recipe, staged


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


def about(findings: Sequence[Finding], rule: str) -> str:
    return " | ".join(f"{found.severity}: {found.message} {found.remedy}" for found in findings if found.rule == rule)


def test_it_says_which_key_goes_where_and_never_the_key(stage: Stage) -> None:
    findings = stage.trainer().check()
    assert "OPENAI_API_KEY" in about(findings, "key")
    assert stage.emulator.base_url in about(findings, "key")
    assert stage.emulator.open_key not in repr(findings)
    assert not [found for found in findings if found.severity == "error"]
    assert stage.emulator.log.effects() == 0


def test_organization_and_project_are_said(stage: Stage) -> None:
    account = stage.emulator.account(stage.emulator.open_key)
    environ = {**stage.settings().environ, "OPENAI_ORG_ID": account.organisation, "OPENAI_PROJECT_ID": account.project}
    findings = OpenAITrainer(ProviderSettings(name="openai", home=stage.home, environ=environ, clock=stage.clock)).check()
    assert account.organisation in about(findings, "organization")
    assert account.project in about(findings, "project")


def test_a_missing_key_is_an_error_that_names_the_variable(tmp_path: Path) -> None:
    (finding,) = OpenAITrainer(ProviderSettings(name="openai", home=tmp_path)).check()
    assert (finding.rule, finding.severity) == ("key", "error")
    assert "export OPENAI_API_KEY" in finding.remedy


def test_a_wrong_key_is_an_error_in_the_vendors_words(stage: Stage) -> None:
    findings = stage.trainer(key="sk-wrong-key-of-somebody").check()
    assert about(findings, "reach").startswith("error:")
    assert "Incorrect API key" in about(findings, "reach")
    assert "sk-wrong" not in repr(findings)


def test_an_organization_that_the_key_does_not_belong_to_is_an_error(stage: Stage) -> None:
    environ = {**stage.settings().environ, "OPENAI_ORG_ID": "org-of-others"}
    findings = OpenAITrainer(ProviderSettings(name="openai", home=stage.home, environ=environ, clock=stage.clock)).check()
    assert about(findings, "reach").startswith("error:")


@pytest.mark.parametrize("fault", [Reset(), ServerError(502, "html")])
def test_nobody_there_is_an_error(stage: Stage, fault: Reset | ServerError) -> None:
    stage.emulator.faults.always(fault)
    assert about(stage.trainer().check(), "reach").startswith("error:")


def test_limits_are_shown_as_they_come_and_are_no_matter_where_there_are_none(stage: Stage) -> None:
    assert "gpt-4.1-mini-2025-04-14" in about(stage.trainer().check(), "limits")
    stage.emulator.faults.always(ServerError(500), on="GET /v1/fine_tuning/model_limits")
    findings = stage.trainer().check()
    assert about(findings, "limits").startswith("warning:")
    assert about(findings, "retirement")


def test_without_a_job_of_its_own_an_account_is_told_that_the_platform_is_probably_closed_to_it(stage: Stage) -> None:
    assert "probably be refused" in about(stage.trainer().check(), "open")
    assert "2026-05-07" in about(stage.trainer().check(), "open")


def test_with_jobs_it_is_told_until_when_it_may_create_more(stage: Stage) -> None:
    make(stage.trainer(), recipe())
    findings = stage.trainer().check()
    assert "2026-11-21" in about(findings, "open")
    assert "2027-01-06" in about(findings, "open")
    assert stage.emulator.organisation().id in about(findings, "organization")


def test_once_the_platform_is_closed_that_is_an_error_that_says_where_to_go(stage: Stage) -> None:
    stage.clock.sleep((datetime(2027, 1, 8, tzinfo=UTC) - stage.clock.now()).total_seconds())
    said = about(stage.trainer().check(), "open")
    assert said.startswith("error: no new jobs are taken since 2027-01-06")
    assert "tuneport quote" in said


def test_the_ends_of_bases_and_of_ones_own_models_are_told(stage: Stage) -> None:
    trainer = stage.trainer()
    make(trainer, recipe())
    stage.clock.sleep(3600)
    list(trainer.list())
    said = about(trainer.check(), "retirement")
    assert "tunes of gpt-4.1-2025-04-14" in said
    assert "your tuned model ft:gpt-4.1-mini" in said
    assert "2027-01-14 (54 days left)" in said


def test_a_compatible_endpoint_is_not_told_openais_dates(stage: Stage) -> None:
    findings = stage.elsewhere().check()
    assert about(findings, "reach").startswith("info:")
    assert not about(findings, "open")
    assert not about(findings, "retirement")
    assert "NEBIUS_API_KEY" in about(findings, "key")
