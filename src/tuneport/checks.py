"""Checks: the rules over a Dataset for a provider's limits, all findings in one pass and in bounded memory."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import Any

from tuneport.dataset import Dataset
from tuneport.errors import Unsupported
from tuneport.exchange import digest, normalised, question
from tuneport.finding import Finding
from tuneport.rules import RULES, Limits, Rule, Tally
from tuneport.splitting import in_key_order

__all__ = ["KEPT_PER_RULE", "RULES", "CheckReport", "Limits", "Rule", "check", "check_pair"]

KEPT_PER_RULE = 100
"""Findings of one rule that are kept; the rest are counted."""

_BY_ID = {rule.id: rule for rule in RULES}
_ROW_RULES = tuple((rule.row, rule) for rule in RULES if rule.row is not None)
_WHOLE_RULES = tuple((rule.whole, rule) for rule in RULES if rule.whole is not None)


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All findings in order of line, those about the whole file first. `counts` has the number of findings of each rule, also of those
    that are not kept; `truncated` says that there are such. `ok`: no errors. `rows` counts those that can be read."""

    findings: tuple[Finding, ...]
    rows: int
    ok: bool
    truncated: bool
    counts: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, in the shape that scripts rely on."""
        keys = ("line", "rule", "severity", "message", "remedy")
        findings = [{key: asdict(finding)[key] for key in keys} for finding in self.findings]
        return {"findings": findings, "counts": dict(self.counts), "truncated": self.truncated, "rows": self.rows, "ok": self.ok}


class _Found:
    """Findings as they come up. Listens to the reader for rows and keys it cannot hand on."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._kept: list[Finding] = []

    def add(self, rule: Rule, line: int | None, message: str) -> None:
        count = self.counts[rule.id] = self.counts.get(rule.id, 0) + 1
        if count <= KEPT_PER_RULE:
            self._kept.append(Finding(rule.id, rule.severity, message, line=line, remedy=rule.remedy))

    def bad(self, line: int, sentence: str) -> None:
        self.add(_BY_ID["row-readable"], line, sentence)

    def lost(self, line: int, kind: str) -> None:
        self.add(_BY_ID["key-known"], line, f"the key {kind!r} is not carried on.")

    def report(self, rows: int) -> CheckReport:
        findings = tuple(sorted(self._kept, key=lambda finding: finding.line or 0))
        ok = not any(_BY_ID[rule].severity == "error" for rule in self.counts)
        return CheckReport(findings, rows=rows, ok=ok, truncated=sum(self.counts.values()) > len(findings), counts=self.counts)


def check(dataset: Dataset, *, method: str = "sft", limits: Limits | None = None) -> CheckReport:
    """Everything the rules have to say about `dataset`, unreadable rows included; the first of them does not end it.

    Raises DatasetError when the file as a whole cannot be read, Unsupported for a method without rules.
    """
    if method != "sft":
        raise Unsupported(f"data for method {method!r} cannot be checked by Tuneport yet, only for sft.")
    limits = limits or Limits()
    found, tally = _Found(), Tally(size_bytes=dataset.path.stat().st_size if dataset.path else None)
    for line, example in dataset.numbered(notices=found):
        tally.add(line, example)
        for look, rule in _ROW_RULES:
            if sentence := look(example, limits):
                found.add(rule, line, sentence)
    tally.unreadable = found.counts.get("row-readable", 0)
    for look_at_all, rule in _WHOLE_RULES:
        for place, sentence in look_at_all(tally, limits):
            found.add(rule, place, sentence)
    return found.report(tally.rows)


def check_pair(train: Dataset, test: Dataset) -> CheckReport:
    """The rows of `test` that ask what a row of `train` asks (white space and letter case aside). `rows` are those of `test`."""
    found, keys, lines = _Found(), array("Q"), array("Q")
    for dataset in (train, test):
        trained = len(keys)
        for line, example in dataset.numbered():
            keys.append(digest(normalised(question(example))))
            lines.append(line)
    for _, group in groupby(in_key_order(keys), key=keys.__getitem__):
        places = list(group)
        for place in places if places[0] < trained else ():
            if place >= trained:
                found.add(_BY_ID["test-apart"], lines[place], f"the row asks the same as line {lines[places[0]]} of {train.name}.")
    return found.report(len(keys) - trained)
