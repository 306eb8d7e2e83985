"""The page about quotes says what the rules of billing say."""

from __future__ import annotations

from pathlib import Path

from tuneport.quoting.job import COMPARED_EPOCHS
from tuneport.quoting.rules import rules
from tuneport.quoting.serving import HOURS_A_MONTH

PAGE = (Path(__file__).parents[1] / "docs" / "quotes.md").read_text(encoding="utf-8")


def test_the_page_has_every_rule_of_billing_and_no_other() -> None:
    section = PAGE.partition("## What each provider bills")[2].partition("\n## ")[0]
    shown = [line for line in section.splitlines() if line.startswith("| ")][1:]
    prompts = {"prompt once": "once |", "prompt twice": "twice |", "unknown": "unknown |", "": "|"}
    ruled = [
        f"| {rule.provider} | {', '.join(rule.methods)} | {rule.per} | {rule.validation} | {prompts[rule.preference]}" for rule in rules()
    ]
    assert shown == ruled


def test_the_page_names_the_numbers_that_are_assumed() -> None:
    assert f"{HOURS_A_MONTH} hours" in PAGE
    assert COMPARED_EPOCHS == 3
    assert "three are compared everywhere" in PAGE
