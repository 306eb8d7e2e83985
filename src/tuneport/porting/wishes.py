"""What is wanted of a port, what has to be agreed to before it goes on, and what it says on its way."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal

from tuneport.errors import UsageError

if TYPE_CHECKING:
    from tuneport.dataset import Dataset
    from tuneport.job import Job

MOST_ROWS = 500
"""So many held-out rows are asked at most, unless more are wished for."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """Where a tune is to go, and how.

    base          the base at the destination; None takes the nearest one
    train, validation   one's own copies of the rows, in place of those that are collected
    test          held-out rows to compare on; None takes the validation rows, else `hold_out` of the training rows
    prompts       questions to the old model, whose answers become the training rows: where those are gone
    ask           the most rows that are asked; 0 compares nothing
    epochs        passes over the rows, in place of what the old job took
    shots         training rows in the prompt that the untuned base is given
    margin        what still counts as equal, in points (hundredths of a score)
    max_cost_usd  of training and asking together, by their upper bounds
    deployment    options of the deployment, where the destination needs one
    recreate      gives up a submit whose outcome is not known, and creates anew: the user's decision, as in `Client.submit`
    again         begins a new job where the last one failed
    dry_run       says everything up to the quote, and sends nothing
    """

    to: str
    base: str | None = None
    train: Dataset | None = None
    validation: Dataset | None = None
    test: Dataset | None = None
    prompts: Dataset | None = None
    hold_out: float = 0.1
    ask: int = MOST_ROWS
    shots: int = 8
    epochs: int | None = None
    metric: str | None = None
    margin: float = 3.0
    max_cost_usd: Decimal | None = None
    deployment: Mapping[str, Any] = field(default_factory=dict)
    recreate: bool = False
    again: bool = False
    dry_run: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.hold_out < 1:
            raise UsageError(f"the share that is held out is from 0 to below 1, not {self.hold_out:g}.")
        if self.ask < 0 or self.shots < 0 or not 0 < self.margin < 100:
            raise UsageError("rows to ask and rows in a prompt are numbers from 0 up, a margin is above 0 and below 100 points.")
        if self.metric is not None:
            _refuse_metric(self.metric)
        if self.prompts is not None and self.train is not None:
            raise UsageError(
                "both training rows and prompts to make some from are given.", remedy="Give one: --train FILE or --from-outputs PROMPTS."
            )


def _refuse_metric(name: str) -> None:
    """Said before anything is paid for, and not when the answers are there."""
    from tuneport.metrics import measures_of

    (measure,) = measures_of([name])
    if not {"text", "labels"}.intersection(measure.needs):
        raise UsageError(f"{name} cannot be had from answers, which is all that models are asked for here.")


def tell_nobody(who: str, done: int, rows: int) -> None:
    """For those who do not want to hear of every answer."""


What = Literal["train", "ask", "deploy", "terms"]
"""What is agreed to: a job and the answers to compare it by, answers to learn from, a deployment, the old provider's terms."""


@dataclass(frozen=True, slots=True)
class Consent:
    """A question before something that costs money or is not ours to decide. `asks` is what a person is asked, `remedy` how a script
    agrees."""

    what: What
    sentence: str
    asks: str
    remedy: str


Confirm = Callable[[Consent], object]
"""Returns where the answer is yes, and raises where it is no."""


def agreeing(*to: What) -> Confirm:
    """Agrees to these things and raises UsageError for any other."""
    return lambda consent: _refuse(consent, to)


def _refuse(consent: Consent, agreed: Collection[What]) -> None:
    if consent.what not in agreed:
        raise UsageError(f"{consent.sentence} Nothing of it was done.", remedy=consent.remedy)


@dataclass(frozen=True, slots=True)
class Told:
    """What a step has to say: to people in `lines`, to scripts in `facts`."""

    step: str
    lines: tuple[str, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


Hear = Callable[[Told], object]
Tell = Callable[[str, int, int], object]
"""Hears of every answer: who gave it, how many there are, and of how many."""

Follow = Callable[["Job"], "Job"]
"""Follows a job to its end."""
