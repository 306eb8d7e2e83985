"""A sweep as far as it costs nothing: everything checked, and the first trials as they would be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tuneport.sweeping.begun import checked
from tuneport.sweeping.offers import Offer, offer
from tuneport.sweeping.sampling import suggest
from tuneport.sweeping.space import combinations
from tuneport.sweeping.wishes import Wishes

if TYPE_CHECKING:
    from tuneport.client import Client

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Tried:
    """`offers` are the first trials of a sweep without any result yet; `combinations` is None where they cannot be counted."""

    id: str
    metric: str
    direction: str
    combinations: int | None
    not_pruned: str
    offers: tuple[Offer, ...]


def first_trials(wishes: Wishes, *, client: Client) -> Tried:
    """Sends nothing and writes nothing. Raises what a sweep would before its first job."""
    one = checked(wishes, client=client)
    found: list[Offer] = []
    refused: list[dict[str, object]] = []
    while len(found) < min(_SHOWN, wishes.trials):
        values = suggest((), one.space, direction=one.direction, seed=wishes.seed, refused=refused)
        if values is None:
            break
        refused.append(values)
        found.append(offer(wishes.recipe, values, provider=wishes.provider, client=client, budget_usd=wishes.max_cost_usd))
    return Tried(one.id, one.metric, one.direction, combinations(one.space), one.not_pruned, tuple(found))
