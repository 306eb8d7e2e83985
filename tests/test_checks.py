"""Checks: every finding at once, with its line, bounded in memory, and without the rows' contents."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tuneport.checks import KEPT_PER_RULE, RULES, CheckReport, Limits, check, check_pair
from tuneport.dataset import Dataset
from tuneport.errors import DatasetError, Unsupported
from tuneport.examples import ChatExample, Example, ImagePart, LabelledExample, Message, ToolCall

DATA = Path(__file__).parents[2] / "shared" / "data"
SECRET = "4929-1234-secret"


def chat(*turns: Message) -> ChatExample:
    return ChatExample(turns)


def pair(question: str, answer: str) -> ChatExample:
    return chat(Message("user", question), Message("assistant", answer))


def rules(report: CheckReport) -> set[str]:
    return {finding.rule for finding in report.findings}


def of(rows: list[Example], limits: Limits | None = None) -> CheckReport:
    """The check of `rows` behind enough good ones that nothing else is found; `rows` stand on lines 31 and after."""
    good: list[Example] = [pair(f"question {n}", f"answer {n}") for n in range(30)]
    return check(Dataset.from_examples(good + rows), limits=limits)


CALL = Message("assistant", None, (ToolCall("find", "{}", "c1"),))
USER, ANSWER, RESULT = Message("user", SECRET), Message("assistant", SECRET), Message("tool", "found", tool_call_id="c1")


def test_good_rows_have_no_findings() -> None:
    tools = chat(Message("system", "s"), USER, CALL, RESULT, ANSWER, Message("user", "more"), CALL)
    picture = chat(Message("user", "draw"), Message("assistant", (ImagePart("https://x.test/a.png"),)))
    report = of([tools, picture])
    assert report.findings == ()
    assert (report.ok, report.rows, report.truncated) == (True, 32, False)


@pytest.mark.parametrize(
    ("rule", "severity", "row"),
    [
        ("row-fits-method", "error", LabelledExample(text=SECRET, label="a")),
        ("chat-ends-with-assistant", "error", chat(USER)),
        ("chat-ends-with-assistant", "error", chat(USER, CALL, RESULT)),
        ("chat-teaches", "error", chat(USER, Message("assistant", SECRET, weight=0))),
        ("answer-not-empty", "error", chat(USER, Message("assistant", " \n"))),
        ("answer-not-empty", "error", chat(USER, Message("assistant", None), Message("user", "again"), ANSWER)),
        ("roles-in-order", "warning", chat(USER, Message("system", SECRET), ANSWER)),
        ("roles-in-order", "warning", chat(ANSWER, USER, ANSWER)),
        ("tool-calls-paired", "error", chat(USER, CALL, ANSWER)),
        ("tool-calls-paired", "error", chat(USER, RESULT, ANSWER)),
        ("tool-calls-paired", "error", chat(USER, CALL, RESULT, RESULT, ANSWER)),
        ("tool-calls-paired", "error", chat(USER, CALL, Message("tool", "x"), ANSWER)),
        ("tool-calls-paired", "error", chat(USER, Message("assistant", None, (ToolCall("f", "{}"),)))),
        ("tool-calls-paired", "error", chat(USER, Message("assistant", None, (ToolCall("f", "{}", "c"), ToolCall("g", "{}", "c"))))),
        ("tool-arguments-json", "error", chat(USER, Message("assistant", None, (ToolCall("f", f"{{{SECRET}", "c"),)))),
        ("tool-arguments-json", "error", chat(USER, Message("assistant", None, (ToolCall("f", "[1]", "c"),)))),
    ],
)
def test_a_row_that_breaks_a_rule_is_found_with_its_line_and_without_its_contents(rule: str, severity: str, row: Example) -> None:
    report = of([row])
    assert [(finding.rule, finding.line, finding.severity) for finding in report.findings] == [(rule, 31, severity)]
    assert report.ok is (severity == "warning")
    assert SECRET not in report.findings[0].message
    assert report.findings[0].message.endswith(".")


def test_a_role_that_the_provider_does_not_take_is_an_error() -> None:
    row = chat(Message("developer", "s"), USER, ANSWER)
    report = of([row], Limits(roles=frozenset({"system", "user", "assistant"})))
    assert [(finding.rule, finding.line) for finding in report.findings] == [("role-taken", 31)]
    assert "'developer' is not taken here; assistant, system, user are" in report.findings[0].message


def test_every_unreadable_row_is_found_and_the_others_are_still_checked(tmp_path: Path) -> None:
    path = tmp_path / "tickets.jsonl"
    good = [json.dumps({"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"a{n}"}]}) for n in range(20)]
    good[5], good[9] = "{broken", '{"text": "x"}'
    good[12] = json.dumps({"messages": [{"role": "user", "content": "q"}]})
    path.write_text("\n".join(good))
    report = check(Dataset.read(path))
    assert [(finding.line, finding.rule) for finding in report.findings] == [
        (6, "row-readable"),
        (10, "row-readable"),
        (13, "chat-ends-with-assistant"),
    ]
    assert (report.rows, report.ok) == (18, False)


def test_keys_that_are_not_carried_on_are_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"messages": [{"role": "user", "content": f"{n}"}, {"role": "assistant", "content": f"a{n}", "mood": "x"}]} for n in range(10)]
    path.write_text("\n".join(map(json.dumps, rows)))
    report = check(Dataset.read(path))
    assert (report.counts, report.ok) == ({"key-known": 10}, True)
    assert "'message.mood'" in report.findings[0].message


def test_repeated_rows_are_named_with_the_line_they_repeat() -> None:
    report = of([pair("QUESTION  3", "answer 3"), pair("question 3", "another answer"), pair("question 3", "answer 3")])
    assert [(finding.line, finding.message) for finding in report.findings] == [
        (31, "the row repeats line 4."),
        (33, "the row repeats line 4."),
    ]
    assert report.ok


def test_the_same_answer_everywhere_is_a_warning() -> None:
    report = check(Dataset.from_examples(pair(f"question {n}", "yes") for n in range(20)))
    assert rules(report) == {"answers-differ"}


def test_labels_out_of_balance_are_a_warning_and_free_answers_never_are() -> None:
    labels = [pair(f"question {n}", "common") for n in range(40)] + [pair(f"other {n}", "rare") for n in range(4)]
    report = check(Dataset.from_examples(labels))
    assert rules(report) == {"labels-balanced"}
    assert "in 40 rows, the rarest in 4." in report.findings[0].message
    assert "common" not in report.findings[0].message.replace("commonest", "")
    assert rules(check(Dataset.from_examples(labels + [pair(f"more {n}", "rare") for n in range(4)]))) == set()
    long = [pair(f"question {n}", "a sentence that is much too long to be anything like a label, really") for n in range(40)]
    assert rules(check(Dataset.from_examples(long + labels[40:]))) == set()


@pytest.mark.parametrize(
    ("rows", "limits", "expected", "ok"),
    [
        (0, Limits(), {"rows-there"}, False),
        (1, Limits(), {"rows-not-few"}, True),
        (9, Limits(), {"rows-not-few"}, True),
        (10, Limits(), set(), True),
        (9, Limits(min_rows=10), {"rows-enough"}, False),
        (12, Limits(max_rows=11), {"rows-not-too-many"}, False),
        (12, Limits(max_rows=12, min_rows=12), set(), True),
    ],
)
def test_too_few_and_too_many_rows_are_found(rows: int, limits: Limits, expected: set[str], ok: bool) -> None:
    report = check(Dataset.from_examples(pair(f"q{n}", f"a{n}") for n in range(rows)), limits=limits)
    assert (rules(report), report.ok, report.rows) == (expected, ok, rows)


def test_a_file_larger_than_the_provider_takes_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    size = Dataset.from_examples(pair(f"q{n}", f"a{n}") for n in range(10)).write(path).path.stat().st_size
    assert rules(check(Dataset.read(path), limits=Limits(max_file_bytes=size))) == set()
    assert rules(check(Dataset.read(path), limits=Limits(max_file_bytes=size - 1))) == {"file-not-too-big"}


def test_a_file_without_a_readable_row_says_so(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("{\n{\n")
    report = check(Dataset.read(path))
    assert report.findings[0].message == "none of the 2 rows can be read."
    assert not report.ok


def test_findings_are_kept_to_a_bound_and_counted_beyond_it() -> None:
    many = check(Dataset.from_examples(chat(Message("user", f"{n}")) for n in range(KEPT_PER_RULE + 20)))
    assert many.counts["chat-ends-with-assistant"] == KEPT_PER_RULE + 20
    assert [finding.line for finding in many.findings if finding.line] == list(range(1, KEPT_PER_RULE + 1))
    assert many.truncated


def test_repeats_beyond_the_bound_keep_the_first_lines() -> None:
    report = check(Dataset.from_examples(pair(f"q{n % 200}", f"a{n % 200}") for n in range(600)))
    assert report.counts["row-not-repeated"] == 400
    assert [finding.line for finding in report.findings] == list(range(201, 301))


def test_the_report_has_the_shape_that_scripts_rely_on() -> None:
    report = of([chat(USER)]).to_dict()
    assert json.loads(json.dumps(report)) == {
        "findings": [
            {
                "line": 31,
                "rule": "chat-ends-with-assistant",
                "severity": "error",
                "message": 'the last message is from "user"; it must be from "assistant".',
                "remedy": "Add the answer, or remove the messages after the last one.",
            }
        ],
        "counts": {"chat-ends-with-assistant": 1},
        "truncated": False,
        "rows": 31,
        "ok": False,
    }


def test_rules_have_different_ids_and_explain_themselves() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    assert all(rule.explanation.endswith(".") for rule in RULES)


def test_a_method_without_rules_is_refused_as_not_built_yet() -> None:
    with pytest.raises(Unsupported, match="method 'dpo' cannot be checked by Tuneport yet"):
        check(Dataset.from_examples([pair("a", "b")]), method="dpo")


def test_a_file_that_cannot_be_read_as_a_whole_is_an_error_not_a_report(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(DatasetError, match=r"rows\.csv:1: no columns are recognised among 'a', 'b'"):
        check(Dataset.read(path))


def test_questions_that_stand_in_train_and_test_are_found_once_each() -> None:
    train = Dataset.from_examples([pair("one", "1"), pair("two", "2"), pair("two", "2")], name="train")
    test = Dataset.from_examples([pair("three", "3"), pair(" TWO ", "zwei"), pair("four", "4"), pair("four", "4")], name="test")
    report = check_pair(train, test)
    assert [(finding.rule, finding.line, finding.message) for finding in report.findings] == [
        ("test-apart", 2, "the row asks the same as line 2 of train.")
    ]
    assert (report.rows, report.ok) == (4, True)


def test_the_two_sides_of_a_split_have_nothing_in_common() -> None:
    rows = Dataset.from_examples(pair(f"question {n % 50}", str(n % 2)) for n in range(100))
    assert check_pair(*rows.split(test=0.3)).findings == ()


@pytest.mark.skipif(not DATA.is_dir(), reason="the real data sets are not in shared/data beside the checkout")
def test_banking77_has_a_few_repeated_rows_and_questions_shared_with_its_test_set() -> None:
    train, test = (Dataset.read(DATA / "banking77" / f"{name}.csv") for name in ("train", "test"))
    report = check(train)
    assert (report.ok, report.rows, report.counts) == (True, 10_003, {"row-not-repeated": 4})
    assert check_pair(train, test).counts == {"test-apart": 7}
