"""Several adapters of one base made into one, and the contract of servers that can."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from tuneport.errors import UsageError
from tuneport.model import Model

How = Literal["cat", "linear", "svd", "ties", "dare_linear", "dare_ties", "magnitude_prune"]
HOWS: tuple[How, ...] = ("cat", "linear", "svd", "ties", "dare_linear", "dare_ties", "magnitude_prune")
THINNED: tuple[How, ...] = ("ties", "dare_linear", "dare_ties", "magnitude_prune")
"""Those that keep a part of each adapter's values only, `density` of them."""


@dataclass(frozen=True, slots=True)
class Combination:
    """Adapters with their weights, and how they are made one.

    cat              side by side: exactly the weighted sum of what they do; the rank is the sum of theirs
    svd              the nearest to it of the largest rank among them
    linear           their matrices added, each by itself: rough, and for one rank only
    ties, dare_…     the same after most of each has been thinned out, so that they disturb each other less
    magnitude_prune  thinned to the largest values
    """

    parts: tuple[tuple[Model, float], ...]
    to: Path
    how: How = "cat"
    density: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise UsageError(f"a combination takes two adapters at least, not {len(self.parts)}.")
        if self.how not in HOWS:
            raise UsageError(f"unknown way to combine {self.how!r}; there are {', '.join(HOWS)}.")
        if not 0 < self.density <= 1:
            raise UsageError(f"a density is a share above 0, not {self.density:g}.")
        named = [model.uri for model, _ in self.parts]
        if twice := next((uri for uri in named if named.count(uri) > 1), None):
            raise UsageError(f"{twice} is named twice.", remedy="Give it one weight.")


@runtime_checkable
class Combines(Protocol):
    """What a server has whose provider combines adapters."""

    def combine(self, wish: Combination) -> Model:
        """The new adapter, in its folder. Raises Unsupported for adapters that do not go together, UsageError for a folder that exists."""
