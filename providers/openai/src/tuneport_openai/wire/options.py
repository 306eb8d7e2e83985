"""`options.openai` of a recipe: what this API takes beside a recipe's own settings."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from tuneport.errors import RecipeError
from tuneport.recipe import Recipe
from tuneport.tables import Table, read_table

OURS = "tuneport_"
"""How the keys begin that Tuneport writes on a job."""
MOST_PAIRS = 16
"""Of metadata, by the SDK's types (openai 3.52.0); four of them are ours."""

_Key = Annotated[str, Field(min_length=1, max_length=64)]
_Value = Annotated[str, Field(max_length=512)]


class WandB(Table):
    """The Weights & Biases project that gets the metrics. The key for it is told to the vendor on its own pages, never here."""

    project: Annotated[str, Field(min_length=1)]
    entity: str | None = None
    name: str | None = None
    tags: list[str] = Field(default_factory=list)


class OpenAIOptions(Table):
    """wandb            sends metrics to Weights & Biases as well
    metadata         pairs of your own on the job: 12 at most, keys of 64 characters, values of 512
    hyperparameters  further ones as a compatible endpoint spells them, sent as they are
    """

    wandb: WandB | None = None
    metadata: dict[_Key, _Value] = Field(default_factory=dict)
    hyperparameters: dict[str, Any] = Field(default_factory=dict)

    @field_validator("wandb", mode="before")
    @classmethod
    def _project(cls, value: Any) -> Any:
        return {"project": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _room_for_ours(self) -> OpenAIOptions:
        if taken := next((key for key in self.metadata if key.startswith(OURS)), None):
            raise ValueError(f"metadata: the key {taken!r} is Tuneport's own")
        if len(self.metadata) > MOST_PAIRS - 4:
            raise ValueError(f"metadata: {len(self.metadata)} pairs; the API takes {MOST_PAIRS}, and 4 of them are Tuneport's")
        return self


def options_of(recipe: Recipe, *, provider: str) -> OpenAIOptions:
    """The recipe's settings for this provider. Raises RecipeError naming the key, with the nearest known one."""
    return read_table(OpenAIOptions, recipe.options.get(provider, {}), place=f"options.{provider}", error=RecipeError)


def integrations(options: OpenAIOptions) -> list[dict[str, Any]]:
    """As a job names them."""
    if options.wandb is None:
        return []
    return [{"type": "wandb", "wandb": {key: value for key, value in options.wandb.model_dump().items() if value not in (None, [])}}]
