"""What a job would cost by the price book, and what one that has succeeded was billed for: tokens of the data times epochs."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from tuneport.catalogue import catalogue
from tuneport.job import JobState, Snapshot
from tuneport.prices import PriceBook
from tuneport.quoting.rules import rule_of
from tuneport_vertex.wire.plans import Asked
from tuneport_vertex.wire.tunable import PROVIDER

if TYPE_CHECKING:
    from tuneport.quote import Quote, Usage
    from tuneport.quoting.job import JobToQuote

MILLION = Decimal(1_000_000)
PER = "1M training tokens"


def estimate(found: Asked, *, home: Path, usage: Usage | None, on: date) -> Quote:
    """The quote for what a recipe means at one place. A tuned model goes on at the price of the newest Gemini, unless its base is known."""
    from tuneport.quoting.quotes import named, quotes

    job = job_to_quote(found, home=home, usage=usage, on=on)
    return named(quotes(job, PROVIDER, book=PriceBook.load())[0], found.place.name)


def job_to_quote(found: Asked, *, home: Path, usage: Usage | None, on: date) -> JobToQuote:
    """The recipe as it is quoted for one base."""
    from tuneport.quoting.job import JobToQuote
    from tuneport.quoting.measured_before import measure_once

    recipe, epochs = found.recipe, found.method.epochs
    return JobToQuote(
        train=measure_once(recipe.train, home=home),
        validation=None if recipe.validation is None else measure_once(recipe.validation, home=home),
        base=found.base.limits_of,
        method=found.method.kind,
        weights="full" if found.base.kind.full else "lora",
        epochs=None if epochs == "auto" else epochs,
        training_hours=None,
        usage=usage,
        on=on,
    )


def billed(job: Snapshot, *, tokens: int | None, epochs: int | None) -> Decimal | None:
    """In USD, where the service says how many tokens and epochs it bills, and the book one price for them; else None."""
    if not tokens or not epochs or not job.base or job.state is not JobState.SUCCEEDED:
        return None
    rule = rule_of(PROVIDER, job.method or "sft")
    if rule is None or rule.per != PER:
        return None
    base = catalogue().find(job.base, provider=PROVIDER)
    rows = PriceBook.load().prices(
        PROVIDER, base.id if base else job.base, PER, parameters_b=base.parameters_b if base else None, method=job.method or "sft", tier=""
    )
    prices = {(row.price, row.currency) for row in rows}
    return next(price * tokens * epochs / MILLION for price, _ in prices) if len(prices) == 1 and rows[0].currency == "USD" else None
