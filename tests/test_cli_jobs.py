"""`tuneport jobs`: several jobs at once, names that are none, Ctrl-C, and what must not be printed."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Shell
from desks import ScriptedWire

from tuneport.job import JobState, Snapshot
from tuneport.testing.fake import FakeTrainer
from tuneport.testing.wire import HttpAnswer, NoAnswer


@pytest.fixture
def wire() -> ScriptedWire:
    return ScriptedWire()


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], wire: ScriptedWire) -> Shell:
    return Shell(tmp_path, capsys, wire=wire)


def test_a_refusal_among_several_jobs_stands_in_the_json(shell: Shell) -> None:
    done = shell.finished()
    live = shell.submitted("--seed", "1")
    run = shell("jobs", "cancel", done, live, "--json")
    assert [job["uri"] for job in run.document["jobs"]] == [live]
    (error,) = run.document["errors"]
    assert (error["job"], error["type"], error["exit_code"]) == (done, "UsageError", 2)
    assert "already succeeded" in error["message"]


def test_a_job_named_twice_is_acted_upon_once(shell: Shell, wire: ScriptedWire) -> None:
    uri = shell.submitted()
    run = shell("jobs", "cancel", uri, uri.removeprefix("fake:"), "--json")
    assert run.code == 0
    assert len(run.document["jobs"]) == 1
    assert wire.count("POST /jobs/ftjob-0001/cancel") == 1


def test_a_job_named_twice_is_waited_for_once(shell: Shell) -> None:
    uri = shell.submitted()
    run = shell("jobs", "wait", uri, uri.removeprefix("fake:"))
    assert run.out.count(f"{uri} succeeded") == 1


def test_no_name_at_all_cancels_nothing(shell: Shell) -> None:
    uri = shell.submitted()
    assert shell("jobs", "cancel", "").code == 2
    assert shell("jobs", "show", uri, "--json").document["state"] != "cancelling"


def test_a_provider_that_does_not_exist_is_no_empty_list(shell: Shell) -> None:
    run = shell("jobs", "list", "--provider", "faek")
    assert run.code == 2
    assert "did you mean 'fake'" in run.err
    assert shell("jobs", "list", "--provider", "fake").code == 0


def test_a_key_in_what_a_provider_says_is_not_printed_while_waiting(shell: Shell, wire: ScriptedWire) -> None:
    uri = shell.submitted()
    wire.before("GET /jobs/ftjob-0001", NoAnswer("bad token=abcdef123456 in request"))
    run = shell("jobs", "wait", uri)
    assert "did not answer" in run.err
    assert "abcdef123456" not in run.err


def test_a_wait_that_is_turned_away_says_so_once(shell: Shell, wire: ScriptedWire) -> None:
    uri = shell.submitted()
    wire.before("GET /jobs/ftjob-0001", HttpAnswer(401, "bad_key"))
    run = shell("jobs", "wait", uri)
    assert run.code == 3
    assert run.err.count("bad_key") == 1
    assert "Trying again" not in run.err


def test_sync_names_a_provider_that_cannot_be_asked_and_goes_on(shell: Shell) -> None:
    uri = shell.submitted()
    with shell.opening(None) as client:
        client.registry.add("aaa", "somewhere", Snapshot("x", JobState.RUNNING, "run"))
    run = shell("jobs", "sync", "--json")
    assert [result["kind"] for result in run.document["results"]] == ["unreachable", "updated"]
    assert run.document["results"][0]["error"]["type"] == "UnknownProvider"
    assert run.document["results"][1]["job"]["uri"] == uri
    assert run.code == 2


def test_ctrl_c_during_a_submit_says_that_its_outcome_is_not_known(shell: Shell, wire: ScriptedWire) -> None:
    wire.after("POST /jobs", KeyboardInterrupt())  # type: ignore[arg-type]
    run = shell("submit", shell.data(), "--base", "fake-small", "--provider", "fake", "--yes")
    assert run.code == 130
    assert "whether the job was created is not known" in run.err
    assert "tuneport jobs sync" in run.err
    assert shell("jobs", "sync", "--json").document["results"][0]["kind"] == "adopted"


def test_ctrl_c_anywhere_else_is_said_and_exits_130(shell: Shell, wire: ScriptedWire) -> None:
    uri = shell.submitted()
    wire.before("GET /jobs/ftjob-0001", KeyboardInterrupt())  # type: ignore[arg-type]
    run = shell("jobs", "show", uri)
    assert (run.code, run.out, run.err) == (130, "", "interrupted.\n")


@pytest.mark.parametrize("end", [EOFError("no more"), SystemExit(0), SystemExit("bye")])
def test_a_plugin_that_ends_in_a_create_neither_ends_in_silence_nor_claims_that_nothing_was_done(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, end: BaseException
) -> None:
    honest = FakeTrainer.create

    def create(self: FakeTrainer, *sent: object) -> None:
        honest(self, *sent)  # type: ignore[arg-type]
        raise end

    monkeypatch.setattr(FakeTrainer, "create", create)
    run = shell("submit", shell.data(), "--base", "fake-small", "--provider", "fake", "--yes")
    assert run.code == 4
    assert type(end).__name__ in run.err
    assert "nothing was done" not in run.err
    assert "adopted fake:ftjob-0001" in shell("jobs", "sync").out


def test_a_key_that_a_provider_quotes_is_not_listed_with_an_uncertain_submit(shell: Shell, wire: ScriptedWire) -> None:
    wire.before("POST /jobs", NoAnswer("reset"))
    wire.before("GET /jobs?", *[HttpAnswer(401, "bad key sk-abcdefghijklmnop")] * 20)
    assert shell("submit", shell.data(), "--base", "fake-small", "--provider", "fake", "--yes").code == 4
    for run in (shell("jobs", "list"), shell("jobs", "list", "--json")):
        assert "bad key [hidden]" in run.out


def test_a_refusal_is_said_beside_the_states_last_heard(shell: Shell, wire: ScriptedWire, caplog: pytest.LogCaptureFixture) -> None:
    uri = shell.submitted()
    for command in (("jobs", "list", "--refresh"), ("jobs", "show", uri)):
        caplog.clear()
        wire.before("GET /jobs", HttpAnswer(401, "bad key sk-abcdefghijklmnop"))
        assert shell(*command).code == 0
        assert "fake did not answer" in caplog.text
        assert "bad key [hidden]" in caplog.text
