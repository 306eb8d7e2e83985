"""What a check found: findings kept to a bound for each rule, counted beyond it, and handed on one by one to whoever wants them all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tuneport.finding import Finding
from tuneport.limits import GENERAL, Target
from tuneport.rules.known import BY_ID

KEPT_PER_RULE = 100
"""Findings of one rule that are kept; the rest are counted."""

Hear = Callable[[Finding], None]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """The findings in order of line, those about the whole file first. `counts` has the number of findings of each rule, also of those
    that are not kept; `truncated` says that there are such. `ok`: no errors. `rows` counts those that can be read."""

    findings: tuple[Finding, ...]
    rows: int
    ok: bool
    truncated: bool
    counts: Mapping[str, int]
    target: Target = GENERAL
    format: str | None = None
    confidence: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, in the shape that scripts rely on."""
        keys = ("line", "rule", "severity", "message", "remedy")
        return {
            "findings": [{key: asdict(finding)[key] for key in keys} for finding in self.findings],
            "counts": dict(self.counts),
            "truncated": self.truncated,
            "rows": self.rows,
            "ok": self.ok,
            "checked_for": {
                "provider": self.target.provider,
                "model": self.target.model,
                "method": self.target.method,
                "limits_known": self.target.provider is not None and self.target.known,
                "sources": list(self.target.sources),
            },
            "format": self.format,
            "confidence": self.confidence,
        }

    def joined(self, other: CheckReport) -> CheckReport:
        """This report with the findings of another look at the same rows."""
        counts = dict(self.counts)
        for rule, count in other.counts.items():
            counts[rule] = counts.get(rule, 0) + count
        findings = tuple(sorted((*self.findings, *other.findings), key=lambda finding: finding.line or 0))
        ok, truncated = self.ok and other.ok, self.truncated or other.truncated
        return CheckReport(findings, self.rows, ok, truncated, counts, self.target, self.format, self.confidence)


class Found:
    """Findings as they come up, of the rules that are looked at. Listens to the reader for rows and keys that it cannot hand on."""

    def __init__(self, rules: Collection[str] | None = None, *, hear: Hear | None = None) -> None:
        self.counts: dict[str, int] = {}
        self.unreadable = 0
        self._rules = BY_ID.keys() if rules is None else rules
        self._hear = hear
        self._kept: list[Finding] = []

    def wanted(self, rule: str) -> bool:
        """Whether the rule is looked at."""
        return rule in self._rules

    def add(self, rule: str, line: int | None, message: str) -> None:
        """One finding, unless its rule is not looked at."""
        if rule not in self._rules:
            return
        count = self.counts[rule] = self.counts.get(rule, 0) + 1
        if count > KEPT_PER_RULE and self._hear is None:
            return
        known = BY_ID[rule]
        finding = Finding(rule, known.severity, message, line=line, remedy=known.remedy)
        if count <= KEPT_PER_RULE:
            self._kept.append(finding)
        if self._hear is not None:
            self._hear(finding)

    def bad(self, line: int, sentence: str) -> None:
        self.unreadable += 1
        self.add("row-readable", line, sentence)

    def lost(self, line: int, kind: str) -> None:
        self.add("key-known", line, f"the key {kind!r} is not carried on.")

    def report(self, *, rows: int, target: Target, format: str | None = None, confidence: float | None = None) -> CheckReport:
        """All that was found so far."""
        findings = tuple(sorted(self._kept, key=lambda finding: finding.line or 0))
        ok = not any(BY_ID[rule].severity == "error" for rule in self.counts)
        truncated = sum(self.counts.values()) > len(findings)
        return CheckReport(findings, rows, ok, truncated, dict(self.counts), target, format, confidence)
