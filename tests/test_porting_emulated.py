"""Ports between the clouds' real adapters, over their emulators."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from platforms import Platforms, cards, comparison, opened, ported, step

from tuneport.porting.wishes import Wishes


@pytest.fixture
def platforms(capsys: pytest.CaptureFixture[str]) -> Iterator[Platforms]:
    with opened(capsys) as found:
        yield found


def test_from_openai_to_azure_the_same_weights_are_proved_equal_and_the_printed_code_runs(platforms: Platforms, tmp_path: Path) -> None:
    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 60), "--suffix", "cards.of-all-customers")
    test = cards(tmp_path / "test.jsonl", 200, start=1000)
    refused = platforms("port", uri, "--to", "azure", "--test", test, "--yes", "--json")
    assert refused.code == 2
    assert "--deploy" in refused.err
    run = platforms("port", uri, "--to", "azure", "--test", test, "--yes", "--deploy", "--json")
    assert run.code == 0, run.err
    done = ported(run)
    assert (done["verdict"], done["job"]["base"], done["target"].partition("/")[2].partition("/")[0]) == (
        "equal",
        "gpt-4.1-mini-2025-04-14",
        "deployments",
    )
    proof = comparison(run)
    assert proof["models"]["prompted"]["uri"] == "openai:gpt-4.1-mini-2025-04-14"  # at Azure it would take a deployment of its own
    assert "1,241.00 USD a month" in proof["models"]["new"]["cost_per_1000"]["note"]
    assert next(each["becomes"] for each in step(run, "map")["changes"] if each["setting"] == "suffix") == "cards-of-all-custo"
    before = Path(done["folder"]) / "before.py"
    assert platforms.runs(before, "My card number 1004 is lost") == "lost"
    assert platforms.runs(done["switch"]["path"], "My card number 1004 is lost") == "lost"
    again = platforms("port", uri, "--to", "azure", "--test", test, "--json")
    assert (again.code, ported(again)["verdict"], len(platforms.azure.world.jobs)) == (0, "equal", 1)
    onwards = platforms("port", done["job"]["uri"], "--to", "local", "--base", "smollm2-135m-instruct", "--dry-run", "--json")
    assert onwards.code == 0, onwards.err
    assert onwards.records[-1]["plan"]["files"][0]["rows"] == 60 - 12


def test_what_another_machine_tuned_is_carried_from_the_name_of_its_model(platforms: Platforms, tmp_path: Path) -> None:
    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 60))
    with platforms.client() as client:
        model = str(client.job(uri, refresh=False).model)
    with platforms.client(platforms.home.with_name("elsewhere")) as client:
        done = client.port(model, Wishes(to="azure", ask=0), agree=("train", "ask", "deploy"))
    assert done.source.recipe is None
    assert done.job.provider == "azure"
    assert done.source.train is not None
    assert done.source.train.count() == 60


def test_epochs_that_were_left_to_the_old_provider_are_those_that_it_took(platforms: Platforms, tmp_path: Path) -> None:
    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 60))
    run = platforms("port", uri, "--to", "azure", "--dry-run", "--max-cost", 1, "--json")
    assert run.code == 0, run.err
    epochs = run.records[-1]["plan"]["hyperparameters"]["epochs"]
    with platforms.client() as client:
        assert epochs == client.model(uri).details["hyperparameters"]["n_epochs"]
    assert isinstance(epochs, int)


def test_what_azure_answers_by_in_the_end_can_be_talked_to_and_measured_as_model_as_deployment_and_as_job(
    platforms: Platforms, tmp_path: Path
) -> None:
    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 60))
    test = cards(tmp_path / "test.jsonl", 40, start=1000)
    done = ported(platforms("port", uri, "--to", "azure", "--test", test, "--yes", "--deploy", "--json"))
    for name in (done["model"]["uri"], done["target"], done["job"]["uri"]):
        assert platforms("models", "chat", name, "My card number 1002 is lost").out.strip() == "lost"
        run = platforms("models", "eval", name, test, "--against", done["old_model"], "--yes", "--json")
        assert run.code == 0, run.err
        assert (run.document["metrics"]["exact_match"], run.document["rows"]) == (1.0, 40)
        assert run.document["difference"]["exact_match"]["value"] == 0
    assert platforms("models", "undeploy", done["target"], "--yes").code == 0
    gone = platforms("models", "chat", done["model"]["uri"], "My card number 1002 is lost")
    assert (gone.code, "models deploy" in gone.err) == (3, True)


def test_an_old_model_that_nothing_serves_is_compared_as_soon_as_it_is_deployed_and_nothing_is_paid_twice(
    platforms: Platforms, tmp_path: Path
) -> None:
    uri = platforms.tuned(cards(tmp_path / "cards.jsonl", 40), at="azure")
    carry = ("port", uri, "--to", "openai", "--test", cards(tmp_path / "test.jsonl", 200, start=1000), "--yes")
    before = platforms(*carry, "--dry-run")
    assert "none stands; to compare with it: tuneport models deploy azure:contoso/" in " ".join(before.out.split())
    silent = platforms(*carry)
    assert silent.code == 0, silent.err
    assert "Nothing to compare" in silent.out
    assert "tuneport models deploy azure:contoso/" in silent.out
    platforms.deployed(uri, "late")
    run = platforms(*carry, "--json")
    assert (run.code, ported(run)["verdict"], len(platforms.openai.world.jobs)) == (0, "equal", 1)
    assert platforms.runs(Path(ported(run)["folder"]) / "before.py", "My card number 1002 is lost") == "lost"


def test_all_tunes_of_a_provider_go_as_far_as_the_budget_and_the_next_run_pays_only_for_the_rest(
    platforms: Platforms, tmp_path: Path
) -> None:
    small, middle, large = (platforms.tuned(cards(tmp_path / f"{count}.jsonl", count), "--epochs", 2) for count in (40, 80, 400))
    carry = ("--home", platforms.home.with_name("elsewhere"), "--json", "port", "--all-from", "openai", "--to", "azure", "--ask", 20)
    dry = platforms(*carry, "--dry-run")
    highest = {record["named"]: upper_bound(record["facts"]) for record in dry.records if record.get("step") == "quote"}
    assert highest[small] + highest[middle] < Decimal("0.01") < highest[large]
    assert platforms.azure.world.jobs == {}
    first = platforms(*carry, "--max-cost", "0.01", "--yes", "--deploy")
    ends = {record["named"]: record for record in first.records if record["record"] == "port"}
    assert {name: end["error"] is None for name, end in ends.items()} == {small: True, middle: True, large: False}
    assert first.code == 2
    assert "was not carried" in ends[large]["error"]["message"]
    assert len(platforms.azure.world.jobs) == 2
    again = platforms(*carry, "--max-cost", "0.03", "--yes", "--deploy")
    assert again.code == 0, again.err
    ends = {record["named"]: record for record in again.records if record["record"] == "port"}
    assert len({end["target"] for end in ends.values()}) == len(platforms.azure.world.jobs) == 3
    assert {end["verdict"] for end in ends.values()} == {"cannot tell"}  # from so few rows
    assert platforms.runs(ends[large]["switch"]["path"], "My card number 1002 is lost") == "lost"


def upper_bound(quoted: Any) -> Decimal:
    """Of a tune's training and answers."""
    return Decimal(quoted["training_usd"][2]) + Decimal(quoted["asking_usd"][2])
