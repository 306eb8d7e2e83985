"""Graders of a recipe as rewards of reinforcement tuning: SingleReinforcementTuningRewardConfig and its composite, of google-genai 2.34 and
docs.cloud.google.com, reinforcement tuning, reward functions (2026-11-21).

Rewards are clipped to [-1, 1]. What has no documented counterpart is refused by its name: how alike two texts are, templates over anything
but the answer and the row's keys, formulas that are no weighted sum, judges that are no Gemini.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from typing import Any

from tuneport.errors import RecipeError, Unsupported
from tuneport.graders import (
    Grader,
    MultiGrader,
    NumericAnswer,
    PythonGrader,
    RegexCheck,
    ScoreModel,
    SingleGrader,
    StringCheck,
    TextSimilarity,
)
from tuneport.grading.portable import as_python
from tuneport_vertex.wire.rows import ITEM

MOST_REWARDS = 16
"""Of a composite reward, by the console's form (docs.cloud.google.com, 2026-11-21)."""
_TEMPLATE = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
_ANSWER = re.compile(r"\{\{\s*sample\.output_text\s*\}\}")
_JSON_ANSWER = re.compile(r"\{\{\s*sample\.output_json\.(\w+)\s*\}\}")
_NAME = re.compile(r"[^A-Za-z0-9_-]+")

_SHIM = (
    '''

def evaluate(example, response):
    import json

    text = "".join(part.get("text", "") for part in response.get("parts", []) if not part.get("thought"))
    references = example.get("references", {})
    item = json.loads(references["'''
    + ITEM
    + '''"]) if "'''
    + ITEM
    + """" in references else dict(references)
    try:
        output_json = json.loads(text)
    except ValueError:
        output_json = None
    return float(grade({"output_text": text, "output_json": output_json}, item))
"""
)
"""Puts a grader `grade(sample, item)` where the service asks for `evaluate(example, response)`."""


def reward_of(grader: Grader, *, parent: str) -> dict[str, Any]:
    """The keys of a reinforcementTuningSpec that say how answers are scored. `parent` is the project and location of the judge.

    Raises Unsupported naming the grader that has no counterpart.
    """
    if not isinstance(grader, MultiGrader):
        return {"singleRewardConfig": _single(grader, grader.name, parent=parent)}
    weights = _weights(grader)
    configs = [
        {"rewardConfig": _single(each, name, parent=parent), "weight": weights[name]}
        for name, each in grader.graders.items()
        if name in weights
    ]
    if len(configs) > MOST_REWARDS:
        raise Unsupported(f"a reward of {len(configs)} graders: Vertex AI takes {MOST_REWARDS} at most.")
    return {"compositeRewardConfig": {"weightedRewardConfigs": configs}}


def own_reward(reward: Mapping[str, Any]) -> dict[str, Any]:
    """Likewise, of a reward as the API spells it: a single one, or `weightedRewardConfigs`."""
    return {"compositeRewardConfig" if "weightedRewardConfigs" in reward else "singleRewardConfig": dict(reward)}


def _single(grader: SingleGrader, name: str, *, parent: str) -> dict[str, Any]:
    head = {"rewardName": _NAME.sub("-", name)}
    match grader:
        case StringCheck():
            return head | {"stringMatchRewardScorer": _string_match(grader)}
        case RegexCheck() | NumericAnswer():  # as Python code that scores as they do
            return head | {"codeExecutionRewardScorer": {"pythonCodeSnippet": _snippet(as_python(grader))}}
        case PythonGrader():
            return head | {"codeExecutionRewardScorer": {"pythonCodeSnippet": _snippet(grader)}}
        case ScoreModel():
            return head | {"autoraterScorer": _autorater(grader, parent=parent)}
        case TextSimilarity():
            raise Unsupported(
                f"the grader {grader.name!r}: Vertex AI has no reward for how alike two texts are ({grader.metric}).",
                remedy="Use a string_check, a python grader that compares them, or a score_model.",
            )


def _string_match(grader: StringCheck) -> dict[str, Any]:
    """`ilike` as a regular expression that minds no letter case; of a reference in it nobody knows which characters it holds."""
    operation = {"eq": "EXACT_MATCH", "ne": "EXACT_MATCH", "like": "PARTIAL_MATCH", "ilike": "REGEX_CONTAINS"}[grader.operation]
    expression = _filled(grader.reference, grader.name)
    if grader.operation == "ilike":
        expression = "(?i)" + "".join(
            piece if piece.startswith("{{") else re.escape(piece) for piece in re.split(r"(\{\{[^{}]*\}\})", expression) if piece
        )
    match = {"matchOperation": operation, "expression": expression}
    right, wrong = (0.0, 1.0) if grader.operation == "ne" else (1.0, 0.0)
    return {"correctAnswerReward": right, "wrongAnswerReward": wrong} | _looked_at(grader, match)


