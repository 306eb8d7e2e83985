"""`options.azure` of a recipe: what this API takes beside a recipe's own settings, the training type first of all."""

from __future__ import annotations

import re
from typing import Any, Literal

from pydantic import Field, field_validator
from tuneport_openai.wire.options import OpenAIOptions

from tuneport.errors import RecipeError
from tuneport.recipe import Recipe
from tuneport.replies import Json
from tuneport.tables import read_table

ON_THE_WIRE = {"standard": "Standard", "global": "GlobalStandard", "developer": "developerTier"}
"""A recipe's words for the training types, with the API's: as Microsoft's own recorded tests of azure-ai-projects send them (2026).
The service reads them without regard to case; `Developer` it does not know, and then no other key either."""

TIERS = {"standard": "regional", "global": "global", "developer": "developer"}
"""The training types as the price book and the catalogue call them."""

_SAID = {"standard": "standard", "0": "standard", "globalstandard": "global", "1": "global", "developertier": "developer"}
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class AzureOptions(OpenAIOptions):
    """training_type  standard, global or developer; else that of the profile
    import_env     for train and validation: the variable that holds the (signed) address of the file in blob storage, from which the
                   vendor fetches it. The address is a secret: never write it here
    """

    training_type: Literal["standard", "global", "developer"] | None = None
    import_env: dict[Literal["train", "validation"], str] = Field(default_factory=dict)

    @field_validator("import_env")
    @classmethod
    def _names_variables(cls, value: dict[str, str]) -> dict[str, str]:
        wrong = next((purpose for purpose, name in value.items() if not _VARIABLE.fullmatch(name)), None)
        if wrong is not None:
            raise ValueError(f"{wrong} must be the name of an environment variable; the address itself is a secret")
        return value


def options_of(recipe: Recipe, *, provider: str) -> AzureOptions:
    """The recipe's settings for that profile, else those for `azure`. Raises RecipeError naming the key, with the nearest known one."""
    name = provider if provider in recipe.options else "azure"
    return read_table(AzureOptions, recipe.options.get(name, {}), place=f"options.{name}", error=RecipeError)


def training_type_of(job: Json) -> str | None:
    """In which tier a job was trained, by a recipe's word for it; None where it does not say."""
    said: Any = job.get("trainingType")
    return _SAID.get(str(said).casefold()) if said is not None else None
