"""The table of what providers take: dated and sourced, unknown where nothing was found, and never guessed."""

from __future__ import annotations

import dataclasses
import tomllib
from datetime import date
from importlib.resources import files
from pathlib import Path

import pytest

import tuneport
from tuneport.checks import METHODS, check
from tuneport.dataset import Dataset
from tuneport.errors import UsageError
from tuneport.examples import ChatExample, ImagePart, Message
from tuneport.limits import Limits, providers, suffix_problem, target


def test_every_row_has_a_source_and_a_date_and_methods_that_exist() -> None:
    rows = tomllib.loads(files("tuneport").joinpath("limits.toml").read_text(encoding="utf-8"))["limits"]
    assert len(rows) > 10
    for row in rows:
        assert row["source"]
        assert date.fromisoformat(row["as_of"]) >= date(2026, 11, 21)
        assert set(row.get("methods", ())) <= METHODS.keys()


def test_every_provider_of_the_plan_is_in_the_table() -> None:
    assert set(providers()) == {"openai", "azure", "azureml", "vertex", "together", "fireworks", "tinker", "nebius", "bedrock", "local"}


@pytest.mark.parametrize(
    ("text", "method", "key", "value"),
    [
        ("openai", "sft", "min_rows", 10),
        ("openai:gpt-4.1-mini", "sft", "max_tokens", 65_536),
        ("openai:GPT-4o-2024-08-06", "sft", "images", None),
        ("openai:gpt-4.1-2025-04-14", "sft", "images", False),
        ("openai:gpt-4o", "dpo", "one_answer", True),
        ("openai:gpt-4o", "sft", "one_answer", None),
        ("azure:gpt-4.1-2025-04-14", "sft", "images", True),
        ("azure", "sft", "bom", True),
        ("azure", "sft", "max_suffix_chars", 18),
        ("vertex:gemini-3.5-flash", "sft", "max_test_share", 0.3),
        ("vertex:gemma-3-4b-it", "sft", "max_tokens", None),
        ("bedrock:amazon.nova-2-lite", "sft", "tools", False),
        ("local:anything/at-all", "grpo", "max_rows", None),
    ],
)
def test_what_applies_depends_on_provider_model_and_method(text: str, method: str, key: str, value: object) -> None:
    assert getattr(target(text, method=method).limits, key) == value


@pytest.mark.parametrize(
    ("provider", "suffix", "problem"),
    [
        ("openai", "a" * 64, None),
        ("openai", "a" * 65, f"the suffix {'a' * 65!r} has 65 characters; at most 64 are taken."),
        ("azure", "tickets-v2", None),
        ("azure", "tickets-v2-of-today", "the suffix 'tickets-v2-of-today' has 19 characters; at most 18 are taken."),
        ("azure", "tickets.v2", "the suffix 'tickets.v2' holds '.', which is not taken."),
        ("local", "any." * 30, None),
    ],
)
def test_a_suffix_that_a_provider_would_refuse_is_told_with_what_it_takes(provider: str, suffix: str, problem: str | None) -> None:
    assert suffix_problem(suffix, target(provider).limits) == problem


def test_every_limit_of_the_table_is_applied_somewhere() -> None:
    texts = [path.read_text(encoding="utf-8") for path in Path(tuneport.__file__).parent.rglob("*.py")]
    unused = [field.name for field in dataclasses.fields(Limits) if not any(f"limits.{field.name}" in text for text in texts)]
    assert unused == []


def test_without_a_provider_only_general_rules_apply() -> None:
    assert target().limits == Limits()
    assert target().known


def test_an_unknown_provider_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(UsageError, match="no limits are known of a provider 'opnai'; did you mean 'openai'"):
        target("opnai:gpt-4.1")


@pytest.mark.parametrize(
    ("text", "method", "sentence"),
    [
        ("openai:gpt-4.1-mni", "sft", "did you mean 'gpt-4.1-mini'"),
        ("openai:gpt-4o-mini", "dpo", "nothing is known of openai's model 'gpt-4o-mini' with method dpo"),
        ("openai", "sft", "no model is named"),
        ("nebius:any", "dpo", "no model of nebius is known here to take method dpo"),
    ],
)
def test_what_is_not_known_of_a_model_is_a_warning_in_the_check(text: str, method: str, sentence: str) -> None:
    aim = target(text, method=method)
    assert sentence in aim.unknown
    report = check(Dataset.from_examples([ChatExample((Message("user", "q"), Message("assistant", "a")))]), target=aim)
    assert [finding.severity for finding in report.findings if finding.rule == "limits-known"] == ["warning"]


@pytest.mark.parametrize("text", ["openai:gpt-4.1", "azure:gpt-4o", "together:any", "local:any", "vertex:gemini-3.1-flash-lite"])
def test_a_known_model_has_sources_with_dates_and_no_warning(text: str) -> None:
    aim = target(text)
    assert (aim.known, aim.unknown) == (True, "")
    assert all("2026-11-21" in source for source in aim.sources)


def test_the_limits_of_the_table_are_what_the_check_applies() -> None:
    seen = Message("user", (ImagePart("gs://bucket/a.gif"),))
    rows = [ChatExample((seen, Message("assistant", "<|im_end|>")))] * 2
    report = check(Dataset.from_examples(rows), target=target("openai:gpt-4o"))
    assert {"rows-enough", "image-type", "image-scheme", "token-allowed"} <= report.counts.keys()
    assert not report.ok
    assert not check(Dataset.from_examples(rows * 5), target=target("local:any")).ok
    text = ChatExample((Message("user", "q"), Message("assistant", "a")))
    assert check(Dataset.from_examples([text]), target=target("local:any")).ok
