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
    from tuneport.quoting.job import JobToQuote
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
    from tuneport.quoting.quotes import named, quotes

    provider = priced_as(endpoint)
    if provider is None:
        raise Unsupported(f"how {endpoint.name} bills is not known, so what a job costs there cannot be said.")
    job = job_to_quote(recipe, base=base, home=home, usage=usage, on=on)
    return named(quotes(job, provider, book=PriceBook.load())[0], endpoint.name)


def job_to_quote(recipe: Recipe, *, base: str, home: Path, usage: Usage | None, on: date) -> JobToQuote:
    """The recipe as it is quoted for one base."""
    from tuneport.quoting.job import JobToQuote
    from tuneport.quoting.measured_before import measure_once

    epochs = recipe.method.epochs
    return JobToQuote(
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


def billed(job: Snapshot, tokens: int | None, *, endpoint: Endpoint) -> Decimal | None:
    """Tokens times the price of the book, in USD, where the vendor bills so and the book says one price; else None."""
    provider = priced_as(endpoint)
    if provider is None or not tokens or job.state is not JobState.SUCCEEDED:
        return None
    return priced(job, tokens, provider=provider)


def priced(job: Snapshot, tokens: int, *, provider: str, tier: str = "") -> Decimal | None:
    """Those tokens at the price of the book, in USD; None where the job is not billed by them, or the book does not say one price."""
    if not job.base or tokens < 0:
        return None
    rule = rule_of(provider, job.method or "sft")
    if rule is None or rule.per != "1M training tokens":
        return None
    base = catalogue().find(job.base, provider=provider)
    parameters_b = base.parameters_b if base else None
    rows = PriceBook.load().prices(
        provider, base.id if base else job.base, "1M training tokens", parameters_b=parameters_b, method=job.method or "sft", tier=tier
    )
    prices = {(row.price, row.currency) for row in rows}
    return next(price * tokens / MILLION for price, _ in prices) if len(prices) == 1 and rows[0].currency == "USD" else None
