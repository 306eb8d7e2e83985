"""Bad input: one clear sentence, the right exit code, and nothing half made."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
from commands import CHAT_ROWS, Run, Shell
from desks import ScriptedWire

from tuneport.cli.failures import without_secrets
from tuneport.cli.output import Output
from tuneport.testing.wire import HttpAnswer


@pytest.fixture
def wire() -> ScriptedWire:
    return ScriptedWire()


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str], wire: ScriptedWire) -> Shell:
    return Shell(tmp_path, capsys, wire=wire)


def submit(shell: Shell, *words: str | Path) -> Run:
    return shell("submit", *words, "--base", "fake-small", "--provider", "fake", "--yes")


def refused(shell: Shell, run: Run, *, saying: str, code: int = 2) -> None:
    """One sentence that says `saying`, no traceback, and no job, intent or file left behind."""
    assert run.code == code
    assert saying in run.err
    assert run.err.startswith("error: ")
    assert "Traceback" not in run.err
    assert run.err.count("\n") <= 2
    assert shell.cloud.jobs == {}
    assert shell.cloud.files == {}
    with shell.opening(None) as client:
        assert client.jobs() == []


def test_a_missing_file(shell: Shell) -> None:
    refused(shell, submit(shell, "nowhere.jsonl"), saying="nowhere.jsonl: no such file")


def test_an_empty_file(shell: Shell) -> None:
    refused(shell, submit(shell, shell.data(text="")), saying="tickets.jsonl")


def test_wrong_json_at_line_3_names_the_line(shell: Shell) -> None:
    rows = CHAT_ROWS.splitlines(keepends=True)
    refused(shell, submit(shell, shell.data(text="".join([*rows[:2], "{not json\n", *rows[2:]]))), saying="tickets.jsonl:3:")


def test_an_unknown_recipe_key_suggests_the_right_one(shell: Shell) -> None:
    shell.data()
    recipe = shell.data("recipe.toml", 'base = "fake-small"\ntrain = "tickets.jsonl"\nsede = 1\n')
    run = submit(shell, recipe)
    refused(shell, run, saying="unknown key 'sede'; did you mean 'seed'?")
    assert "recipe.toml" in run.err


def test_a_recipe_that_is_not_toml(shell: Shell) -> None:
    refused(shell, submit(shell, shell.data("recipe.toml", "base = [")), saying="recipe.toml: is not valid TOML")


def test_an_unknown_model_lists_the_known_ones(shell: Shell) -> None:
    run = shell("submit", shell.data(), "--base", "fake-smaller", "--provider", "fake", "--yes")
    refused(shell, run, saying="fake tunes no model 'fake-smaller'")
    assert "fake-small, fake-large" in run.err


@pytest.mark.parametrize(
    "flags", [("--epochs", "0"), ("--rank", "-4"), ("--learning-rate", "7"), ("--batch-size", "0"), ("--seed", "-1"), ("--method", "magic")]
)
def test_an_impossible_hyperparameter_names_itself_and_the_value(shell: Shell, flags: tuple[str, str]) -> None:
    run = submit(shell, shell.data(), *flags)
    refused(shell, run, saying=flags[1])
    assert flags[0].removeprefix("--").replace("-", "_") in run.err


@pytest.mark.parametrize(
    ("flags", "saying"),
    [(("--epochs", "many"), "'--epochs': not a whole number"), (("--learning-rate", "1e"), "'--learning-rate': not a number")],
)
def test_a_value_of_the_wrong_kind_is_said_in_plain_words(shell: Shell, flags: tuple[str, str], saying: str) -> None:
    refused(shell, submit(shell, shell.data(), *flags), saying=saying)


def test_a_home_that_cannot_be_written(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    run = submit(shell, shell.data(), "--home", tmp_path / "file" / "home")
    assert run.code == 2
    assert str(tmp_path / "file") in run.err
    assert "Traceback" not in run.err
    assert shell.cloud.jobs == {}


def test_an_unknown_provider_says_what_is_installed(shell: Shell) -> None:
    refused(
        shell, shell("submit", shell.data(), "--base", "x", "--provider", "nowhere", "--yes"), saying="no provider 'nowhere' is installed"
    )


def test_an_amount_that_is_none(shell: Shell) -> None:
    refused(shell, submit(shell, shell.data(), "--max-cost", "cheap"), saying="--max-cost 'cheap'")


def test_neither_recipe_nor_data(shell: Shell) -> None:
    run = shell("submit")
    refused(shell, run, saying="--train FILE and --base MODEL")


def test_data_twice(shell: Shell) -> None:
    refused(shell, submit(shell, shell.data(), "--train", shell.data("more.jsonl")), saying="one of them")


def test_data_twice_is_said_before_the_file_is_read(shell: Shell) -> None:
    refused(shell, submit(shell, "nowhere.jsonl", "--train", shell.data("more.jsonl")), saying="one of them")


def test_a_dataset_that_ends_like_a_recipe_says_how_to_name_it(shell: Shell) -> None:
    rows = shell.data("rows.json", "[]")
    run = submit(shell, rows)
    refused(shell, run, saying="a recipe is a table of keys")
    assert f"--train {rows}" in run.err


def test_a_second_submit_of_a_running_plan_names_the_job(shell: Shell) -> None:
    uri = shell.submitted()
    run = submit(shell, shell.data())
    assert run.code == 2
    assert run.err.startswith(f"error: this very plan is already validating as {uri}.")


def test_an_unknown_job_points_to_the_list(shell: Shell) -> None:
    run = shell("jobs", "show", "fake:nothing")
    assert run.code == 2
    assert "tuneport jobs list" in run.err


def test_a_model_of_a_job_that_has_not_ended_exits_1(shell: Shell) -> None:
    run = shell("models", "chat", shell.submitted(), "hello")
    assert run.code == 1
    assert "has no tuned model" in run.err


def test_refused_credentials_exit_3(shell: Shell, wire: ScriptedWire) -> None:
    wire.before("POST /files", HttpAnswer(401, "bad_key"))
    assert submit(shell, shell.data()).code == 3


def test_a_submit_whose_outcome_is_not_known_exits_4_and_says_what_to_do(shell: Shell, wire: ScriptedWire) -> None:
    wire.before("POST /jobs", HttpAnswer(502, "bad_gateway"))
    run = submit(shell, shell.data())
    assert run.code == 4
    assert "tuneport jobs sync" in run.err
    assert shell("jobs", "sync").code == 4


def test_with_json_a_failure_is_an_object_too(shell: Shell) -> None:
    run = shell("jobs", "show", "fake:nothing", "--json")
    failure = json.loads(run.out)["error"]
    assert failure["type"] == "UnknownJob"
    assert failure["exit_code"] == run.code == 2
    assert "nothing" in failure["message"]
    assert failure["remedy"] == "See: tuneport jobs list"


def test_with_json_wrong_usage_is_an_object_too(shell: Shell) -> None:
    run = shell("jobs", "list", "--nonsense", "--json")
    assert json.loads(run.out)["error"]["exit_code"] == run.code == 2


def test_an_unexpected_exception_is_one_line_without_secrets(shell: Shell, wire: ScriptedWire) -> None:
    uri = shell.submitted()
    wire.before("GET /jobs/ftjob-0001/events", KeyError("Authorization: Bearer sk-abcdefghijklmnop"))  # type: ignore[arg-type]
    run = shell("jobs", "events", uri)
    assert run.code == 4
    assert run.err.startswith("error: unexpected KeyError")
    assert "TUNEPORT_DEBUG=1" in run.err
    assert "abcdefghijklmnop" not in run.err
    assert "Traceback" not in run.err


def test_the_traceback_is_there_for_who_asks_for_it(shell: Shell, wire: ScriptedWire, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = shell.submitted()
    monkeypatch.setenv("TUNEPORT_DEBUG", "1")
    wire.before("GET /jobs/ftjob-0001/events", KeyError("token=abcdefghijklmnop"))  # type: ignore[arg-type]
    run = shell("jobs", "events", uri)
    assert "Traceback" in run.err
    assert "abcdefghijklmnop" not in run.err


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-Zq8xYh3nT0aaaaaaaa",
        "AIzaSyA1234567890abcdefghijklmnopqrstu",
        "ya29.a0AfH6SMBxyz",
        "hf_aBcDeFgHiJkLmNoPqRsTuV",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "1//0gAbCdEfGhIjKlMnOp-QrStUv",
        "GOCSPX-abcdefghijklmnopqrst",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBg\n-----END PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_key_is_blanked_out(secret: str) -> None:
    assert secret not in without_secrets(f"request failed with {secret} in it")
    assert without_secrets("job ftjob-abc of model fake-small") == "job ftjob-abc of model fake-small"


@pytest.mark.parametrize("name", ["sig", "upload_id", "X-Goog-Signature", "X-Amz-Signature"])
def test_what_signs_an_address_is_blanked_out_and_the_rest_of_it_stays(name: str) -> None:
    address = "https://storage.example/bucket/rows.jsonl?alt=media"
    assert without_secrets(f"GET {address}&{name}=ab12CD&x=1") == f"GET {address}&{name}=[hidden]&x=1"


def test_an_error_cannot_move_the_cursor(shell: Shell) -> None:
    run = shell("jobs", "show", "fake:\x1b[2Jnothing")
    assert run.code == 2
    assert "\x1b" not in run.err


def test_a_provider_cannot_move_the_cursor(shell: Shell) -> None:
    uri = shell.submitted()
    shell.cloud.jobs[uri.removeprefix("fake:")].words.append("\x1b[2Jgone\r\nnext")
    run = shell("jobs", "events", uri)
    assert "\x1b" not in run.out
    assert "\r" not in run.out


@pytest.mark.parametrize("words", [("recipe", "schema"), ("--help",), ("jobs", "list", "--help"), ("jobs", "list", "--json")], ids=" ".join)
def test_a_reader_that_goes_away_is_no_failure(tmp_path: Path, words: tuple[str, ...]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    program = [sys.executable, "-c", "import sys; from tuneport.cli import main; sys.exit(main())", *words]
    with os.fdopen(writing, "wb") as pipe:
        run = subprocess.run(program, stdout=pipe, stderr=subprocess.PIPE, env={**os.environ, "TUNEPORT_HOME": str(tmp_path)}, check=False)
    assert run.stderr == b""
    assert run.returncode == 0


def test_a_failure_keeps_its_exit_code_when_the_reader_has_gone(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-c", "import sys; from tuneport.cli import main; sys.exit(main())", "jobs", "show", "local:none", "--json"]
    with os.fdopen(writing, "wb") as pipe:
        run = subprocess.run(words, stdout=pipe, stderr=subprocess.PIPE, env={**os.environ, "TUNEPORT_HOME": str(tmp_path)}, check=False)
    assert run.returncode == 2
    assert run.stderr.startswith(b"error: ")
    assert b"Traceback" not in run.stderr


def test_a_connection_to_a_provider_that_breaks_is_a_failure(shell: Shell, wire: ScriptedWire) -> None:
    uri = shell.submitted()
    wire.before("GET /jobs/ftjob-0001/events", BrokenPipeError(32, "Broken pipe"))  # type: ignore[arg-type]
    run = shell("jobs", "events", uri)
    assert run.code == 4
    assert "Broken pipe" in run.err


def test_letters_that_the_terminal_does_not_know_are_replaced_and_json_stays_whole(tmp_path: Path) -> None:
    data = tmp_path / "größe.jsonl"
    data.write_text(CHAT_ROWS, encoding="utf-8")
    environ = {**os.environ, "TUNEPORT_HOME": str(tmp_path), "PYTHONIOENCODING": "ascii"}
    seen = {}
    for words in (("data", "check", str(data)), ("recipe", "check", "müll.toml", "--json")):
        program = [sys.executable, "-c", "import sys; from tuneport.cli import main; sys.exit(main())", *words]
        seen[words[0]] = subprocess.run(program, capture_output=True, env=environ, check=False)
    assert b"gr??e.jsonl: 18 rows" in seen["data"].stdout
    assert seen["data"].returncode == 0
    assert "müll.toml" in json.loads(seen["recipe"].stdout)["error"]["message"]


def test_numbers_that_json_has_no_word_for_are_null() -> None:
    printed = io.StringIO()
    out = Output(json=True, stream=printed)
    out.record("progress", {"loss": float("nan"), "values": {"a": [float("inf"), 1.5]}, "cost": Decimal("NaN")})
    out.document({"loss": -float("inf")})
    line, _, document = printed.getvalue().partition("\n")
    assert json.loads(line) == {"schema_version": 1, "record": "progress", "loss": None, "values": {"a": [None, 1.5]}, "cost": None}
    assert json.loads(document)["loss"] is None


@pytest.mark.parametrize("lora", ["true", "16", '"all"'])
def test_a_lora_that_is_no_table_is_refused_beside_a_rank(shell: Shell, lora: str) -> None:
    shell.data()
    recipe = shell.data("recipe.toml", f'base = "fake-small"\ntrain = "tickets.jsonl"\n[method]\nkind = "sft"\nlora = {lora}\n')
    run = submit(shell, recipe, "--rank", "8")
    refused(shell, run, saying="lora")
    assert "recipe.toml" in run.err


@pytest.mark.parametrize("words", [("--home=",), ("--home", ""), ("--home",)])
def test_a_home_without_a_name_is_refused(shell: Shell, words: tuple[str, ...]) -> None:
    run = shell("jobs", "list", *words)
    assert run.code == 2
    assert "--home is given without a folder" in run.err
