"""Graders: what scores an answer while a model is trained by reinforcement.

Texts may hold templates in double braces, as OpenAI's graders do: `{{ item.KEY }}` is a key of the row beside its messages, `reference`
among them, `{{ sample.output_text }}` the answer, `{{ sample.output_json }}` the answer read as JSON.

What a grader gives for an answer is `tuneport.grading`'s to say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from tuneport.errors import RecipeError
from tuneport.recipe_table import RecipeTable

ANSWER = "{{sample.output_text}}"
REFERENCE = "{{item.reference}}"

_Text = Annotated[str, Field(min_length=1)]


class StringCheck(RecipeTable):
    """1 where the answer compares to the reference as it should, else 0. `like` and `ilike` (letter case aside): holds it."""

    kind: Literal["string_check"] = "string_check"
    name: _Text = "string_check"
    input: _Text = ANSWER
    reference: _Text = REFERENCE
    operation: Literal["eq", "ne", "like", "ilike"] = "eq"


class TextSimilarity(RecipeTable):
    """How alike the answer is to the reference, from 0 to 1."""

    kind: Literal["text_similarity"] = "text_similarity"
    name: _Text = "text_similarity"
    input: _Text = ANSWER
    reference: _Text = REFERENCE
    metric: Literal["cosine", "fuzzy_match", "bleu", "gleu", "meteor", "rouge_1", "rouge_2", "rouge_3", "rouge_4", "rouge_5", "rouge_l"] = (
        "fuzzy_match"
    )


class RegexCheck(RecipeTable):
    """1 where a regular expression (Python's) is found in the answer, else 0. `match` 'full': it has to fit the whole of it.

    What a template in the pattern stands for is taken as it is, not as a regular expression.
    """

    kind: Literal["regex"] = "regex"
    answers_yes: ClassVar[frozenset[str]] = frozenset({"ignore_case"})
    name: _Text = "regex"
    pattern: _Text
    input: _Text = ANSWER
    match: Literal["search", "full"] = "search"
    ignore_case: bool = False

    @model_validator(mode="after")
    def _is_an_expression(self) -> RegexCheck:
        _refuse_expression(self.pattern)
        return self


class NumericAnswer(RecipeTable):
    """1 where the number of the answer is that of the reference, else 0; an answer without a number is wrong.

    take       which number of the answer counts, where there are several: the last or the first
    pattern    a regular expression that finds the number instead: its first group, or all of it
    tolerance  how far the two may be apart;  relative: the same as a share of the reference. The wider of the two counts

    The reference's number is what follows its last `####`, else its last number. 1,234.5 is one number.
    """

    kind: Literal["numeric"] = "numeric"
    name: _Text = "numeric"
    input: _Text = ANSWER
    reference: _Text = REFERENCE
    take: Literal["last", "first"] = "last"
    pattern: _Text | None = None
    tolerance: Annotated[float, Field(ge=0)] = 1e-6
    relative: Annotated[float, Field(ge=0)] = 0.0

    @model_validator(mode="after")
    def _is_an_expression(self) -> NumericAnswer:
        if self.pattern is not None:
            _refuse_expression(self.pattern)
        return self


def _refuse_expression(pattern: str) -> None:
    try:
        re.compile(re.sub(r"\{\{[^{}]*\}\}", "x", pattern))
    except re.error as error:
        raise ValueError(f"pattern is no regular expression: {error}") from None


class PythonGrader(RecipeTable):
    """Python code with a function `grade(sample, item) -> float`. At a provider it runs in its sandbox, here in a process of its own.

    `file` is another way to give the source: it is read when the recipe is, from the recipe's folder, and its source becomes the recipe's.
    """

    kind: Literal["python"] = "python"
    name: _Text = "python"
    source: _Text
    image_tag: str | None = None
    file: str | None = Field(default=None, exclude=True)

    @model_validator(mode="before")
    @classmethod
    def _read_file(cls, values: Any) -> Any:
        return with_source(values, folder=Path()) if isinstance(values, dict) else values


def with_source(values: dict[str, Any], *, folder: Path) -> dict[str, Any]:
    """The table of a Python grader with the source of its `file`, which is looked for in `folder`. Raises ValueError."""
    file = values.get("file")
    if file is None:
        return values
    if not isinstance(file, str | Path):
        raise ValueError("file must be the path of a Python file")  # noqa: TRY004 - pydantic's validators raise it
    if "source" in values:
        raise ValueError("give source or file, not both")
    path = folder / file
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    return {**{key: value for key, value in values.items() if key != "file"}, "source": source}


def with_sources(grader: Any, *, folder: Path) -> Any:
    """The same for a grader as a recipe file has it, and for those in it. Raises RecipeError."""
    if not isinstance(grader, Mapping):
        return grader
    found = dict(grader)
    if isinstance(found.get("graders"), Mapping):
        found["graders"] = {name: with_sources(each, folder=folder) for name, each in found["graders"].items()}
    try:
        return with_source(found, folder=folder) if found.get("kind") == "python" else found
    except ValueError as error:
        raise RecipeError(f"grader: {error}.") from None


class ScoreModel(RecipeTable):
    """A model that gives a score in `range`. `messages` are what it is asked, each {role, content}."""

    kind: Literal["score_model"] = "score_model"
    name: _Text = "score_model"
    model: _Text
    messages: Annotated[tuple[dict[str, Any], ...], Field(min_length=1)]
    range: tuple[float, float] = (0.0, 1.0)
    sampling: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _lower_first(self) -> ScoreModel:
        if self.range[0] >= self.range[1]:
            raise ValueError(f"range: {self.range[0]:g} is not below {self.range[1]:g}")
        return self


SingleGrader = Annotated[StringCheck | TextSimilarity | PythonGrader | ScoreModel | RegexCheck | NumericAnswer, Field(discriminator="kind")]


class MultiGrader(RecipeTable):
    """Several graders whose scores a formula over their names makes one: `0.7 * exact + 0.3 * style`."""

    kind: Literal["multi"] = "multi"
    name: _Text = "multi"
    graders: Annotated[dict[_Text, SingleGrader], Field(min_length=1)]
    formula: _Text


Grader = Annotated[
    StringCheck | TextSimilarity | PythonGrader | ScoreModel | RegexCheck | NumericAnswer | MultiGrader, Field(discriminator="kind")
]
