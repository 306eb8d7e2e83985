"""The command line over the emulated Vertex AI: what one types, and what comes back, in one sentence where it is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from commands import Run
from tuneport_vertex import provider as vertex_provider
from tuneport_vertex.emulator import EUROPEAN_BUCKET, Habits

from tuneport import Client
from tuneport.cli import main
from tuneport.settings import Settings

from .vertex_stage import GEMINI, GEMMA, Stage, chats, staged

Shell = Callable[..., Run]


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


@pytest.fixture
def shell(stage: Stage, capsys: pytest.CaptureFixture[str]) -> Shell:
    """`environ` over the variables that the emulator prints; `europe` is a profile of the same project in another region."""
    europe = {"provider": "vertex", "location": "europe-west4", "bucket": f"gs://{EUROPEAN_BUCKET}/tuning"}

    def typed(*words: object, environ: Mapping[str, str] | None = None) -> Run:
        def opening(home: Path | None) -> Client:
            given = {**stage.settings().environ, **(environ or {})}
            settings = Settings(home=stage.home / "home", environ=given, providers={"europe": europe})
            return Client(settings=settings, clock=stage.clock, providers=[vertex_provider])

        code = main([str(word) for word in words], opening=opening)
        return Run(code, *capsys.readouterr())

    return typed


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    chats(24).write(path, format="chat")
    return path


def submitted(shell: Shell, rows: Path, *more: object, provider: str = "vertex", base: str = GEMINI, **how: Any) -> Run:
    return shell("submit", rows, "--base", base, "--provider", provider, "--epochs", 2, "--yes", "--json", *more, **how)


def test_a_gemini_is_tuned_followed_and_told_of_by_its_uri(shell: Shell, rows: Path) -> None:
    uri = str(submitted(shell, rows, "--suffix", "cards").document["uri"])
    assert uri.startswith("vertex:tune-main/us-central1/tuningJobs/")
    assert shell("jobs", "wait", uri).code == 0
    job = shell("jobs", "show", uri, "--json").document
    assert (job["state"], job["provider_state"], job["scope"]) == ("succeeded", "JOB_STATE_SUCCEEDED", "tune-main/us-central1")
    assert job["model"].startswith("vertex:tune-main/us")
    assert "Vertex AI tuned on 24 rows" in shell("jobs", "events", uri).out
    models = shell("models", "list", "--provider", "vertex", "--json").document["models"]
    assert [(model["uri"], model["job_uri"]) for model in models] == [(job["model"], uri)]


def test_submit_and_wait_in_one_command_ends_with_the_model(shell: Shell, rows: Path) -> None:
    run = submitted(shell, rows, "--wait")
    assert run.code == 0
    assert '"state":"succeeded"' in run.out.replace(" ", "")


def test_an_open_model_is_tuned_in_a_profile_of_another_region(shell: Shell, rows: Path, stage: Stage) -> None:
    uri = str(submitted(shell, rows, provider="europe", base=GEMMA).document["uri"])
    assert uri.startswith("europe:tune-main/europe-west4/tuningJobs/")
    assert shell("jobs", "wait", uri).code == 0
    assert any(name.startswith("tuning/outputs/") for name in stage.emulator.objects(EUROPEAN_BUCKET))


def test_a_dry_run_shows_the_body_of_the_job_and_sends_nothing(shell: Shell, stage: Stage, rows: Path) -> None:
    run = shell("submit", rows, "--base", GEMINI, "--provider", "vertex", "--epochs", 2, "--dry-run")
    assert (run.code, stage.emulator.log.count()) == (0, 0)
    assert '"epochCount": 2' in run.out
    assert "tuneport-client" in run.out


def test_a_job_is_cancelled_from_the_command_line(shell: Shell, rows: Path) -> None:
    uri = str(submitted(shell, rows).document["uri"])
    assert shell("jobs", "cancel", uri).code == 0
    assert shell("jobs", "wait", uri).code == 1
    assert shell("jobs", "show", uri, "--json").document["state"] == "cancelled"


def test_a_job_of_the_console_is_adopted_by_its_full_name(shell: Shell, rows: Path, stage: Stage) -> None:
    uri = str(submitted(shell, rows).document["uri"])
    full = f"vertex:{stage.job(uri).name}"
    assert shell("jobs", "show", full, "--json").document["uri"].rpartition("/")[2] == uri.rpartition("/")[2]


def test_a_check_says_who_asks_where_data_go_and_what_is_tuned_there(shell: Shell) -> None:
    run = shell("providers", "check", "vertex")
    assert run.code == 0
    for said in ("tune-main", "GOOGLE_OAUTH_ACCESS_TOKEN", "gs://tune-main-us", GEMINI, "at a time"):
        assert said in run.out


@pytest.mark.parametrize(
    ("environ", "more", "expected"),
    [
        ({"GOOGLE_CLOUD_PROJECT": "Not A Project"}, (), (2, "project is 'Not A Project'")),
        ({"GOOGLE_CLOUD_LOCATION": "asia-northeast1"}, (), (2, f"{GEMINI} is not tuned in asia-northeast1")),
        ({"GOOGLE_CLOUD_LOCATION": "global"}, (), (2, f"{GEMINI} is not tuned in global")),
        ({"TUNEPORT_VERTEX_BUCKET": ""}, (), (2, "no bucket is named")),
        ({"TUNEPORT_VERTEX_BUCKET": EUROPEAN_BUCKET}, (), (3, "lies in europe-west4")),
        ({"TUNEPORT_VERTEX_BUCKET": "no-such-bucket-anywhere"}, (), (3, "there is no such bucket")),
        ({"GOOGLE_OAUTH_ACCESS_TOKEN": "ya29.that-has-ended"}, (), (3, "while")),
        ({"GOOGLE_VERTEX_BASE_URL": "http://example.org"}, (), (2, "endpoint is not encrypted")),
        ({}, ("--learning-rate", "0.0001"), (2, "takes no absolute one")),
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
    assert error["remedy"]
    assert "that-has-ended" not in run.out + run.err
    assert shell("jobs", "list", "--json").document["jobs"] == []


def test_a_retired_base_names_what_is_tuned_today(shell: Shell, rows: Path) -> None:
    error = submitted(shell, rows, base="gemini-2.5-flash").document["error"]
    assert "gemini-2.5-flash cannot be tuned at Vertex AI any more" in error["message"]
    assert "vertex:gemini-3.5-flash" in error["remedy"]


class TestWhereOneJobRunsAtATime:
    @pytest.fixture
    def stage(self, tmp_path: Path) -> Iterator[Stage]:
        with staged(tmp_path, habits=Habits(when_full="refuse", concurrent_jobs=1)) as stage:
            yield stage

    def test_a_second_job_is_refused_with_the_way_to_queue_it(self, shell: Shell, rows: Path) -> None:
        assert submitted(shell, rows).code == 0
        error = submitted(shell, rows, "--suffix", "second").document["error"]
        assert (error["exit_code"], "--queue" in error["remedy"]) == (3, True)

    def test_with_queue_it_waits_for_the_first_to_end(self, shell: Shell, rows: Path) -> None:
        first = str(submitted(shell, rows).document["uri"])
        second = submitted(shell, rows, "--suffix", "second", "--queue")
        assert second.code == 0
        shell("jobs", "sync")
        assert shell("jobs", "show", first, "--json").document["state"] == "succeeded"
