"""Findings as SARIF 2.1.0, which code hosts and editors show beside the file (OASIS standard, sarif-schema-2.1.0.json)."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from tuneport import __version__
from tuneport.check_report import CheckReport
from tuneport.finding import Finding
from tuneport.rules.known import BY_ID

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}


def sarif_log(report: CheckReport, *, file: str) -> dict[str, Any]:
    """The report's findings on `file`, with the rules that they are of. What a truncated report leaves out is told by a notification."""
    ids = list(dict.fromkeys(finding.rule for finding in report.findings))
    places = {id: place for place, id in enumerate(ids)}
    invocation: dict[str, Any] = {"executionSuccessful": True}
    if report.truncated:
        left_out = sum(report.counts.values()) - len(report.findings)
        sentence = f"{left_out} more findings are counted only; --output ndjson gives all."
        invocation["toolExecutionNotifications"] = [{"level": "note", "message": {"text": sentence}}]
    driver = {"name": "tuneport", "version": __version__, "rules": [_rule(id) for id in ids]}
    results = [_result(finding, places[finding.rule], file=file) for finding in report.findings]
    run = {"tool": {"driver": driver}, "invocations": [invocation], "results": results, "columnKind": "unicodeCodePoints"}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(id: str) -> dict[str, Any]:
    rule = BY_ID[id]
    told = {"id": id, "shortDescription": {"text": rule.explanation}, "defaultConfiguration": {"level": _LEVELS[rule.severity]}}
    return {**told, "help": {"text": rule.remedy}} if rule.remedy else told


def _result(finding: Finding, place: int, *, file: str) -> dict[str, Any]:
    location: dict[str, Any] = {"artifactLocation": {"uri": _uri(Path(file))}}
    if finding.line is not None:
        location["region"] = {"startLine": finding.line}
    return {
        "ruleId": finding.rule,
        "ruleIndex": place,
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.message},
        "locations": [{"physicalLocation": location}],
    }


def _uri(path: Path) -> str:
    """A whole file: URI, or a relative reference, whose first part must not look like a scheme (RFC 3986)."""
    return path.as_uri() if path.is_absolute() else quote(path.as_posix(), safe="/")
