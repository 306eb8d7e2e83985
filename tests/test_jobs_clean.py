"""`tuneport jobs clean`: uploads that nobody needs any more go, and only those."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from commands import Shell
from desks import ScriptedWire

from tuneport.provider import Trainer
from tuneport.testing.wire import HttpAnswer, NoAnswer

OTHER = "".join(
    json.dumps({"messages": [{"role": "user", "content": f"other {n}"}, {"role": "assistant", "content": "yes"}]}) + "\n" for n in range(12)
)
DAY_S = 86_400.0


@pytest.fixture
def wire() -> ScriptedWire:
    return ScriptedWire()


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], wire: ScriptedWire) -> Shell:
    return Shell(tmp_path, capsys, wire=wire)


def submit_other(shell: Shell) -> str:
    words = ("submit", shell.data("other.jsonl", OTHER), "--base", "fake-small", "--provider", "fake", "--yes", "--json")
    return str(shell(*words).document["uri"])


def test_files_of_ended_jobs_are_deleted_and_those_of_live_ones_stay(shell: Shell) -> None:
    shell.finished()
    submit_other(shell)
    (idle, busy) = shell.cloud.files
    run = shell("jobs", "clean", "--yes", "--json")
    assert run.code == 0
    (file,) = run.document["files"]
    assert (file["file_id"], file["deleted"], file["provider"]) == (idle, True, "fake")
    assert list(shell.cloud.files) == [busy]


def test_a_list_comes_first_with_names_sizes_and_ages(shell: Shell) -> None:
    shell.finished()
    (file,) = shell.cloud.files.values()
    shell.clock.sleep(3 * DAY_S)
    run = shell("jobs", "clean", "--dry-run")
    assert run.code == 0
    assert f"{file.size_bytes:,}" in run.out
    assert file.name.partition(".")[0] in run.out
    assert "3 d" in run.out
    assert list(shell.cloud.files) == [file.id]


def test_without_a_terminal_and_without_yes_nothing_is_deleted(shell: Shell) -> None:
    shell.finished()
    run = shell("jobs", "clean")
    assert run.code == 2
    assert "--yes" in run.err
    assert len(shell.cloud.files) == 1


def test_only_what_was_unused_for_long_enough_goes(shell: Shell) -> None:
    shell.finished()
    shell.clock.sleep(10 * DAY_S)
    assert shell("jobs", "clean", "--older-than", "30d", "--yes", "--json").document["files"] == []
    shell.clock.sleep(21 * DAY_S)
    assert len(shell("jobs", "clean", "--older-than", "30d", "--yes", "--json").document["files"]) == 1
    assert not shell.cloud.files


@pytest.mark.parametrize("age", ["", "30", "d", "-1d", "3 months", "999999d"])
def test_an_age_that_is_none_is_refused(shell: Shell, age: str) -> None:
    run = shell("jobs", "clean", "--older-than", age, "--yes")
    assert run.code == 2
    assert "write for example" in run.err


def test_files_that_others_uploaded_are_left_alone(shell: Shell) -> None:
    shell.finished()
    shell.cloud.post_file("theirs.jsonl", purpose="train", chunks=[b"rows"])
    shell.cloud.post_file("tuneport-0123.jsonl", purpose="train", chunks=[b"rows"])
    assert shell("jobs", "clean", "--yes").code == 0
    assert [file.name for file in shell.cloud.files.values()] == ["theirs.jsonl", "tuneport-0123.jsonl"]


def test_a_file_that_a_live_job_of_another_machine_uses_stays(shell: Shell) -> None:
    shell.finished()
    (file_id,) = shell.cloud.files
    body = dict(next(iter(shell.cloud.jobs.values())).body)
    shell.cloud.add_foreign_job({**body, "metadata": {}, "files": {"train": file_id}})
    assert shell("jobs", "clean", "--yes", "--json").document["files"] == []
    assert file_id in shell.cloud.files


def test_a_file_of_a_submit_whose_outcome_is_not_known_stays(shell: Shell, wire: ScriptedWire) -> None:
    wire.before("POST /jobs", NoAnswer("reset"))
    assert shell("submit", shell.data(), "--base", "fake-small", "--provider", "fake", "--yes").code == 4
    assert shell("jobs", "clean", "--yes", "--json").document["files"] == []
    assert len(shell.cloud.files) == 1


def test_a_file_that_was_gone_already_is_forgotten(shell: Shell) -> None:
    shell.finished()
    shell.cloud.lose_files()
    run = shell("jobs", "clean", "--yes")
    assert run.code == 0
    assert "was gone already" in run.out
    assert "Nothing to clean" in shell("jobs", "clean", "--yes").out


def test_a_deleted_file_is_uploaded_again_when_it_is_wanted_again(shell: Shell) -> None:
    shell.finished()
    shell("jobs", "clean", "--yes")
    uri = shell.submitted("--seed", "5")
    assert shell("jobs", "wait", uri).code == 0
    assert shell.cloud.counts["POST /files"] == 2


def test_a_provider_that_gives_no_answer_ends_with_4_and_its_files_are_not_forgotten(shell: Shell, wire: ScriptedWire) -> None:
    shell.finished()
    wire.before("DELETE /files", NoAnswer("reset"))
    run = shell("jobs", "clean", "--yes", "--json")
    assert run.code == 4
    assert [error["type"] for error in run.document["errors"]] == ["Ambiguous"]
    assert not run.document["files"][0]["deleted"]
    assert shell("jobs", "clean", "--yes", "--json").document["files"][0]["deleted"]


def test_a_refusal_is_said_with_its_file(shell: Shell, wire: ScriptedWire) -> None:
    shell.finished()
    wire.before("DELETE /files", HttpAnswer(401, "bad_key"))
    run = shell("jobs", "clean", "--yes", "--json")
    assert run.code == 3
    assert run.document["errors"][0]["file_id"] in shell.cloud.files


def test_a_provider_that_cannot_be_asked_for_live_jobs_loses_no_file(shell: Shell, wire: ScriptedWire) -> None:
    shell.finished()
    wire.before("GET /jobs?", *[NoAnswer("down")] * 4)
    run = shell("jobs", "clean", "--yes", "--json")
    assert run.code == 4
    assert len(shell.cloud.files) == 1


class Keeping:
    """A trainer without a way to delete files."""

    def __init__(self, trainer: Trainer) -> None:
        self._trainer = trainer

    def __getattr__(self, name: str) -> object:
        if name == "delete_file":
            raise AttributeError(name)
        return getattr(self._trainer, name)


def test_a_provider_that_deletes_no_files_is_named(shell: Shell) -> None:
    shell.finished()
    opened = shell.provider.open_trainer
    shell.provider = replace(shell.provider, open_trainer=lambda settings: Keeping(opened(settings)))  # type: ignore[arg-type,return-value]
    asked_for = shell("jobs", "clean", "--provider", "fake", "--yes")
    assert asked_for.code == 2
    assert "no way to delete" in asked_for.err
    for_all = shell("jobs", "clean", "--yes")
    assert for_all.code == 0
    assert "no way to delete" in for_all.err
    assert len(shell.cloud.files) == 1
