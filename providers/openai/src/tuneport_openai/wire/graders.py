"""Graders as the API spells them: https://developers.openai.com/api/docs/guides/graders and the SDK's types (openai 3.52.0).

The SDK types the `graders` of a multi grader as a single one; the guides write a map of them by name, which the formula refers to.
"""

from __future__ import annotations

from typing import Any

from tuneport.errors import RecipeError
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

MOST_SOURCE_BYTES = 256_000
"""Of a Python grader; guide Reinforcement fine-tuning, facts of 2026-11-21."""


def grader_body(grader: Grader) -> dict[str, Any]:
    """The grader of a job. Raises RecipeError for one that the API would refuse."""
    if not isinstance(grader, MultiGrader):
        return _single(grader)
    graders = {name: _single(each) | _named(each, name) for name, each in grader.graders.items()}
    return {"type": "multi", "name": grader.name, "graders": graders, "calculate_output": grader.formula}


def _named(grader: SingleGrader, name: str) -> dict[str, str]:
    """Among others, a grader without a name of its own goes by its key."""
    return {"name": name} if grader.name == grader.kind else {}


def _single(grader: SingleGrader) -> dict[str, Any]:
    """Graders that the API has not go as Python code that scores as they do."""
    if isinstance(grader, RegexCheck | NumericAnswer):
        return _single(as_python(grader))
    head = {"type": grader.kind, "name": grader.name}
    match grader:
        case StringCheck():
            return {**head, "input": grader.input, "reference": grader.reference, "operation": grader.operation}
        case TextSimilarity():
            return {**head, "input": grader.input, "reference": grader.reference, "evaluation_metric": grader.metric}
        case PythonGrader():
            return {**head, "source": _source(grader), **({"image_tag": grader.image_tag} if grader.image_tag is not None else {})}
        case ScoreModel():
            return {**head, **_score_model(grader)}


def _score_model(grader: ScoreModel) -> dict[str, Any]:
    body: dict[str, Any] = {"model": grader.model, "input": [dict(each) for each in grader.messages], "range": list(grader.range)}
    return body | ({"sampling_params": dict(grader.sampling)} if grader.sampling else {})


def _source(grader: PythonGrader) -> str:
    size = len(grader.source.encode())
    if size >= MOST_SOURCE_BYTES:
        raise RecipeError(f"the source of the grader {grader.name!r} has {size:,} bytes; less than {MOST_SOURCE_BYTES:,} are taken.")
    return grader.source
