"""`options.vertex` of a recipe: what this API takes beside a recipe's own settings."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from tuneport.errors import RecipeError
from tuneport.recipe import Recipe
from tuneport.tables import Table, read_table
from tuneport_vertex.wire.labels import problem

SIZES = {1: "ONE", 2: "TWO", 4: "FOUR", 8: "EIGHT", 16: "SIXTEEN", 32: "THIRTY_TWO"}
"""Adapter sizes, with the API's word for each."""

_Text = Annotated[str, Field(min_length=1)]
_Whole = Annotated[int, Field(ge=1)]


class VertexOptions(Table):
    """adapter_size      1, 2, 4, 8, 16 or 32; else method.lora.rank, where that is not the recipe's usual 16, else the service's own
    mode              adapter or full, of open models that can be trained either way
    output_uri        gs://…, where an open model's weights go; else the profile's bucket
    custom_base_model gs://…, weights of an open model to go on from, such as those of an earlier job
    labels            of your own on the job, the model and its endpoints
    service_account   the account that the job runs as;  `kms_key` encrypts what it makes: else the profile's
    checkpoints       all (one an epoch, each with its endpoint), or the last only
    description       of the job
    teacher           the base or the tuned model that is distilled: its answers are learned, not those of the rows
    sft_loss_weight   of the rows' own answers beside the teacher's
    rebase            a tuned model that is tuned anew on the newer base of this recipe;  `same_endpoint` puts it in place of the old one
    samples_per_prompt, max_output_tokens, checkpoint_interval, thinking (minimal or high)   of reinforcement
    reward            of reinforcement: a reward as the API spells it, such as {cloudRunRewardScorer = {cloudRunUri = "…"}}, in place of
                      the recipe's grader
    """

    adapter_size: Literal[1, 2, 4, 8, 16, 32] | None = None
    mode: Literal["adapter", "full"] | None = None
    output_uri: _Text | None = None
    custom_base_model: _Text | None = None
    labels: dict[_Text, str] = Field(default_factory=dict)
    service_account: _Text | None = None
    kms_key: _Text | None = None
    checkpoints: Literal["all", "last"] | None = None
    description: _Text | None = None
    teacher: _Text | None = None
    sft_loss_weight: Annotated[float, Field(ge=0)] | None = None
    rebase: _Text | None = None
    same_endpoint: bool = False
    samples_per_prompt: _Whole | None = None
    max_output_tokens: _Whole | None = None
    checkpoint_interval: _Whole | None = None
    thinking: Literal["minimal", "high"] | None = None
    reward: dict[str, Any] | None = None

    @field_validator("labels")
    @classmethod
    def _fit(cls, value: dict[str, str]) -> dict[str, str]:
        if found := problem(value):
            raise ValueError(found)
        return value

    @field_validator("output_uri", "custom_base_model")
    @classmethod
    def _in_storage(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"gs://[a-z0-9][^/\s]*(?:/\S*)?", value):
            raise ValueError(f"{value!r} is no folder in Cloud Storage; it looks like gs://NAME/FOLDER")
        return value.rstrip("/") if value else value

    @model_validator(mode="after")
    def _together(self) -> VertexOptions:
        if self.rebase and self.teacher:
            raise ValueError("a job is distilled or rebased, not both")
        if self.same_endpoint and not self.rebase:
            raise ValueError("same_endpoint goes with rebase")
        if self.sft_loss_weight is not None and not self.teacher:
            raise ValueError("sft_loss_weight goes with teacher")
        return self


REINFORCED = ("samples_per_prompt", "max_output_tokens", "checkpoint_interval", "thinking", "reward")
"""Options of reinforcement alone."""


def options_of(recipe: Recipe, *, provider: str) -> VertexOptions:
    """The recipe's settings for that profile, else those for `vertex`. Raises RecipeError naming the key, with the nearest known one."""
    name = provider if provider in recipe.options else "vertex"
    return read_table(VertexOptions, recipe.options.get(name, {}), place=f"options.{name}", error=RecipeError)
