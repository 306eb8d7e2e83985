"""Quotes from the price book, the catalogue and the rules: what a job would cost at one provider. Asks nobody."""

from __future__ import annotations

from dataclasses import replace

from tuneport.catalogue import Base
from tuneport.prices import PriceBook
from tuneport.quote import Availability, Quote
from tuneport.quoting.bases import NoBase, QuotedBase, bases
from tuneport.quoting.job import COMPARED_EPOCHS, JobToQuote
from tuneport.quoting.rules import Rule, rule_of
from tuneport.quoting.serving import monthly, serving
from tuneport.quoting.training import training_lines

DAYS_A_MONTH = 365 / 12


def quotes(job: JobToQuote, provider: str, *, book: PriceBook, tier: str | None = None) -> list[Quote]:
    """One for each base and price tier, or for that `tier` only; one that says why where there is none."""
    found = bases(provider, job.base, method=job.method, weights=job.weights)
    if isinstance(found, NoBase):
        return [Quote(provider, found.name, (), availability="unavailable", why=found.why)]
    rule = rule_of(provider, job.method)
    return [quote for offer in found for quote in _of_base(job, offer, rule, book, tier)]


def _of_base(job: JobToQuote, offer: QuotedBase, rule: Rule | None, book: PriceBook, tier: str | None) -> list[Quote]:
    base = offer.base
    why = _refused(job, base, rule)
    if why or rule is None:
        return [Quote(base.provider, base.id, (), availability="unavailable", why=why, notes=_said(offer.instead))]
    return [_quote(job, offer, rule, each, book) for each in (_tiers(base, rule, book) if tier is None else (tier,))]


def _refused(job: JobToQuote, base: Base, rule: Rule | None) -> str:
    if job.method not in base.methods:
        return f"{base.provider} does not train {base.id} by {job.method}; it takes {', '.join(base.methods)}"
    if job.weights not in base.tuned_weights:
        return f"{base.provider} trains {base.id} by {' and '.join(base.tuned_weights)} only"
    return "" if rule is not None else f"how {base.provider} bills {job.method} is not known"


def _tiers(base: Base, rule: Rule, book: PriceBook) -> tuple[str, ...]:
    """The tiers of the rule that have a price of this base; where none has, the first, whose price is then not known."""
    priced = book.tiers(base.provider, base.id, rule.per, parameters_b=base.parameters_b)
    return tuple(tier for tier in rule.tiers if tier in priced) or rule.tiers[:1]


def _quote(job: JobToQuote, offer: QuotedBase, rule: Rule, tier: str, book: PriceBook) -> Quote:
    lasts = _lasts(job, offer.base)
    base, answering = offer.base, serving(job, offer.base, rule, book=book)
    availability = base.availability(on=job.on)
    word: Availability = availability.word
    return Quote(
        base.provider,
        base.id,
        (*training_lines(job, base, rule, tier=tier, book=book), *monthly(answering, job.usage)),
        tier=tier,
        availability=word,
        why=availability.sentence,
        ends=availability.ends,
        usage=job.usage,
        per_request=answering.per_request,
        epochs_assumed=job.epochs is None and rule.per != "training hour",
        covers_all_months=not lasts,
        notes=_said(lasts, offer.instead, *_epochs(job, rule), base.note, rule.note),
    )


def _lasts(job: JobToQuote, base: Base) -> str:
    """What to say where tuned models stop answering before the months that are asked for are over."""
    ends = base.serving_ends
    if job.usage is None or ends is None or "serving" in base.earliest or (ends - job.on).days >= job.usage.months * DAYS_A_MONTH:
        return ""
    months = max(0.0, (ends - job.on).days / DAYS_A_MONTH)
    return f"tuned models answer for {months:.1f} of the {job.usage.months} months only, until {ends}; the sum is as if they went on"


def _epochs(job: JobToQuote, rule: Rule) -> tuple[str, ...]:
    if job.epochs is not None or rule.per == "training hour":
        return ()
    said = (f"no number of epochs is given: {COMPARED_EPOCHS} are compared everywhere",)
    own = rule.usual_epochs
    return (
        said if own in (None, COMPARED_EPOCHS) else (*said, f"left alone, {rule.provider} would take {own} epoch{'s' if own != 1 else ''}")
    )


def _said(*notes: str) -> tuple[str, ...]:
    return tuple(note for note in notes if note)


def named(quote: Quote, name: str) -> Quote:
    """The quote under the name of a profile."""
    return quote if quote.provider == name else replace(quote, provider=name)
