"""The command line as people and scripts use it, over a provider that does not exist."""

from __future__ import annotations

import io
import json
import sys
import tomllib
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from commands import CHAT_ROWS, Shell

from tuneport import __version__
from tuneport.cli import main
from tuneport.errors import Unreachable
from tuneport.plan import Plan
from tuneport.quote import Quote, Usage
from tuneport.recipe import Recipe
from tuneport.testing.cloud import Course
from tuneport.testing.fake import FakeTrainer

JOB_KEYS = {
    "uri",
    "provider",
    "provider_id",
    "client_id",
    "state",
    "provider_state",
    "created_at",
    "last_heard_at",
    "base",
    "method",
    "model",
    "cost",
    "error",
}


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, capsys)


def test_version_prints_the_version(shell: Shell) -> None:
    assert shell("--version").out == f"tuneport {__version__}\n"


def test_help_names_every_command(shell: Shell) -> None:
    help_text = shell("--help").out
    for command in ("demo", "providers", "data", "recipe", "quote", "submit", "jobs", "models"):
        assert f"\n  {command} " in help_text


@pytest.mark.parametrize(
    "words", [("jobs",), ("jobs", "wait"), ("models", "eval"), ("data", "check"), ("recipe", "show"), ("submit",), ("quote",), ("demo",)]
)
def test_every_command_has_help(shell: Shell, words: tuple[str, ...]) -> None:
    run = shell(*words, "--help")
    assert run.code == 0
    assert "Usage: tuneport" in run.out


def test_a_mistyped_command_suggests_the_right_one_and_exits_2(shell: Shell) -> None:
    run = shell("sumbit")
    assert run.code == 2
    assert "did you mean 'submit'?" in run.err


def test_a_mistyped_option_exits_2_and_points_to_the_help(shell: Shell) -> None:
    run = shell("jobs", "list", "--nonsense")
    assert run.code == 2
    assert "See: tuneport jobs list --help" in run.err


# submit


def test_submit_prints_the_job_and_the_command_that_follows_it(shell: Shell) -> None:
    run = shell("submit", shell.data(), "--base", "fake-small", "--provider", "fake", "--yes")
    assert run.code == 0
    assert "Submitted fake:ftjob-0001" in run.out
    assert "tuneport jobs wait fake:ftjob-0001" in run.out


def test_a_profile_is_asked_of_the_provider_which_may_know_no_such_thing(shell: Shell) -> None:
    run = shell("submit", shell.data(), "--base", "fake-small", "--provider", "fake", "--yes", "--profile")
    assert run.code != 0
    assert "options.fake: unknown key 'profile'" in run.err
    assert "fake:ftjob" not in shell("jobs", "list").out


def test_submit_json_is_a_job_with_the_keys_that_scripts_rely_on(shell: Shell) -> None:
    run = shell("submit", shell.data(), "--base", "fake-small", "--provider", "fake", "--yes", "--json")
    job = run.document
    assert job["schema_version"] == 1
    assert job.keys() >= JOB_KEYS
    assert datetime.fromisoformat(job["created_at"]).tzinfo is not None


def test_json_is_understood_before_and_after_the_command(shell: Shell) -> None:
    assert shell("--json", "jobs", "list").document == shell("jobs", "list", "--json").document


def test_home_is_understood_after_the_command(shell: Shell, tmp_path: Path) -> None:
    shell.submitted()
    assert shell("jobs", "list", "--json", "--home", tmp_path / "another").document["jobs"] == []
    assert len(shell("jobs", "list", "--json", f"--home={shell.home}").document["jobs"]) == 1


def test_dry_run_prints_the_requests_and_sends_nothing(shell: Shell) -> None:
    run = shell("submit", shell.data(), "--base", "fake-small", "--provider", "fake", "--dry-run", "--json", "--seed", "7")
    assert run.document["requests"][0]["call"] == "POST /jobs"
    assert run.document["seed"] == 7
    assert shell.cloud.log == []


def test_flags_win_over_the_recipe_file(shell: Shell) -> None:
    shell.data()
    recipe = shell.data(
        "recipe.toml", 'base = "fake-large"\ntrain = "tickets.jsonl"\nseed = 3\n[method]\nkind = "sft"\nepochs = 1\nbatch_size = 4\n'
    )
    run = shell("submit", recipe, "--base", "fake-small", "--epochs", "5", "--rank", "8", "--provider", "fake", "--dry-run", "--json")
    planned = run.document
    assert (planned["base"], planned["seed"]) == ("fake-small", 3)
    assert planned["hyperparameters"]["epochs"] == 5
    assert planned["hyperparameters"]["batch_size"] == 4
    assert planned["hyperparameters"]["lora"]["rank"] == 8


