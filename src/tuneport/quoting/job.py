"""What is to be quoted: the data, how it is trained on, and what the result is to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

from tuneport.errors import UsageError
from tuneport.quote import Usage
from tuneport.quoting.measure import Measure

COMPARED_EPOCHS = 3
"""Epochs that every provider is quoted for where nobody says how many."""


@dataclass(frozen=True, slots=True)
class JobToQuote:
    """`base` as in a recipe, None for each provider's usual ones; `epochs` None compares by COMPARED_EPOCHS.

    `training_hours` are of reinforcement, which is billed by the hour and takes as long as it takes. `on` is the day of the quote.
    Raises UsageError for epochs from 0 down and for hours below 0.
    """

    train: Measure
    validation: Measure | None
    base: str | Mapping[str, str] | None
    method: str
    weights: Literal["lora", "full"]
    epochs: int | None
    training_hours: Decimal | None
    usage: Usage | None
    on: date

    def __post_init__(self) -> None:
        if self.epochs is not None and self.epochs < 1:
            raise UsageError(f"epochs are whole numbers from 1 up, not {self.epochs}.")
        if self.training_hours is not None and not (self.training_hours.is_finite() and self.training_hours >= 0):
            raise UsageError(f"training hours are a number from 0 up, not {self.training_hours}.")

    @property
    def passes(self) -> int:
        """The epochs that are quoted."""
        return self.epochs or COMPARED_EPOCHS
