"""The demo, over a provider that does not exist: what it says, what it leaves, and how it meets an earlier run."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from commands import CHAT_ROWS, Shell

from tuneport.plan import Plan
from tuneport.provider import Provider
from tuneport.recipe import Recipe
from tuneport.testing.cloud import FakeCloud
from tuneport.testing.fake import FakeTrainer
from tuneport.testing.server import FakeServer

pytest.importorskip("matplotlib")


class AnyBase(FakeTrainer):
    """Tunes whatever it is asked to, as one of its own models."""

    def plan(self, recipe: Recipe) -> Plan:
        return super().plan(recipe.model_copy(update={"base": "fake-small"}))


def this_machine(cloud: FakeCloud) -> Provider:
    """A provider that calls itself local."""
    return Provider(
        name="local",
        summary="a machine that does not exist",
        open_trainer=lambda settings: AnyBase(cloud, names="client", name=settings.name),
        open_server=lambda settings: FakeServer(cloud, name=settings.name, bases=("fake-small",)),
        bills=False,
    )


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    shell = Shell(tmp_path, capsys)
    shell.provider = this_machine(shell.cloud)
    shell.data("tickets-train.jsonl")
    shell.data("tickets-test.jsonl", CHAT_ROWS.replace("message number", "another question, number"))
    return shell


def test_the_demo_goes_from_the_data_to_the_next_three_commands(shell: Shell, tmp_path: Path) -> None:
    run = shell("demo", "--data", tmp_path)
    assert run.code == 0, run.err
    steps = [line for line in run.out.splitlines() if line[:1].isdigit() and line[1:3] == ". "]
    assert [line[0] for line in steps] == ["1", "2", "3", "4", "5", "6", "7"]
    commands = [line.strip() for line in run.out.splitlines() if line.strip().startswith("$ tuneport ")]
    assert len(commands) == len(steps) + 3
    assert "tuned is within the noise of base+labels" in run.out
    assert tomllib.loads((tmp_path / "demo" / "recipe.toml").read_text())["base"] == {"local": "smollm2-135m-instruct"}
    assert (tmp_path / "demo" / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_demo_trains_again_after_the_first_has_ended(shell: Shell, tmp_path: Path) -> None:
    assert shell("demo", "--data", tmp_path).code == 0
    assert shell("demo", "--data", tmp_path).code == 0
    assert len(shell.cloud.jobs) == 2


def test_a_demo_beside_a_running_one_follows_the_same_job(shell: Shell, tmp_path: Path) -> None:
    assert shell("demo", "--data", tmp_path).code == 0
    running = shell("submit", tmp_path / "demo" / "recipe.toml", "--json").document["uri"]
    run = shell("demo", "--data", tmp_path)
    assert run.code == 0
    assert f"as {running}; it is followed instead of submitted twice" in run.out
    assert len(shell.cloud.jobs) == 2


def test_a_demo_resumes_the_job_of_one_that_was_killed(shell: Shell, tmp_path: Path) -> None:
    assert shell("demo", "--data", tmp_path).code == 0
    uri = shell("submit", tmp_path / "demo" / "recipe.toml", "--json").document["uri"]
    shell("jobs", "pause", uri)
    run = shell("demo", "--data", tmp_path)
    assert run.code == 0
    assert f"left {uri} paused; it is resumed" in run.out


def test_a_demo_without_its_data_says_how_to_get_them(shell: Shell, tmp_path: Path) -> None:
    run = shell("demo", "--data", tmp_path / "home")
    assert run.code == 2
    assert "--data DIR" in run.err
    assert not (tmp_path / "demo").exists()


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_trained(shell: Shell, tmp_path: Path) -> None:
    run = shell("demo", "--data", tmp_path, "--dir", tmp_path / "tickets-test.jsonl" / "demo")
    assert run.code == 2
    assert "--dir" in run.err
    assert shell.cloud.jobs == {}


def test_a_demo_whose_test_rows_were_trained_on_is_refused(shell: Shell, tmp_path: Path) -> None:
    shell.data("tickets-test.jsonl")
    run = shell("demo", "--data", tmp_path)
    assert run.code == 1
    assert "18 rows of tickets-test.jsonl stand in tickets-train.jsonl too" in run.err
    assert shell.cloud.jobs == {}


def test_the_demo_as_json_is_a_stream_of_records(shell: Shell, tmp_path: Path) -> None:
    records = shell("demo", "--data", tmp_path, "--json").records
    kinds = [record["record"] for record in records]
    assert [kind for kind in kinds if kind not in ("job", "progress")] == [*["step"] * 6, "evaluation", "step", "done"]
    assert len(records[-1]["next"]) == 3