def test_a_recipe_without_data_takes_them_from_the_flag(shell: Shell) -> None:
    recipe = shell.data("recipe.yaml", "base: fake-small\n")
    run = shell("submit", recipe, "--train", shell.data(), "--provider", "fake", "--dry-run", "--json")
    assert run.document["files"][0]["rows"] == 18


def test_the_provider_need_not_be_said_when_the_recipe_names_only_one(shell: Shell) -> None:
    shell.data()
    recipe = shell.data("recipe.json", json.dumps({"base": {"fake": "fake-small"}, "train": "tickets.jsonl"}))
    assert shell("submit", recipe, "--dry-run", "--json").document["provider"] == "fake"


def test_spending_money_without_a_terminal_needs_yes(shell: Shell) -> None:
    run = shell("submit", shell.data(), "--base", "fake-small", "--provider", "fake")
    assert run.code == 2
    assert "--yes" in run.err
    assert "0.18 USD" in run.err
    assert shell("jobs", "list", "--json").document["jobs"] == []


def test_yes_is_not_force(shell: Shell) -> None:
    first = shell.submitted()
    run = shell("submit", shell.data(), "--base", "fake-small", "--provider", "fake", "--yes")
    assert run.code == 2
    assert first in run.err
    assert "--force" in run.err
    assert len(shell.cloud.jobs) == 1


def test_force_submits_a_second_job_of_a_running_plan(shell: Shell) -> None:
    shell.submitted()
    shell.submitted("--force")
    assert len(shell.cloud.jobs) == 2


def test_a_quote_above_max_cost_is_refused_before_anything_is_sent(shell: Shell) -> None:
    run = shell("submit", shell.data(), "--base", "fake-small", "--provider", "fake", "--yes", "--max-cost", "0.10")
    assert run.code == 2
    assert "0.18 USD" in run.err
    assert shell.cloud.jobs == {}


def test_a_provider_that_sends_no_bill_needs_no_confirmation(shell: Shell) -> None:
    shell.provider = replace(shell.provider, bills=False)
    assert shell("submit", shell.data(), "--base", "fake-small", "--provider", "fake").code == 0


# jobs


def test_jobs_list_is_aligned_plain_text_in_a_pipe(shell: Shell) -> None:
    shell.submitted()
    shell.submitted("--seed", "1")
    lines = shell("jobs", "list").out.splitlines()
    assert lines[0].split() == ["JOB", "STATE", "BASE", "CREATED", "HEARD", "NOTE"]
    assert [line.split()[0] for line in lines[1:]] == ["fake:ftjob-0002", "fake:ftjob-0001"]
    assert len({line.index("fake-small") for line in lines[1:]}) == 1
    assert not any(character in "".join(lines) for character in "\t\x1b│─━")


def test_jobs_list_says_what_it_last_heard_and_asks_only_with_refresh(shell: Shell) -> None:
    uri = shell.submitted()
    shell.clock.sleep(3600)
    assert [job["state"] for job in shell("jobs", "list", "--json").document["jobs"]] == ["validating"]
    assert [job["state"] for job in shell("jobs", "list", "--json", "--refresh").document["jobs"]] == ["succeeded"]
    assert shell("jobs", "show", uri, "--json").document["model"] == "fake:fake-small:tuned:ftjob-0001"


def test_an_empty_list_says_how_to_begin(shell: Shell) -> None:
    assert "tuneport demo" in shell("jobs", "list").out


def test_jobs_show_asks_the_provider_and_knows_the_cost_as_a_decimal_string(shell: Shell) -> None:
    uri = shell.finished()
    job = shell("jobs", "show", uri, "--json").document
    assert job["state"] == "succeeded"
    assert job["cost"] == "2.50"


def test_a_unique_beginning_names_a_job(shell: Shell) -> None:
    uri = shell.submitted()
    assert shell("jobs", "show", "fake:ft", "--json").document["uri"] == uri


def test_a_job_of_an_empty_registry_is_found_at_its_provider(shell: Shell, tmp_path: Path) -> None:
    uri = shell.submitted()
    assert shell("jobs", "show", uri, "--json", "--home", tmp_path / "elsewhere").document["uri"] == uri


