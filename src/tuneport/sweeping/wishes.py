"""What is wanted of a sweep, what has to be agreed to, and what it says on its way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal

from tuneport.errors import UsageError
from tuneport.recipe import Recipe
from tuneport.sweeping.space import Dimension
from tuneport.sweeping.trial import Trial

Prune = Literal["auto", "always", "never"]
MOST_TRIALS = 10_000


@dataclass(frozen=True, slots=True)
class Wishes:
    """A sweep over `space`, the fields of `recipe` that are varied.

    trials        how many there are to be at most, those of earlier runs included
    max_cost_usd  of all of them together; needed where a bill comes
    metric        what they are compared by; None is the loss on validation rows
    direction     minimize or maximize; None goes by the metric's name
    parallel      how many run at once
    seed          the same one draws the same values
    prune         whether trials are stopped early that do worse than half of the others: auto, where that is known to save something
    out           where the best recipe is written beside the sweep's own folder
    recreate      gives up a submit whose outcome is not known, and creates anew: the user's decision, as in `Client.submit`
    """

    recipe: Recipe
    provider: str
    space: Mapping[str, Dimension]
    trials: int
    max_cost_usd: Decimal | None = None
    metric: str | None = None
    direction: str | None = None
    parallel: int = 1
    seed: int = 0
    prune: Prune = "auto"
    out: Path | None = None
    recreate: bool = False

    def __post_init__(self) -> None:
        if not 1 <= self.trials <= MOST_TRIALS:
            raise UsageError(f"a sweep has from 1 to {MOST_TRIALS:,} trials, not {self.trials:,}.", remedy="Write: --trials N")
        if not 1 <= self.parallel <= 100:
            raise UsageError(f"from 1 to 100 trials run at once, not {self.parallel}.", remedy="Write: --parallel K")
        if self.prune not in ("auto", "always", "never"):
            raise UsageError(f"--prune is auto, always or never, not {self.prune!r}.")


@dataclass(frozen=True, slots=True)
class Heard:
    """Something happened in a sweep: a sentence, and the trial that it is about."""

    sweep: str
    sentence: str
    trial: Trial | None = None


Hear = Callable[[Heard], object]
Confirm = Callable[[str], object]
"""Asked before money is spent: returns where the answer is yes, and raises where it is no."""
