"""Tunes of Azure ML and tunes that go there: ported and watched, over the emulators."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from azureml_platforms import WithAzureML, opened_with_azureml
from platforms import cards, ported, step

PHI = "Phi-3-mini-4k-instruct"
QUESTION = "My card number 1002 is lost"


@pytest.fixture
def platforms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[WithAzureML]:
    with opened_with_azureml(tmp_path / "home", capsys) as found:
        yield found


def test_from_openai_to_azure_ml_the_copy_is_deployed_once_it_is_agreed_to_and_proved_equal(platforms: WithAzureML, tmp_path: Path) -> None:
    rows, test = cards(tmp_path / "cards.jsonl", 60), cards(tmp_path / "test.jsonl", 200, start=1000)
    uri = platforms.trained(rows, at="openai", epochs=3, learning_rate_multiplier=2)
    words = ("port", uri, "--to", "azureml", "--base", PHI, "--test", test, "--yes", "--json")
    asked = platforms(*words)
    assert asked.code == 2
    assert "costs money as long as it stands" in asked.err
    assert platforms.azureml.world.shelf.endpoints == {}
    run = platforms(*words, "--deploy")
    assert run.code == 0, run.err
    done = ported(run)
    assert (done["verdict"], done["job"]["base"]) == ("equal", PHI)
    assert done["target"].startswith("azureml:serverlessEndpoints/")
    changes = {each["setting"]: each for each in step(run, "map")["changes"]}
    assert (changes["epochs"]["becomes"], changes["learning_rate_multiplier"]["becomes"]) == (3, "auto")
    assert platforms("models", "chat", done["target"], QUESTION).out.strip() == "lost"
    assert len(platforms.azureml.world.jobs) == len(platforms.azureml.world.shelf.endpoints) == 1


def test_from_azure_ml_to_openai_a_tune_is_carried_with_its_rows(platforms: WithAzureML, tmp_path: Path) -> None:
    rows, test = cards(tmp_path / "cards.jsonl", 60), cards(tmp_path / "test.jsonl", 200, start=1000)
    uri = platforms.trained(rows, at="azureml", base=PHI, epochs=2)
    assert platforms("models", "deploy", uri, "--yes").code == 0
    platforms.clock.sleep(60)
    run = platforms("port", uri, "--to", "openai", "--base", "gpt-4.1-mini", "--test", test, "--yes", "--json")
    assert run.code == 0, run.err
    done = ported(run)
    assert (done["verdict"], done["job"]["provider"]) == ("equal", "openai")
    changes = {each["setting"]: each for each in step(run, "map")["changes"]}
    assert changes["epochs"]["becomes"] == 2


def test_what_another_machine_tuned_at_azure_ml_is_carried_from_the_name_of_its_model(platforms: WithAzureML, tmp_path: Path) -> None:
    uri = platforms.trained(cards(tmp_path / "cards.jsonl", 60), at="azureml", base=PHI)
    with platforms.client() as client:
        model = str(client.job(uri, refresh=False).model)
    words = ("--home", tmp_path / "elsewhere", "port", model, "--to", "openai", "--base", "gpt-4.1-mini", "--ask", 0, "--yes", "--json")
    run = platforms(*words)
    assert run.code == 0, run.err
    assert ported(run)["job"]["provider"] == "openai"


def test_watch_says_that_no_end_of_a_tune_of_azure_ml_is_known_and_not_that_it_has_none(platforms: WithAzureML, tmp_path: Path) -> None:
    uri = platforms.trained(cards(tmp_path / "cards.jsonl", 60), at="azureml", base=PHI)
    run = platforms("watch", "--provider", "azureml", "--all", "--json")
    assert run.code == 0, run.err
    (seen,) = run.document["watched"]
    assert (seen["job_uri"], seen["base"], seen["serving_ends"]) == (uri, PHI, None)
    assert seen["todo"] == "no end is known: ask azureml"
