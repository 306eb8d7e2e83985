"""SARIF logs against the standard (OASIS, SARIF 2.1.0 with errata 01): properties, types, values and references between them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tuneport.check_report import KEPT_PER_RULE, CheckReport
from tuneport.checks import check
from tuneport.dataset import Dataset
from tuneport.examples import ChatExample, Message
from tuneport.finding import Finding, Severity
from tuneport.rules.known import BY_ID
from tuneport.sarif import sarif_log

Holds = Callable[[Any], bool]


def text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def whole(least: int) -> Holds:
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= least


def one_of(*values: str) -> Holds:
    return lambda value: value in values


def listed(holds: Holds) -> Holds:
    return lambda value: isinstance(value, list) and all(map(holds, value))


def known(required: dict[str, Holds], optional: dict[str, Holds] | None = None) -> Holds:
    """An object with these properties and no others: the standard's schema forbids more."""
    every = required | (optional or {})
    return lambda value: (
        isinstance(value, dict) and required.keys() <= value.keys() <= every.keys() and all(every[key](each) for key, each in value.items())
    )


def uri(value: Any) -> bool:
    """RFC 3986, and where it is relative no path from the root, which would lie elsewhere on every machine."""
    if not text(value) or not value.isascii() or set(value) & set(' "<>\\^`{|}'):
        return False
    parts = urlsplit(value)
    return parts.scheme in ("file", "https") if parts.scheme else not value.startswith("/") and ":" not in value.partition("/")[0]


LEVEL = one_of("none", "note", "warning", "error")
MESSAGE = known({"text": text})
REGION = known({"startLine": whole(1)})
LOCATION = known({"physicalLocation": known({"artifactLocation": known({"uri": uri})}, {"region": REGION})})
RESULT = known({"ruleId": text, "ruleIndex": whole(0), "level": LEVEL, "message": MESSAGE, "locations": listed(LOCATION)})
RULE = known({"id": text, "shortDescription": MESSAGE, "defaultConfiguration": known({"level": LEVEL})}, {"help": MESSAGE})
DRIVER = known({"name": text, "version": text, "rules": listed(RULE)})
NOTIFICATION = known({"level": LEVEL, "message": MESSAGE})
INVOCATION = known({"executionSuccessful": lambda value: value is True}, {"toolExecutionNotifications": listed(NOTIFICATION)})
RUN = known(
    {
        "tool": known({"driver": DRIVER}),
        "invocations": listed(INVOCATION),
        "results": listed(RESULT),
        "columnKind": one_of("utf16CodeUnits", "unicodeCodePoints"),
    }
)
LOG = known({"$schema": uri, "version": one_of("2.1.0"), "runs": listed(RUN)})


def bad_rows(count: int) -> CheckReport:
    """Rows without an answer, fewer than few, so that some findings have a line and one has none."""
    return check(Dataset.from_examples(ChatExample((Message("user", f"hello {number}"),)) for number in range(count)))


def log_of(report: CheckReport, *, file: str = "rows.jsonl") -> dict[str, Any]:
    """The log as it is once written and read again."""
    found: dict[str, Any] = json.loads(json.dumps(sarif_log(report, file=file)))
    return found


@pytest.mark.parametrize("rows", [0, 3, 12, KEPT_PER_RULE + 20])
def test_a_log_has_the_properties_types_and_values_of_the_standard(rows: int) -> None:
    log = log_of(bad_rows(rows))
    assert LOG(log)
    (run,) = log["runs"]
    assert len(run["invocations"]) == 1
    assert all(len(result["locations"]) == 1 for result in run["results"])
    assert len({(result["ruleId"], json.dumps(result["locations"])) for result in run["results"]}) == len(run["results"])


def test_a_log_without_findings_says_that_the_check_ran() -> None:
    rows = (ChatExample((Message("user", f"q{number}"), Message("assistant", f"a{number}"))) for number in range(12))
    log = log_of(check(Dataset.from_examples(rows)))
    assert LOG(log)
    (run,) = log["runs"]
    assert (run["results"], run["tool"]["driver"]["rules"], run["invocations"]) == ([], [], [{"executionSuccessful": True}])


def test_each_result_points_at_the_rule_of_its_id_and_each_rule_stands_once() -> None:
    (run,) = log_of(bad_rows(3))["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules) > 1
    assert [rules[result["ruleIndex"]] for result in run["results"]] == [result["ruleId"] for result in run["results"]]
    assert set(rules) == {result["ruleId"] for result in run["results"]}
    for rule in run["tool"]["driver"]["rules"]:
        assert rule["shortDescription"]["text"] == BY_ID[rule["id"]].explanation


@pytest.mark.parametrize(("severity", "level"), [("error", "error"), ("warning", "warning"), ("info", "note")])
def test_severities_are_levels_of_the_standard(severity: Severity, level: str) -> None:
    finding = Finding("row-readable", severity, "the row is odd.", line=7)
    (run,) = log_of(CheckReport((finding,), 1, True, False, {"row-readable": 1}))["runs"]
    (result,) = run["results"]
    assert (result["level"], result["message"]) == (level, {"text": "the row is odd."})
    assert result["locations"][0]["physicalLocation"]["region"] == {"startLine": 7}


def test_a_finding_about_the_whole_file_has_no_region() -> None:
    (run,) = log_of(bad_rows(3))["runs"]
    places = {result["ruleId"]: result["locations"][0]["physicalLocation"] for result in run["results"]}
    assert "region" not in places["rows-not-few"]
    assert places["chat-ends-with-assistant"]["region"]["startLine"] >= 1


def test_what_is_left_out_of_a_log_is_told_by_a_notification() -> None:
    (run,) = log_of(bad_rows(KEPT_PER_RULE + 20))["runs"]
    (told,) = run["invocations"][0]["toolExecutionNotifications"]
    assert told["level"] == "note"
    assert told["message"]["text"].startswith("20 more findings")


@pytest.mark.parametrize(
    "name", ["rows.jsonl", "a folder/größe.jsonl", "a#b?c%20d.jsonl", "12:30.jsonl", 'say "x" & <y>.jsonl', "..\\rows.jsonl"]
)
@pytest.mark.parametrize("absolute", [False, True])
def test_the_place_of_a_file_is_a_uri_that_leads_back_to_it(name: str, absolute: bool, tmp_path: Path) -> None:
    file = tmp_path / name if absolute else Path(name)
    log = log_of(bad_rows(1), file=str(file))
    assert LOG(log)
    place = log["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    parts = urlsplit(place)
    assert (parts.scheme, parts.query, parts.fragment) == ("file" if absolute else "", "", "")
    assert Path(unquote(parts.path)) == file


@pytest.mark.parametrize(
    "spoil",
    [
        lambda run: run["results"][0].update(level="info"),
        lambda run: run["results"][0].update(line=3),
        lambda run: run["results"][0].update(ruleIndex=-1),
        lambda run: run["results"][-1]["locations"][0]["physicalLocation"].update(region={"startLine": 0}),
        lambda run: run["results"][0]["message"].update(text=""),
        lambda run: run["tool"]["driver"].pop("name"),
        lambda run: run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"].update(uri="my rows.jsonl"),
        lambda run: run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"].update(uri="/rows.jsonl"),
    ],
)
def test_the_standard_as_it_is_written_down_here_refuses_logs_that_are_wrong(spoil: Callable[[Any], Any]) -> None:
    log = log_of(bad_rows(3))
    spoil(log["runs"][0])
    assert not LOG(log)
