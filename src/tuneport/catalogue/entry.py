"""One base of the catalogue, and what becomes of it on a given day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from tuneport.prices.price import Confidence

Serving = Literal["token", "token and hour", "gpu hour", "none"]
"""How a tuned model is paid for: by what it answers, by that and the hours it is deployed, by GPU hours, or it cannot be served there."""

SOON_DAYS = 180
"""A firm date nearer than this is called soon."""


class Base(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model that can be, or could be, tuned at a provider.

    id                    what the provider's API takes as the base of a job;  names: what else people call it
    parameters_b          billions of weights, `active_b` of those used for one token; None where not published
    context_tokens        of the model when it answers; how long a training row may be stands in limits.toml
    takes                 what training rows may hold: text, tools, images, audio, video
    tiers, regions        of training; empty: one tier, or no restriction known
    training_ends         the last day on which a job can be created, `serving_ends` on which a tuned model answers; those of the
                          two that `earliest` names are only promised not to come sooner
    closed_to_new_since   from that day on new customers are turned away
    serving_gpu           of which `serving_gpus` are needed at least, where a tuned model is paid by GPU hours
    """

    provider: str
    id: str
    methods: tuple[str, ...]
    as_of: date
    source: str
    confidence: Confidence
    names: tuple[str, ...] = ()
    weights: tuple[str, ...] = ()
    parameters_b: Decimal | None = None
    active_b: Decimal | None = None
    context_tokens: int | None = None
    takes: tuple[str, ...] = ("text",)
    tiers: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    closed_to_new_since: date | None = None
    training_ends: date | None = None
    serving_ends: date | None = None
    earliest: tuple[Literal["training", "serving"], ...] = ()
    serving: Serving | None = None
    serving_gpus: int | None = None
    serving_gpu: str = ""
    note: str = ""

    @property
    def uri(self) -> str:
        """`openai:gpt-4.1-mini-2025-04-14`."""
        return f"{self.provider}:{self.id}"

    def goes_by(self, name: str) -> bool:
        """Whether that is its id or one of its names; letter case aside."""
        return name.casefold() in {self.id.casefold(), *(each.casefold() for each in self.names)}

    @property
    def tuned_weights(self) -> tuple[str, ...]:
        """Which weights can be trained; where nobody says, there is no choice, and an adapter's price is what is known."""
        return self.weights or ("lora",)

    def takes_method(self, method: str, *, weights: str) -> bool:
        """Whether it is trained so."""
        return method in self.methods and weights in self.tuned_weights

    def availability(self, *, on: date) -> Availability:
        """What can still be done with it on that day."""
        if self.serving_ends is not None and self.serving_ends < on and "serving" not in self.earliest:
            return Availability("closed", f"tuned models stopped answering on {self.serving_ends}", self.serving_ends)
        if self.training_ends is not None and self.training_ends < on and "training" not in self.earliest:
            until = f"; tuned models answer until {self.serving_ends}" if self.serving_ends else ""
            return Availability("closed", f"no new jobs since {self.training_ends}{until}", self.training_ends)
        dates = {"training": self.training_ends, "serving": self.serving_ends}
        soonest = min((each for which, each in dates.items() if each is not None and which not in self.earliest), default=None)
        closing = self._closed_to_new(on) or (soonest is not None and (soonest - on).days < SOON_DAYS)
        return Availability("closing" if closing else "available", "; ".join(self._announced(on)), soonest)

    def _closed_to_new(self, on: date) -> bool:
        return self.closed_to_new_since is not None and self.closed_to_new_since <= on

    def _announced(self, on: date) -> list[str]:
        since = "since" if self._closed_to_new(on) else "from"
        said = [f"closed to new customers {since} {self.closed_to_new_since}"] if self.closed_to_new_since else []
        for what, ends, which in (("new jobs", self.training_ends, "training"), ("tuned models answer", self.serving_ends, "serving")):
            if ends is not None:
                said.append(f"{what} until {'at least ' if which in self.earliest else ''}{ends}")
        return said


@dataclass(frozen=True, slots=True)
class Availability:
    """`sentence` says what ends when, '' where no end is known; `ends` is the first day that is firm."""

    word: Literal["available", "closing", "closed"]
    sentence: str = ""
    ends: date | None = None
