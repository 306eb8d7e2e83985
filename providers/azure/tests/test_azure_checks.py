"""`tuneport providers check azure`: what can be told without creating anything."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tuneport_azure.emulator.resources import Quotas

from tuneport.finding import Finding
from tuneport.testing.emulator.faults import Reset, ServerError
from tuneport.testing.kit import make

from .azure_stage import DATED, Stage, recipe, staged


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


def about(findings: Sequence[Finding], rule: str) -> str:
    return " | ".join(f"{found.severity}: {found.message} {found.remedy}" for found in findings if found.rule == rule)


def errors(findings: Sequence[Finding]) -> list[str]:
    return [found.message for found in findings if found.severity == "error"]


def test_it_says_whose_key_goes_where_in_which_version_and_never_the_key(stage: Stage) -> None:
    findings = stage.trainer().check()
    assert "AZURE_OPENAI_API_KEY" in about(findings, "key")
    assert stage.emulator.endpoint() in about(findings, "key")
    assert "v1 API" in about(findings, "version")
    assert "global" in about(findings, "training_type")
    assert stage.emulator.key() not in repr(findings)
    assert not errors(findings)
    assert stage.emulator.log.effects() == 0


def test_with_entra_it_says_so(stage: Stage) -> None:
    environ = {**stage.settings().environ, "AZURE_OPENAI_API_KEY": "", "AZURE_OPENAI_AD_TOKEN": stage.emulator.token(role="user")}
    findings = stage.trainer(environ=environ).check()
    assert "AZURE_OPENAI_AD_TOKEN" in about(findings, "key")
    assert "this identity" in about(findings, "role")
    assert not errors(findings)


def test_a_dated_version_is_named_and_one_that_is_too_old_is_an_error(stage: Stage) -> None:
    assert DATED in about(stage.trainer(api_version=DATED).check(), "version")
    said = about(stage.trainer(api_version="2024-10-21").check(), "version")
    assert said.startswith("error:")
    assert "too old to train with" in said


def test_a_key_of_another_resource_is_an_error_that_says_what_it_may_be(stage: Stage) -> None:
    environ = {**stage.settings().environ, "AZURE_OPENAI_API_KEY": stage.emulator.key("nordic")}
    findings = stage.trainer(environ=environ).check()
    assert about(findings, "reach").startswith("error:")
    assert "key of another resource" in about(findings, "reach")
    assert stage.emulator.key("nordic") not in repr(findings)


@pytest.mark.parametrize("fault", [Reset(), ServerError(502, "html")])
def test_nobody_there_is_an_error_of_azures_too(stage: Stage, fault: Reset | ServerError) -> None:
    stage.emulator.faults.always(fault)
    assert about(stage.trainer().check(), "reach").startswith("error:")


def test_quotas_are_told_before_they_bite(tmp_path: Path) -> None:
    with staged(tmp_path, quotas=Quotas(running_jobs=1)) as stage:
        trainer = stage.trainer()
        assert "a new job would wait" not in about(trainer.check(), "quota")
        for number in range(3):
            make(trainer, recipe().model_copy(update={"seed": number}))
        stage.clock.sleep(200)
        said = about(trainer.check(), "quota")
        assert "contoso has 3 jobs: 1 training, 2 waiting, 0 paused" in said
        assert "a new job would wait for 3 before it" in said
        for number in range(3, 92):
            made = make(trainer, recipe().model_copy(update={"seed": number}))
            trainer.cancel(made.id)
        assert "92 of about 100 jobs" in about(trainer.check(), "quota")


def test_the_ends_of_bases_and_of_ones_own_models_are_told_by_the_vendors_list(stage: Stage) -> None:
    trainer = stage.trainer()
    made = make(trainer, recipe())
    stage.clock.sleep(36_000)
    model = trainer.result(made.id)
    said = about(trainer.check(), "retirement")
    assert "gpt-4.1-mini-2025-04-14" in said
    assert "2027-04-14 (144 days left)" in said
    assert f"your {model.id.partition('/')[2]}" in said


def test_without_a_subscription_the_region_is_not_looked_at(stage: Stage) -> None:
    assert "the subscription is not named" in about(stage.trainer().check(), "region")


def test_what_the_region_offers_is_told_where_it_may_be_seen(stage: Stage) -> None:
    said = about(stage.managed().check(), "region")
    assert "contoso stands in eastus2" in said
    assert "gpt-4.1-mini-2025-04-14 (developer, global)" in said


def test_a_tier_that_the_region_does_not_have_is_a_warning_with_those_that_it_has(stage: Stage) -> None:
    said = about(stage.managed(training_type="standard").check(), "region")
    assert "no model is trained as standard in eastus2" in said
    assert "developer or global" in said


def test_a_region_without_fine_tuning_is_an_error(stage: Stage) -> None:
    findings = stage.managed(resource="remote").check()
    assert "norwayeast, where no model can be fine-tuned" in about(findings, "region")
    assert errors(findings)


def test_an_identity_that_may_not_look_at_the_management_plane_is_warned_and_no_more(stage: Stage) -> None:
    findings = stage.managed(role="nobody").check()
    assert about(findings, "role").startswith("warning:")
    assert not errors(findings)
