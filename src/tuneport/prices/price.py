"""One row of the price book."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Literal, get_args

import msgspec

Unit = Literal[
    "1M training tokens",
    "1M input tokens",
    "1M cached input tokens",
    "1M output tokens",
    "training hour",
    "GPU hour",
    "hosting hour",
    "GB-month",
    "model-month",
    "job minimum",
]
UNITS: tuple[Unit, ...] = get_args(Unit)

Status = Literal["active", "closing", "retired"]
"""Whether it can be bought: by anybody, still by some until an announced day, no longer."""

Confidence = Literal["vendor page", "vendor code", "third party", "yours"]
"""Who says so; `yours` is a row of the user's own file."""

OLD_AFTER_DAYS = 90


class Price(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a provider takes for one unit.

    model      a name of the catalogue, or a pattern as in a shell where the price goes by size; for `gpu`, the GPU's name
    method     empty: for every method, or nothing to do with one; `weights` (lora, full) likewise
    tier       empty: the usual one; else regional, global, developer, batch, spot …;  `region` empty: everywhere
    above_b    holds for models of more than this many billions of parameters, and of at most `up_to_b`
    as_of      the day that the source states
    """

    provider: str
    model: str
    unit: Unit
    price: Decimal
    as_of: date
    source: str
    confidence: Confidence
    status: Status = "active"
    currency: str = "USD"
    method: str = ""
    weights: str = ""
    tier: str = ""
    region: str = ""
    above_b: Decimal | None = None
    up_to_b: Decimal | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not self.price.is_finite() or self.price < 0:
            raise ValueError(f"a price is a number from 0 up, not {self.price}")
        if len(self.currency) != 3 or not self.currency.isupper():
            raise ValueError(f"a currency is three capital letters, not {self.currency!r}")
        if not self.source.strip():
            raise ValueError("a price needs its source")

    @property
    def by_size(self) -> bool:
        """Whether it holds for models of a certain size."""
        return self.above_b is not None or self.up_to_b is not None

    @property
    def is_pattern(self) -> bool:
        """Whether `model` is a pattern."""
        return any(sign in self.model for sign in "*?[")

    def holds_for(self, model: str, *, parameters_b: Decimal | None = None) -> bool:
        """Whether it is the price of that model; one by size holds for no model of unknown size."""
        asked, mine = model.casefold(), self.model.casefold()
        if asked != mine and not (self.is_pattern and fnmatchcase(asked, mine)):
            return False
        if not self.by_size:
            return True
        if parameters_b is None:
            return False
        return (self.above_b is None or parameters_b > self.above_b) and (self.up_to_b is None or parameters_b <= self.up_to_b)

    def doubts(self, *, on: date) -> tuple[str, ...]:
        """What a reader of the price on that day has to know: its age, who says it, that it has ended."""
        days = (on - self.as_of).days
        found = (
            ("old", days > OLD_AFTER_DAYS and self.confidence != "yours"),
            ("third party", self.confidence == "third party"),
            (self.status, self.status != "active"),
        )
        return tuple(word for word, is_so in found if is_so)
