"""What a job would cost by the price book, and what one that has succeeded was billed for."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from tuneport.catalogue import catalogue
from tuneport.errors import Unsupported
from tuneport.job import JobState, Snapshot
from tuneport.prices import PriceBook
from tuneport.quoting.rules import quoted_providers, rule_of

if TYPE_CHECKING:
    from tuneport.quote import Quote, Usage
    from tuneport.recipe import Recipe
    from tuneport_openai.profile import Endpoint

MILLION = Decimal(1_000_000)


def priced_as(endpoint: Endpoint) -> str | None:
    """The provider in the price book and the catalogue whose prices hold there: a compatible endpoint goes by the name of its profile,
    unless that is OpenAI's own."""
    if not endpoint.compatible:
        return "openai"
    return endpoint.name if endpoint.name in quoted_providers() and endpoint.name != "openai" else None


def estimate(recipe: Recipe, *, endpoint: Endpoint, base: str, home: Path, usage: Usage | None, on: date) -> Quote:
    """The quote for that base. Raises Unsupported where the price book knows nothing of the endpoint."""
    from tuneport.quoting.job import JobToQuote
    from tuneport.quoting.measured_before import measure_once
    from tuneport.quoting.quotes import named, quotes

    provider = priced_as(endpoint)
    if provider is None:
        raise Unsupported(f"how {endpoint.name} bills is not known, so what a job costs there cannot be said.")
    epochs = recipe.method.epochs
    job = JobToQuote(
        train=measure_once(recipe.train, home=home),
        validation=None if recipe.validation is None else measure_once(recipe.validation, home=home),
        base=base,
        method=recipe.method.kind,
        weights="lora",
        epochs=None if epochs == "auto" else epochs,
        training_hours=None,
        usage=usage,
        on=on,
    )
    return named(quotes(job, provider, book=PriceBook.load())[0], endpoint.name)


def billed(job: Snapshot, tokens: int | None, *, endpoint: Endpoint) -> Decimal | None:
    """Tokens times the price of the book, in USD, where the vendor bills so and the book says one price; else None."""
    provider = priced_as(endpoint)
    if provider is None or not job.base or not tokens or tokens < 0 or job.state is not JobState.SUCCEEDED:
        return None
    rule = rule_of(provider, job.method or "sft")
    if rule is None or rule.per != "1M training tokens":
        return None
    base = catalogue().find(job.base, provider=provider)
    parameters_b = base.parameters_b if base else None
    rows = PriceBook.load().prices(
        provider, base.id if base else job.base, "1M training tokens", parameters_b=parameters_b, method=job.method or "sft"
    )
    prices = {(row.price, row.currency) for row in rows}
    return next(price * tokens / MILLION for price, _ in prices) if len(prices) == 1 and rows[0].currency == "USD" else None
