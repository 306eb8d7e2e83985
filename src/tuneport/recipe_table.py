"""What all tables of a recipe have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from tuneport.errors import RecipeError
from tuneport.nearest import refuse_unknown_keys
from tuneport.tables import sentences

_WANTED = {
    "suffix": "1 to 64 letters, digits, dots, hyphens or underscores, beginning with a letter or digit",
    "train": "a dataset or the path of one",
    "validation": "a dataset or the path of one",
}


class RecipeTable(BaseModel):
    """Frozen, refuses unknown keys with the nearest known one, and raises RecipeError instead of pydantic's own.

    Only the keys that `answers_yes` names may be true or false: pydantic would take true for 1.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, validate_default=True, allow_inf_nan=False)
    answers_yes: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise RecipeError(sentences(error, wanted=_WANTED)) from None

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, values: Any) -> Any:
        if isinstance(values, dict):
            refuse_unknown_keys(values, cls.model_fields)
            for key, value in values.items():
                if isinstance(value, bool) and key not in cls.answers_yes:
                    raise ValueError(f"{key} cannot be {str(value).lower()}.")
        return values
