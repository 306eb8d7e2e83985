"""Graders: what scores an answer while a model is trained by reinforcement.

Texts may hold templates in double braces, as OpenAI's graders do: `{{ item.KEY }}` is a key of the row beside its messages, `reference`
among them, `{{ sample.output_text }}` the answer, `{{ sample.output_json }}` the answer read as JSON.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

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


class PythonGrader(RecipeTable):
    """Python code with a function `grade(sample, item) -> float`. Runs at the provider, in its own sandbox."""

    kind: Literal["python"] = "python"
    name: _Text = "python"
    source: _Text
    image_tag: str | None = None


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


SingleGrader = Annotated[StringCheck | TextSimilarity | PythonGrader | ScoreModel, Field(discriminator="kind")]


class MultiGrader(RecipeTable):
    """Several graders whose scores a formula over their names makes one: `0.7 * exact + 0.3 * style`."""

    kind: Literal["multi"] = "multi"
    name: _Text = "multi"
    graders: Annotated[dict[_Text, SingleGrader], Field(min_length=1)]
    formula: _Text


Grader = Annotated[StringCheck | TextSimilarity | PythonGrader | ScoreModel | MultiGrader, Field(discriminator="kind")]