def test_events_stream_as_json_lines(shell: Shell) -> None:
    records = shell("jobs", "events", shell.finished(), "--json").records
    assert [record["record"] for record in records] == ["event"] * len(records)
    assert records[-1]["message"] == "now done"
    later = shell("jobs", "events", records[0]["uri"], "--json", "--after", records[-2]["id"]).records
    assert [record["message"] for record in later] == ["now done"]


def test_metrics_are_one_document_in_order_of_step(shell: Shell) -> None:
    found = shell("jobs", "metrics", shell.finished(), "--json").document
    assert [metric["step"] for metric in found["metrics"]] == list(range(1, 11))
    assert found["metrics"][0]["values"] == {"loss": 2.0}


def test_metrics_for_people_have_a_column_each(shell: Shell) -> None:
    lines = shell("jobs", "metrics", shell.finished()).out.splitlines()
    assert lines[0].split() == ["step", "loss"]
    assert lines[1].split() == ["1", "2"]


def test_plot_draws_the_loss_in_characters(shell: Shell) -> None:
    drawn = shell("jobs", "plot", shell.finished())
    assert drawn.code == 0
    assert "lowest 0.200 at step 10" in drawn.out


def test_plot_writes_a_png(shell: Shell, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    run = shell("jobs", "plot", shell.finished(), "--png", tmp_path / "loss.png")
    assert run.code == 0
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")


def test_cancel_pause_and_resume_say_what_the_job_is_now(shell: Shell) -> None:
    uri = shell.submitted()
    shell.clock.sleep(120)
    assert "paused" in shell("jobs", "pause", uri).out
    assert "running" in shell("jobs", "resume", uri).out
    shell("jobs", "cancel", uri)
    assert shell("jobs", "wait", uri).code == 1


def test_cancelling_several_jobs_goes_on_after_a_refusal(shell: Shell) -> None:
    done = shell.finished()
    live = shell.submitted("--seed", "1")
    run = shell("jobs", "cancel", done, live, "--json")
    assert run.code == 2
    assert "already succeeded" in run.err
    assert [job["uri"] for job in run.document["jobs"]] == [live]


def test_sync_reports_each_live_job(shell: Shell) -> None:
    uri = shell.submitted()
    shell.clock.sleep(3600)
    results = shell("jobs", "sync", "--json").document["results"]
    assert [(result["kind"], result["job"]["uri"], result["job"]["state"]) for result in results] == [("updated", uri, "succeeded")]


def test_sync_all_records_jobs_of_others(shell: Shell) -> None:
    uri = shell.submitted()
    body = shell.cloud.jobs[uri.removeprefix("fake:")].body
    shell.cloud.add_foreign_job({**body, "metadata": {}})
    kinds = [result["kind"] for result in shell("jobs", "sync", "fake", "--all", "--json").document["results"]]
    assert kinds == ["updated", "foreign"]


# models


def test_models_list_and_show_name_the_job_that_made_them(shell: Shell) -> None:
    uri = shell.finished()
    (model,) = shell("models", "list", "--json", "--provider", "fake").document["models"]
    assert model["job_uri"] == uri
    assert shell("models", "show", uri, "--json").document["uri"] == model["uri"]
    assert shell("models", "show", model["uri"], "--json").document["job_uri"] == uri


def test_chat_answers_a_question_given_as_an_argument(shell: Shell) -> None:
    run = shell("models", "chat", shell.finished(), "where is it")
    assert (run.code, run.out) == (0, "where is it\n")


def test_chat_answers_a_question_from_standard_input(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = shell.finished()
    monkeypatch.setattr("sys.stdin", io.StringIO("one two three\n"))
    assert shell("models", "chat", uri, "--json").document["answer"] == "one two three"


def test_the_words_of_a_question_after_two_dashes_are_no_options(shell: Shell) -> None:
    assert shell("models", "chat", shell.finished(), "--", "--json").out == "--json\n"


def test_the_words_of_a_question_need_no_quotes(shell: Shell) -> None:
    assert shell("models", "chat", shell.finished(), "where", "is", "it?").out == "where is it?\n"


def test_an_opponent_that_is_mistyped_is_refused_with_the_word_that_was_meant(shell: Shell) -> None:
    run = shell("models", "eval", shell.finished(), shell.data(), "--against", "bas")
    assert run.code == 2
    assert "--against 'bas'" in run.err
    assert "did you mean 'base'?" in run.err


def test_a_file_of_rows_is_answered_line_by_line(shell: Shell) -> None:
    uri = shell.finished()
    records = shell("models", "predict", uri, shell.data(), "--limit", "3", "--yes").records
    assert [record["line"] for record in records] == [1, 2, 3]
    assert [record["reference"] for record in records] == ["refund", "delivery", "refund"]
    assert all(record["answer"] and record["finish"] == "stop" for record in records)


def test_answers_replace_no_file_unless_told_to_and_never_their_own_rows(shell: Shell, tmp_path: Path) -> None:
    model, rows = shell.finished(), shell.data()
    (tmp_path / "link.jsonl").symlink_to(rows)
    (tmp_path / "notes.txt").write_text("mine")
    for target, flags in ((rows, ()), (rows, ("--overwrite",)), (tmp_path / "link.jsonl", ("--overwrite",)), (tmp_path / "notes.txt", ())):
        run = shell("models", "predict", model, rows, "-o", target, *flags)
        assert run.code == 2
        assert "nothing was written" in run.err
    assert rows.read_text(encoding="utf-8") == CHAT_ROWS
    assert (tmp_path / "notes.txt").read_text() == "mine"
    assert shell("models", "predict", model, rows, "-o", tmp_path / "notes.txt", "--overwrite", "--yes").code == 0
    assert len((tmp_path / "notes.txt").read_text().splitlines()) == 18


def test_a_file_with_columns_of_its_own_can_be_checked_trained_on_evaluated_and_answered(shell: Shell) -> None:
    rows = [json.loads(row)["messages"] for row in CHAT_ROWS.splitlines()]
    table = shell.data("faq.jsonl", "".join(json.dumps({"q": asked["content"], "a": said["content"]}) + "\n" for asked, said in rows))
    how = ("--format", "completion", "--column", "prompt=q", "--column", "completion=a")
    assert shell("data", "check", table, *how).code == 0
    run = shell("submit", table, *how, "--validation", table, "--base", "fake-small", "--provider", "fake", "--dry-run", "--json")
    assert [file["rows"] for file in run.document["files"]] == [18, 18]
    assert shell("quote", table, *how, "--base", "fake-small", "--json").document["quotes"][0]["total_usd"] == "0.18"
    model = shell.finished()
    assert (
        shell("models", "eval", model, table, *how, "--against", "base+labels", "--labels-from", table, "--yes", "--json").document["rows"]
        == 18
    )
    assert len(shell("models", "predict", model, table, *how, "--yes").records) == 18


def test_how_a_file_is_read_is_refused_where_no_file_is_given(shell: Shell) -> None:
    shell.data()
    recipe = shell.data("recipe.toml", 'base = "fake-small"\ntrain = "tickets.jsonl"\n')
    run = shell("submit", recipe, "--column", "prompt=q", "--provider", "fake", "--dry-run")
    assert run.code == 2
    assert "--format and --column" in run.err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_submit_that_is_confirmed_plans_once(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    planned = []

    class Counting(FakeTrainer):
        def plan(self, recipe: Recipe) -> Plan:
            planned.append(recipe)
            return super().plan(recipe)

    shell.provider = replace(shell.provider, open_trainer=lambda settings: Counting(shell.cloud, names="provider", name=settings.name))
    words = ["submit", str(shell.data()), "--base", "fake-small", "--provider", "fake"]
    monkeypatch.setenv("TERM", "xterm")
    for name, stream in (("stdin", Terminal("y\n")), ("stdout", Terminal())):
        monkeypatch.setattr(sys, name, stream)
    assert main(words, opening=shell.opening) == 0
    assert len(planned) == 1
    assert len(shell.cloud.jobs) == 1


def test_answers_go_to_a_file_whole(shell: Shell) -> None:
    target = shell.folder / "answers.jsonl"
    run = shell("models", "predict", shell.finished(), shell.data(), "--output", target, "--yes")
    assert (run.code, run.out) == (0, "")
    assert len(target.read_text(encoding="utf-8").splitlines()) == 18


def test_eval_compares_with_the_base_and_gives_the_documented_shape(shell: Shell) -> None:
    uri = shell.finished()
    run = shell("models", "eval", uri, shell.data(), "--against", "base", "--against", "base+labels", "--limit", "6", "--yes", "--json")
    found = run.document
    assert run.code == 0
    assert found["rows"] == 6
    assert found["metrics"]["exact_match"] == 0.0
    assert found["against"]["name"] == "base"
    assert len(found["difference"]["interval"]) == 2
    assert [one["against"]["name"] for one in found["comparisons"]] == ["base", "base+labels"]


def test_eval_for_people_shows_intervals_and_a_verdict(shell: Shell) -> None:
    run = shell("models", "eval", shell.finished(), shell.data(), "--against", "base", "--answers", "2", "--yes")
    assert "95% interval" in run.out
    assert "tuned is within the noise of base" in run.out


# data, recipes, quotes, providers


def test_data_check_is_ok_or_exits_1_with_every_finding(shell: Shell) -> None:
    assert shell("data", "check", shell.data()).code == 0
    damaged = CHAT_ROWS + "{broken\n" + json.dumps({"messages": [{"role": "user", "content": "hello"}]}) + "\n"
    run = shell("data", "check", shell.data("damaged.jsonl", damaged), "--json")
    assert run.code == 1
    assert run.document["ok"] is False
    errors = [finding for finding in run.document["findings"] if finding["severity"] == "error"]
    assert [finding["line"] for finding in errors] == [19, 20]
    assert set(errors[0]) == {"line", "rule", "severity", "message", "remedy"}


def test_data_check_finds_test_rows_that_were_trained_on(shell: Shell) -> None:
    test = shell.data("test.jsonl", CHAT_ROWS.splitlines()[0] + "\n")
    run = shell("data", "check", test, "--train", shell.data())
    assert "asks the same as line 1 of tickets.jsonl" in run.out


def test_convert_reads_named_columns_and_refuses_to_overwrite(shell: Shell, tmp_path: Path) -> None:
    table = shell.data("faq.csv", "q,a\nwhere?,here\nwhen?,now\n")
    words = ("data", "convert", table, tmp_path / "faq.jsonl", "--column", "prompt=q", "--column", "completion=a")
    assert shell(*words).code == 0
    written = (tmp_path / "faq.jsonl").read_text()
    assert len(written.splitlines()) == 2
    refused = shell(*words)
    assert refused.code == 2
    assert "already there" in refused.err
    assert shell(*words, "--overwrite").code == 0
    assert (tmp_path / "faq.jsonl").read_text() == written


def test_split_writes_two_files_that_hold_every_row_once(shell: Shell, tmp_path: Path) -> None:
    run = shell("data", "split", shell.data(), "--test", "6", "--json")
    assert (run.document["train"]["rows"], run.document["test"]["rows"]) == (12, 6)
    rows = [line for name in ("tickets-train.jsonl", "tickets-test.jsonl") for line in (tmp_path / name).read_text().splitlines()]
    assert sorted(json.loads(row)["messages"][0]["content"] for row in rows) == sorted(f"message number {n}" for n in range(18))


def test_stats_count_rows_turns_characters_and_labels(shell: Shell) -> None:
    found = shell("data", "stats", shell.data(), "--json").document
    assert found["rows"] == 18
    assert found["turns"]["median"] == 2
    assert found["characters_answered"]["total"] == 6 * len("refund" + "delivery" + "login")
    assert found["labels"] == {"delivery": 6, "login": 6, "refund": 6}


def test_recipe_show_fills_in_the_defaults_as_toml(shell: Shell) -> None:
    shell.data()
    recipe = shell.data("recipe.toml", 'base = "fake-small"\ntrain = "tickets.jsonl"\n')
    assert tomllib.loads(shell("recipe", "show", recipe).out)["method"]["lora"]["rank"] == 16


def test_recipe_check_reads_the_data_as_well(shell: Shell) -> None:
    shell.data()
    recipe = shell.data("recipe.toml", 'base = "fake-small"\ntrain = "tickets.jsonl"\n')
    assert shell("recipe", "check", recipe, "--json").document["rows"] == {"train": 18}
    shell.data(text="{}\n")
    assert shell("recipe", "check", recipe).code == 2


def test_recipe_schema_is_a_json_schema(shell: Shell) -> None:
    assert "train" in shell("recipe", "schema").document["required"]


def test_quote_has_every_line_with_price_date_and_source(shell: Shell) -> None:
    run = shell("quote", shell.data(), "--base", "fake-small", "--provider", "fake", "--json")
    (quote,) = run.document["quotes"]
    assert (quote["provider"], quote["total_usd"], quote["availability"]) == ("fake", "0.18", "available")
    (line,) = quote["lines"]
    expected = {"item": "training", "amount": "18", "unit": "row", "price_usd": "0.01", "cost_usd": "0.18", "as_of": "2026-03-01"}
    assert expected.items() <= line.items()
    assert {"source", "confidence"} <= line.keys()


def test_quote_for_people_is_a_table(shell: Shell) -> None:
    run = shell("quote", shell.data(), "--base", "fake-small", "--provider", "fake")
    assert ["fake", "fake-small", "0.18", "available"] in [line.split() for line in run.out.splitlines()]


def test_a_provider_that_cannot_quote_says_why_in_its_row_and_has_no_total(shell: Shell) -> None:
    shell.data()
    recipe = shell.data("recipe.toml", 'base = {elsewhere = "some-model"}\ntrain = "tickets.jsonl"\n')
    run = shell("quote", recipe, "--provider", "fake", "--json")
    (quote,) = run.document["quotes"]
    assert run.code == 1
    assert quote["total_usd"] is None
    assert quote["availability"] == "unavailable"
    assert "no base model for 'fake'" in quote["why"]


def test_a_dry_run_shows_the_first_rows_as_they_would_go_and_what_it_would_cost(shell: Shell) -> None:
    key = "sk-" + "a1B2" * 12
    data = shell.data("rows.csv", f"text,label\nwhere is it,late {key}\nis it there,here\nso,so\nlast,row\n")
    run = shell("submit", data, "--base", "fake-small", "--provider", "fake", "--dry-run", "--json")
    rows = run.document["first_rows"]["train"]
    assert len(rows) == 3
    assert "where is it" in rows[0]
    assert key not in run.out
    assert run.document["quotes"][0]["total_usd"] == "0.04"
    said = shell("submit", data, "--base", "fake-small", "--provider", "fake", "--dry-run").out
    assert "first rows of the train file:" in said
    assert "0.04" in said
    assert "last" not in said
    assert key not in said


def test_a_dry_run_blanks_out_what_looks_like_a_key_in_a_request(shell: Shell) -> None:
    key = "sk-" + "a1B2" * 8
    for how in ((), ("--json",)):
        run = shell("submit", shell.data(), "--base", "fake-small", "--provider", "fake", "--suffix", key, "--dry-run", *how)
        assert run.code == 0
        assert "[hidden]" in run.out
        assert key not in run.out


def test_a_dry_run_minds_the_limit_too(shell: Shell) -> None:
    data = shell.data()
    run = shell("submit", data, "--base", "fake-small", "--provider", "fake", "--dry-run", "--max-cost", "0.001")
    assert run.code == 2
    assert "above the 0.001 USD allowed" in run.err
    assert shell("submit", data, "--base", "fake-small", "--provider", "fake", "--dry-run", "--max-cost", "100").code == 0


def test_a_cost_that_is_not_known_cannot_be_kept_under_a_limit(shell: Shell) -> None:
    class Silent(FakeTrainer):
        def estimate(self, recipe: Recipe, *, usage: Usage | None = None) -> Quote:
            raise Unreachable("the price list does not answer.")

    shell.provider = replace(shell.provider, open_trainer=lambda settings: Silent(shell.cloud, names="provider", name=settings.name))
    run = shell("submit", shell.data(), "--base", "fake-small", "--provider", "fake", "--yes", "--max-cost", "5")
    assert run.code == 2
    assert "is not known" in run.err
    assert shell.cloud.jobs == {}


def test_providers_are_listed_and_checked_with_what_they_can_do(shell: Shell) -> None:
    assert "fake" in [info["name"] for info in shell("providers", "--json").document["providers"]]
    (checked,) = shell("providers", "check", "fake", "--json").document["providers"]
    assert checked["ok"] is True
    assert checked["capabilities"]["download"] == {
        "supported": False,
        "reason": "this cloud keeps the weights to itself",
        "whose": "vendor",
    }
    assert [base["id"] for base in checked["bases"]] == ["fake-small", "fake-large"]


def test_a_job_that_fails_remotely_exits_1_with_the_vendors_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(tmp_path, capsys, course=lambda number: Course(ends="error"))
    run = shell("jobs", "wait", shell.submitted())
    assert run.code == 1
    assert "loss became NaN at step 3" in run.out
