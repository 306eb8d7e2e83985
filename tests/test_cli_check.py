"""`tuneport data check` and `tuneport data rules` as a user types them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from commands import CHAT_ROWS, Shell

GOOD = CHAT_ROWS.splitlines()


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path, capsys)


def row(*turns: tuple[str, Any], **more: Any) -> str:
    return json.dumps({"messages": [{"role": role, "content": content} for role, content in turns], **more})


def unanswered(shell: Shell, rows: int) -> Path:
    return shell.data("unanswered.jsonl", "\n".join([*GOOD, *(row(("user", f"hello {n}")) for n in range(rows))]))


def test_findings_are_grouped_by_rule_the_first_ten_of_each_with_counts_and_remedies(shell: Shell) -> None:
    run = shell("data", "check", unanswered(shell, 12))
    assert run.code == 1
    lines = run.out.splitlines()
    assert sum("[chat-ends-with-assistant]" in line for line in lines) == 10
    assert "and 2 more of chat-ends-with-assistant" in run.out
    assert "Add the answer" in run.out
    assert lines[-1].endswith("30 rows, 12 findings: not usable as it is.")


def test_warnings_alone_leave_the_exit_code_at_0(shell: Shell) -> None:
    run = shell("data", "check", shell.data(text="\n".join([*GOOD, GOOD[0]])))
    assert (run.code, "row-not-repeated" in run.out) == (0, True)


def test_json_says_what_the_data_were_checked_for_and_when_it_holds_not_everything(shell: Shell) -> None:
    run = shell("data", "check", unanswered(shell, 120), "--for", "openai:gpt-4.1-mini", "--json")
    document = run.document
    assert (run.code, document["truncated"], document["counts"]["chat-ends-with-assistant"]) == (1, True, 120)
    assert len(document["findings"]) == 100
    assert document["checked_for"]["provider"] == "openai"
    assert document["checked_for"]["sources"]
    assert (document["format"], document["confidence"] > 0.5) == ("chat", True)


def test_ndjson_gives_every_finding_and_then_a_summary(shell: Shell) -> None:
    run = shell("data", "check", unanswered(shell, 120), "--output", "ndjson")
    *findings, summary = run.records
    assert (run.code, len(findings), summary["record"]) == (1, 120, "summary")
    assert [record["line"] for record in findings] == list(range(19, 139))
    assert set(findings[0]) == {"schema_version", "record", "line", "rule", "severity", "message", "remedy"}
    assert summary["counts"] == {"chat-ends-with-assistant": 120}


def test_sarif_has_the_shape_that_the_standard_asks_for(shell: Shell) -> None:
    run = shell("data", "check", unanswered(shell, 2), "--output", "sarif", "--train", shell.data())
    log = run.document
    assert (log["version"], log["$schema"].rpartition("/")[2]) == ("2.1.0", "sarif-2.1.0.json")
    (only,) = log["runs"]
    rules = only["tool"]["driver"]["rules"]
    assert only["tool"]["driver"]["name"] == "tuneport"
    assert len(only["results"]) > 2
    for result in only["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
        assert result["message"]["text"]
        place = result["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"].endswith("unanswered.jsonl")
        assert place["region"]["startLine"] >= 1


def test_a_provider_and_a_rule_that_are_not_known_are_refused_with_the_nearest_one(shell: Shell) -> None:
    for words, hint in (
        (("--for", "opneai"), "did you mean 'openai'"),
        (("--ignore", "row-not-repeat"), "did you mean 'row-not-repeated'"),
    ):
        run = shell("data", "check", shell.data(), *words)
        assert (run.code, hint in run.err) == (2, True)


def test_rules_can_be_switched_off_or_asked_for_alone(shell: Shell) -> None:
    file = unanswered(shell, 1)
    assert shell("data", "check", file, "--ignore", "chat-ends-with-assistant").code == 0
    assert shell("data", "check", file, "--only", "row-not-repeated").code == 0
    assert shell("data", "check", file, "--only", "chat-ends-with-assistant").code == 1


def test_training_rows_are_compared_also_when_the_file_has_errors_itself(shell: Shell) -> None:
    test = shell.data("test.jsonl", "\n".join([GOOD[0], "{broken"]))
    run = shell("data", "check", test, "--train", shell.data())
    assert run.code == 1
    assert "[row-readable]" in run.out
    assert "asks the same as line 1 of tickets.jsonl" in run.out


def test_reinforcement_is_another_word_for_grpo(shell: Shell) -> None:
    prompts = "\n".join(json.dumps({"messages": [{"role": "user", "content": f"q{n}"}], "answer": f"a{n}"}) for n in range(12))
    run = shell("data", "check", shell.data("prompts.jsonl", prompts), "--method", "reinforcement", "--format", "reinforcement", "--json")
    assert (run.code, run.document["checked_for"]["method"]) == (0, "grpo")


def test_rows_to_test_on_are_missed_where_the_provider_requires_them_and_none_are_named(shell: Shell) -> None:
    prompts = [json.dumps({"messages": [{"role": "user", "content": f"q{n}"}], "answer": f"a{n}"}) for n in range(24)]
    train, test = shell.data("train.jsonl", "\n".join(prompts[:12])), shell.data("test.jsonl", "\n".join(prompts[12:]))
    options = ("--for", "openai:o4-mini", "--method", "grpo", "--json")
    alone, beside = shell("data", "check", train, *options), shell("data", "check", test, "--train", train, *options)
    assert (alone.code, "test-there" in alone.document["counts"]) == (0, True)
    assert (beside.code, "test-there" in beside.document["counts"]) == (0, False)


def test_a_key_that_stands_twice_is_an_error_with_its_line(shell: Shell) -> None:
    twice = row(("user", "x"), ("assistant", "y")).replace('"role": "user"', '"role": "user", "role": "assistant"')
    run = shell("data", "check", shell.data("rows.jsonl", "\n".join([*GOOD, twice])), "--json")
    assert run.code == 1
    (told,) = run.document["findings"]
    assert (told["rule"], told["line"]) == ("row-readable", len(GOOD) + 1)
    assert "the key 'role' stands twice in one object" in told["message"]


def test_tokens_are_counted_only_for_a_model(shell: Shell) -> None:
    run = shell("data", "check", shell.data(), "--tokens")
    assert (run.code, "--for openai:gpt-4.1-mini" in run.err) == (2, True)


def test_rules_are_listed_and_explained(shell: Shell) -> None:
    assert "row-not-repeated" in shell("data", "rules").out
    document = shell("data", "rules", "row-not-repeated", "--json").document
    assert [set(rule) for rule in document["rules"]] == [{"id", "severity", "explanation", "remedy"}]
    assert "did you mean" in shell("data", "rules", "row-not-repeatd").err


# --- corrections -----------------------------------------------------------------------------------------------------------------------

DAMAGED = [
    GOOD[0],
    "{broken",
    "",
    GOOD[1],
    " ".join(GOOD[0].split()),
    "\ufeff" + GOOD[2],
    row(("user", "a\0b"), ("assistant", "c")),
    json.dumps(
        {"messages": [{"role": "user", "content": "x", "audio": None}, {"role": "assistant", "content": "y", "mood": "z"}], "id": 7}
    ),
    GOOD[3].replace("[{", "[{ "),
]


def test_fix_writes_a_copy_and_every_change_and_leaves_the_file_alone(shell: Shell, tmp_path: Path) -> None:
    file = shell.data("damaged.jsonl", "\n".join(DAMAGED))
    before = hashlib.sha256(file.read_bytes()).digest()
    run = shell("data", "check", file, "--fix", "--json")
    assert run.code == 1
    assert hashlib.sha256(file.read_bytes()).digest() == before
    copy, changes = tmp_path / "damaged-fixed.jsonl", tmp_path / "damaged-fixed.changes.jsonl"
    fixed = run.document["fixed"]
    assert (fixed["path"], fixed["changes_path"], fixed["rows"]) == (str(copy), str(changes), 6)
    rows = copy.read_text(encoding="utf-8").splitlines()
    assert [rows[0], rows[1], rows[2], rows[5]] == [GOOD[0], GOOD[1], GOOD[2], DAMAGED[8]]
    assert json.loads(rows[3])["messages"][0]["content"] == "ab"
    assert json.loads(rows[4]) == {
        "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y", "mood": "z"}],
        "id": 7,
    }
    told = [json.loads(line) for line in changes.read_text(encoding="utf-8").splitlines()]
    assert [(change["line"], change["rule"]) for change in told] == [
        (2, "row-readable"),
        (5, "row-not-repeated"),
        (6, "encoding-right"),
        (7, "encoding-right"),
        (8, "key-known"),
    ]
    assert sum(fixed["changes"].values()) == len(told)
    again = shell("data", "check", copy, "--fix", "--json").document
    assert (again["fixed"]["changes"], again["fixed"]["rows"]) == ({}, 6)
    assert Path(again["fixed"]["path"]).read_bytes() == copy.read_bytes()


def test_fix_keeps_the_byte_order_mark_that_a_file_begins_with(shell: Shell, tmp_path: Path) -> None:
    file = shell.data(text="\ufeff" + CHAT_ROWS)
    shell("data", "check", file, "--fix-to", tmp_path / "copy.jsonl")
    assert (tmp_path / "copy.jsonl").read_bytes() == file.read_bytes()


def test_fix_leaves_out_a_row_with_a_key_that_stands_twice(shell: Shell, tmp_path: Path) -> None:
    twice = GOOD[1].replace('"role": "user"', '"role": "user", "role": "user"')
    assert twice != GOOD[1]
    run = shell("data", "check", shell.data("rows.jsonl", "\n".join([GOOD[0], twice, GOOD[2]])), "--fix", "--json")
    assert (run.document["fixed"]["rows"], run.document["fixed"]["changes"]) == (2, {"row-readable": 1})
    assert (tmp_path / "rows-fixed.jsonl").read_text(encoding="utf-8").splitlines() == [GOOD[0], GOOD[2]]


def test_fix_refuses_to_write_over_a_file_and_to_correct_what_is_not_json_lines(shell: Shell, tmp_path: Path) -> None:
    file = shell.data()
    assert shell("data", "check", file, "--fix-to", file).code == 2
    assert shell("data", "check", file, "--fix").code == 0
    assert "already there" in shell("data", "check", file, "--fix").err
    table = shell.data("faq.csv", "prompt,completion\nwhere?,here\nwhen?,now\n")
    run = shell("data", "check", table, "--fix")
    assert (run.code, "JSON lines" in run.err) == (2, True)
    assert not (tmp_path / "faq-fixed.csv").exists()


def test_near_duplicates_are_looked_for_in_a_small_file_without_being_asked_for(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [f"word{number}" for number in range(60)]
    lines = [{"text": " ".join(words), "label": "a"}, {"text": " ".join([*words[:30], "other", *words[31:]]), "label": "a"}]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "row-not-near" in shell("--json", "data", "check", path).document["counts"]
    assert "row-not-near" not in shell("--json", "data", "check", path, "--no-near").document["counts"]
    monkeypatch.setattr("tuneport.cli.checking.NEAR_BYTES", 10)
    run = shell("data", "check", path)
    assert "row-not-near" not in run.out
    assert "--near does" in run.err
    assert "row-not-near" in shell("data", "check", path, "--near").out
