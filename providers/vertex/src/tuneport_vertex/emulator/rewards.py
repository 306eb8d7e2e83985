"""Rewards of reinforcement tuning: which kinds there are, and what each has to say."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

SCORERS = ("codeExecutionRewardScorer", "stringMatchRewardScorer", "autoraterScorer", "cloudRunRewardScorer")
NEEDED = "Required field is not set."


def reward_problems(spec: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    """One reward, or several with weights."""
    single, composite = spec.get("singleRewardConfig"), spec.get("compositeRewardConfig")
    if (single is None) == (composite is None):
        yield f"{where}.reward_config", NEEDED if single is None else "Only one reward config can be set."
    if single is not None:
        yield from _single(single, f"{where}.single_reward_config")
    if composite is not None:
        parts = composite.get("weightedRewardConfigs") or []
        if not parts:
            yield f"{where}.composite_reward_config.weighted_reward_configs", NEEDED
        for number, part in enumerate(parts):
            inner = f"{where}.composite_reward_config.weighted_reward_configs[{number}]"
            yield from _single(part.get("rewardConfig") or {}, f"{inner}.reward_config")


def _single(reward: Mapping[str, Any], where: str) -> Iterator[tuple[str, str]]:
    scorers = [name for name in SCORERS if reward.get(name) is not None]
    if len(scorers) != 1:
        yield f"{where}.reward_scorer", NEEDED if not scorers else "Only one reward scorer can be set."
    pattern = (reward.get("parseResponseConfig") or {}).get("regexExtractExpression")
    if pattern is not None and not _compiles(pattern):
        yield f"{where}.parse_response_config.regex_extract_expression", "The expression cannot be compiled."
    snippet = (reward.get("codeExecutionRewardScorer") or {}).get("pythonCodeSnippet")
    if "codeExecutionRewardScorer" in reward and not _evaluates(snippet):
        yield f"{where}.code_execution_reward_scorer.python_code_snippet", "The snippet does not define evaluate(example, response)."


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except re.error:
        return False
    return True


def _evaluates(snippet: str | None) -> bool:
    try:
        compile(snippet or "", "<reward>", "exec")
    except SyntaxError:
        return False
    return "def evaluate(" in (snippet or "")
