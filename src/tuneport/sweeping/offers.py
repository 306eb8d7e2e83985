"""What a trial would send, and the most that it may cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tuneport.billing import refuse_above
from tuneport.errors import UsageError
from tuneport.sweeping.fields import with_values

if TYPE_CHECKING:
    from tuneport.client import Client
    from tuneport.plan import Plan
    from tuneport.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Offer:
    """Values with their recipe and plan. `most_usd` is the upper bound of its quote; None where nobody sends a bill."""

    values: Mapping[str, Any]
    recipe: Recipe
    plan: Plan
    most_usd: Decimal | None


def offer(recipe: Recipe, values: Mapping[str, Any], *, provider: str, client: Client, budget_usd: Decimal | None) -> Offer:
    """Plans and quotes the recipe with these values; sends nothing. Raises UsageError where the cost has no bound, though it is billed."""
    varied = with_values(recipe, values)
    plan = client.plan(varied, provider=provider)
    return Offer(values, varied, plan, _most_usd(varied, plan, provider=provider, client=client, budget_usd=budget_usd))


def bills(provider: str, client: Client) -> bool:
    """Whether a bill comes from there."""
    return any(info.bills for info in client.providers() if info.name == provider and info.problem is None)


def _most_usd(recipe: Recipe, plan: Plan, *, provider: str, client: Client, budget_usd: Decimal | None) -> Decimal | None:
    if budget_usd is None:
        if not bills(provider, client):
            return None
        raise UsageError(
            f"a sweep at {provider} spends money, and it is not said how much at most; nothing was sent.", remedy="Add --max-cost USD."
        )
    quotes = client.quote(recipe, providers=[provider], epochs=plan.epochs, tier=plan.tier)
    known = [quote for quote in quotes if quote.billed or quote.once is not None]
    unbounded = any(quote.once is None or quote.currency != "USD" or quote.epochs_assumed for quote in known)
    if plan.unquoted or unbounded:
        refuse_above(budget_usd, quotes, unquoted=plan.unquoted)
    return max((quote.once.high for quote in known if quote.once is not None), default=None)