def _looked_at(grader: StringCheck, match: dict[str, Any]) -> dict[str, Any]:
    """The whole answer, or one key of an answer that is JSON."""
    if _ANSWER.fullmatch(grader.input.strip()):
        return {"stringMatchExpression": match}
    key = _JSON_ANSWER.fullmatch(grader.input.strip())
    if key is None:
        raise Unsupported(
            f"the grader {grader.name!r}: Vertex AI compares the whole answer, or one key of an answer that is JSON.",
            remedy='Write input = "{{sample.output_text}}" or "{{sample.output_json.KEY}}", or use a python grader.',
        )
    return {"jsonMatchExpression": {"keyName": key[1], "valueStringMatchExpression": match}}


def _filled(text: str, name: str, *, answer: str | None = None) -> str:
    """The templates of a text as the service spells them: `{{references.KEY}}`."""

    def named(found: re.Match[str]) -> str:
        path = found[1]
        if path.startswith("item.") and path.count(".") == 1:
            return "{{references." + path.removeprefix("item.") + "}}"
        if path == "sample.output_text" and answer is not None:
            return answer
        raise Unsupported(f"the grader {name!r}: Vertex AI has nothing to put in place of {found[0]}.", remedy="Use a python grader.")

    return _TEMPLATE.sub(named, text)


def _snippet(grader: PythonGrader) -> str:
    """The user's code, perhaps with what lets the service call it."""
    try:
        functions = {node.name for node in ast.parse(grader.source).body if isinstance(node, ast.FunctionDef)}
    except SyntaxError as error:
        raise RecipeError(f"the source of the grader {grader.name!r} is no Python: {error.msg}, line {error.lineno}.") from None
    if "evaluate" in functions:
        return grader.source
    if "grade" not in functions:
        raise RecipeError(f"the source of the grader {grader.name!r} has no function grade(sample, item).")
    return grader.source.rstrip("\n") + _SHIM


def _autorater(grader: ScoreModel, *, parent: str) -> dict[str, Any]:
    """A judge that answers with a number, which is the reward."""
    low, high = grader.range
    if low < -1 or high > 1:
        raise Unsupported(
            f"the grader {grader.name!r} scores from {low:g} to {high:g}, and Vertex AI clips rewards to -1 and 1.",
            remedy="Write a range within those, and say so to the model.",
        )
    if not grader.model.startswith(("gemini", "projects/")):
        raise Unsupported(f"the grader {grader.name!r}: Vertex AI's judges are Geminis, not {grader.model}.")
    prompt = "\n\n".join(_words(message, grader.name) for message in grader.messages)
    model = grader.model if grader.model.startswith("projects/") else f"{parent}/publishers/google/models/{grader.model}"
    config: dict[str, Any] = {"autoraterModel": model}
    if grader.sampling:
        config["generationConfig"] = dict(grader.sampling)
    return {"autoraterConfig": config, "autoraterPrompt": prompt, "parsedResponseConversionScorer": {}}


def _words(message: Mapping[str, Any], name: str) -> str:
    content = message.get("content")
    if not isinstance(content, str):
        raise Unsupported(f"the grader {name!r}: a message of the judge is not plain text, and Vertex AI has one prompt for it.")
    return _filled(content, name, answer="{{response}}")


def _weights(grader: MultiGrader) -> dict[str, float]:
    """The weight of each grader in a formula that is a weighted mean of them. Raises Unsupported for any other."""
    refused = Unsupported(
        f"the formula {grader.formula!r}: Vertex AI takes the weighted mean of rewards, with weights that sum up to 1.",
        remedy="Write it as 0.7 * one + 0.3 * other, or do the arithmetic in one python grader.",
    )
    try:
        found = _terms(ast.parse(grader.formula, mode="eval").body)
    except (SyntaxError, ValueError):
        raise refused from None
    if set(found) - set(grader.graders) or any(weight <= 0 for weight in found.values()) or abs(sum(found.values()) - 1) > 1e-9:
        raise refused
    return found


def _terms(node: ast.expr) -> dict[str, float]:
    """Weights by name. Raises ValueError for anything that is no sum of weighted names."""
    match node:
        case ast.BinOp(left, ast.Add(), right):
            found = _terms(left)
            for name, weight in _terms(right).items():
                found[name] = found.get(name, 0.0) + weight
            return found
        case ast.BinOp(left, ast.Div(), ast.Constant(value=int() | float() as by)) if by:
            return {name: weight / by for name, weight in _terms(left).items()}
        case ast.BinOp(ast.Constant(value=int() | float() as by), ast.Mult(), right):
            return {name: weight * by for name, weight in _terms(right).items()}
        case ast.BinOp(left, ast.Mult(), ast.Constant(value=int() | float() as by)):
            return {name: weight * by for name, weight in _terms(left).items()}
        case ast.Name(id=name):
            return {name: 1.0}
    raise ValueError(ast.dump(node))
