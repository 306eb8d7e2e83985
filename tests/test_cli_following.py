"""Waiting on the command line: what is said while a job runs, what ends a wait, and what a wait never does."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Shell
from desks import ScriptedWire

from tuneport.cli.progress import plain, standing
from tuneport.job import Job, JobState, Metric
from tuneport.testing.clock import START
from tuneport.testing.cloud import Course
from tuneport.testing.wire import HttpAnswer, NoAnswer


@pytest.fixture
def wire() -> ScriptedWire:
    return ScriptedWire()


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], wire: ScriptedWire) -> Shell:
    return Shell(tmp_path, capsys, wire=wire)


def interrupted(wire: ScriptedWire) -> None:
    """The next look at the job is where the user presses Ctrl-C."""
    wire.before("GET /jobs/ftjob-0001", KeyboardInterrupt())  # type: ignore[arg-type]


def test_wait_says_every_state_once_and_steps_as_they_go_by(shell: Shell) -> None:
    run = shell("jobs", "wait", shell.submitted())
    words = [line.split()[1] for line in run.out.splitlines() if line[2:3] == ":"]
    assert [word for word, before in zip(words, ["", *words], strict=False) if word != before] == [
        "validating",
        "queued",
        "running",
        "finalizing",
        "succeeded",
    ]
    assert "step 3  loss 0.6667" in run.out
    assert "\x1b" not in run.out
    assert run.code == 0


def test_wait_json_streams_jobs_and_steps_as_lines(shell: Shell) -> None:
    records = shell("jobs", "wait", shell.submitted(), "--json").records
    assert {record["record"] for record in records} == {"job", "progress"}
    assert records[0]["state"] == "validating"
    assert records[-1]["state"] == "succeeded"
    steps = [record["step"] for record in records if record["record"] == "progress"]
    assert steps == sorted(set(steps))


def test_submit_wait_json_begins_with_the_job_and_ends_with_its_end(shell: Shell) -> None:
    run = shell("submit", shell.data(), "--base", "fake-small", "--provider", "fake", "--yes", "--wait", "--json")
    states = [record["state"] for record in run.records if record["record"] == "job"]
    assert states == ["validating", "queued", "running", "finalizing", "succeeded"]
    assert run.code == 0


def test_ctrl_c_detaches_with_130_and_the_command_that_attaches_again(shell: Shell, wire: ScriptedWire) -> None:
    uri = shell.submitted()
    interrupted(wire)
    run = shell("jobs", "wait", uri)
    assert run.code == 130
    assert f"tuneport jobs wait {uri}" in run.err
    assert not run.err.startswith("error")
    assert not any("cancel" in call for call in wire.sent)


def test_ctrl_c_in_submit_wait_leaves_the_job_running(shell: Shell, wire: ScriptedWire) -> None:
    interrupted(wire)
    run = shell("submit", shell.data(), "--base", "fake-small", "--provider", "fake", "--yes", "--wait")
    assert run.code == 130
    assert "tuneport jobs wait fake:ftjob-0001" in run.err
    assert shell("jobs", "wait", "fake:ftjob-0001").code == 0


def test_a_time_limit_ends_the_wait_with_4_and_leaves_the_job_alone(shell: Shell) -> None:
    uri = shell.submitted()
    run = shell("jobs", "wait", uri, "--timeout", "30")
    assert run.code == 4
    assert f"tuneport jobs wait {uri}" in run.err
    assert shell("jobs", "wait", uri).code == 0


def test_an_unreachable_provider_is_said_and_waited_for(shell: Shell, wire: ScriptedWire) -> None:
    uri = shell.submitted()
    wire.before("GET /jobs/ftjob-0001", NoAnswer("reset"), HttpAnswer(503, "busy"))
    run = shell("jobs", "wait", uri)
    assert run.code == 0
    assert "fake did not answer" in run.err


def test_refused_credentials_end_the_wait_with_3(shell: Shell, wire: ScriptedWire) -> None:
    uri = shell.submitted()
    wire.before("GET /jobs/ftjob-0001", HttpAnswer(401, "bad_key"))
    assert shell("jobs", "wait", uri).code == 3


def test_several_jobs_end_with_1_when_one_of_them_failed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(tmp_path, capsys, course=lambda number: Course(ends="error" if number == 1 else "done"))
    failed, well = shell.submitted(), shell.submitted("--seed", "1")
    run = shell("jobs", "wait", failed, well)
    assert run.code == 1
    assert f"{failed} failed: loss became NaN at step 3" in run.out
    assert f"{well} succeeded" in run.out


def test_the_metrics_of_many_jobs_are_not_asked_for(shell: Shell, wire: ScriptedWire) -> None:
    def asked() -> int:
        return sum(call.endswith("/metrics") for call in wire.sent)

    uris = [shell.submitted("--seed", str(seed)) for seed in range(6)]
    assert shell("jobs", "wait", *uris).code == 0
    assert asked() == 0
    assert shell("jobs", "wait", shell.submitted("--seed", "8")).code == 0
    assert asked() > 0


JOB = Job("local:1", "local", "1", JobState.RUNNING)


def test_progress_tells_step_loss_speed_and_the_time_that_is_left() -> None:
    from datetime import timedelta

    metrics = [
        Metric(step, {"loss": 1.0 / step, "tokens_per_second": 800.0, "total_steps": 100.0}, START + timedelta(seconds=2 * step))
        for step in range(1, 41)
    ]
    one = standing(JOB, metrics)
    assert one.eta_s == pytest.approx(120.0)
    assert plain(one) == "running  step 40/100  loss 0.025  800 tokens/s  ETA 2:00"


def test_progress_without_a_known_end_has_no_eta() -> None:
    assert plain(standing(JOB, [Metric(3, {"loss": 0.5}, START)])) == "running  step 3  loss 0.5"
