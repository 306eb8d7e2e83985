"""`options.azureml` of a recipe: what a fine-tuning job takes beside a recipe's own settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from tuneport.errors import RecipeError
from tuneport.recipe import Recipe
from tuneport.tables import Table, read_table
from tuneport_azureml.profile import JobTier
from tuneport_azureml.wire.tags import problem

Task = Literal[
    "chat_completion",
    "text_classification",
    "summarization",
    "question_answering",
    "text_completion",
    "token_classification",
    "translation",
    "image_classification",
]
_Text = Annotated[str, Field(min_length=1)]


class AzureMLOptions(Table):
    """task             chat_completion, summarization or question_answering of method sft, text_classification of method classify:
                     else what the method says
    road             custom (models of the registries) or azure_openai; else as the base's registry says
    compute          the named compute that the job runs on;  `instance_types`: sizes of serverless machines: else the profile's
    job_tier         spot, basic, standard or premium: else the profile's
    experiment       what the job is listed under in the studio: else the profile's
    description      of the job;  `tags` of your own on it
    hyperparameters  further ones, by the names that the service has for them: they go as they are
    """

    task: Task | None = None
    road: Literal["custom", "azure_openai"] | None = None
    compute: _Text | None = None
    instance_types: list[_Text] = Field(default_factory=list)
    job_tier: JobTier | None = None
    experiment: _Text | None = None
    description: _Text | None = None
    tags: dict[_Text, str] = Field(default_factory=dict)
    hyperparameters: dict[_Text, str] = Field(default_factory=dict)

    @field_validator("tags")
    @classmethod
    def _fit(cls, value: dict[str, str]) -> dict[str, str]:
        if found := problem(value):
            raise ValueError(found)
        return value

    @model_validator(mode="after")
    def _one_place(self) -> AzureMLOptions:
        if self.compute and self.instance_types:
            raise ValueError("a job runs on a named compute or on instance_types, not on both")
        return self


def options_of(recipe: Recipe, *, provider: str) -> AzureMLOptions:
    """The recipe's settings for that profile, else those for `azureml`. Raises RecipeError naming the key, with the nearest known one."""
    name = provider if provider in recipe.options else "azureml"
    return read_table(AzureMLOptions, recipe.options.get(name, {}), place=f"options.{name}", error=RecipeError)
