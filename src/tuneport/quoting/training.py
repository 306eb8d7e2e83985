"""The lines of a quote for training: what the job itself costs, by the provider's own rule."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from tuneport.catalogue import Base
from tuneport.prices import Price, PriceBook
from tuneport.quote import QuoteLine, When
from tuneport.quoting.counted import Counted, counted
from tuneport.quoting.job import JobToQuote
from tuneport.quoting.measure import COUNTED_BY
from tuneport.quoting.rules import Rule
from tuneport.span import NOTHING, Span

MILLION = Decimal(1_000_000)


def training_lines(job: JobToQuote, base: Base, rule: Rule, *, tier: str, book: PriceBook) -> tuple[QuoteLine, ...]:
    """Training, validation, a reference pass and the least a job costs, as far as the provider bills them."""
    if rule.per == "training hour":
        return (_hours(job, base, tier=tier, book=book),)
    found = book.prices(
        base.provider,
        base.id,
        "1M training tokens",
        parameters_b=base.parameters_b,
        method=job.method,
        weights=job.weights,
        tier=tier,
        names=base.names,
    )
    trained = counted(job.train, base, method=job.method, preference=rule.preference)
    lines = [line("training", _millions(trained, job.passes), found, unit="1M training tokens", job=job, note=_said(trained, job))]
    lines += _validation(job, base, rule, found, tier=tier, book=book)
    if rule.reference_pass and job.method == "dpo":
        inputs = _prices(job, base, "1M input tokens", tier=tier, book=book)
        lines.append(line("reference answers", _millions(trained, 1), inputs, unit="1M input tokens", job=job, note="one pass"))
    return (*lines, *_least(job, base, tier=tier, book=book))


def _hours(job: JobToQuote, base: Base, *, tier: str, book: PriceBook) -> QuoteLine:
    hours = None if job.training_hours is None else Span.exactly(job.training_hours)
    note = "the hours are not known before" if hours is None else "the hours as given"
    return line("training", hours, _prices(job, base, "training hour", tier=tier, book=book), unit="training hour", job=job, note=note)


def _validation(job: JobToQuote, base: Base, rule: Rule, trained: Sequence[Price], *, tier: str, book: PriceBook) -> tuple[QuoteLine, ...]:
    """Once an epoch. Where nobody says whether it is billed, between nothing and the price of training."""
    if job.validation is None:
        return ()
    found = counted(job.validation, base, method=job.method, preference=rule.preference)
    amount = _millions(found, job.passes)
    unit, rows, note = "1M training tokens", trained, f"{_tokens(found)} an epoch, {job.passes} times"
    if rule.validation == "free":
        amount, note = NOTHING, "not billed"
    elif rule.validation == "unknown":
        amount = None if amount is None else Span(Decimal(0), Decimal(0), amount.high)
        note = "whether it is billed: no statement found; the upper bound has it"
    elif rule.validation == "as input":
        unit, rows = "1M input tokens", _prices(job, base, "1M input tokens", tier=tier, book=book)
    return (line("validation", amount, rows, unit=unit, job=job, note=note),)


def _least(job: JobToQuote, base: Base, *, tier: str, book: PriceBook) -> tuple[QuoteLine, ...]:
    found = _prices(job, base, "job minimum", tier=tier, book=book)
    if not found or found[0].price == 0:
        return ()
    return (line("least a job costs", Span.exactly(1), found, unit="job minimum", job=job, when="least"),)


def _prices(job: JobToQuote, base: Base, unit: str, *, tier: str, book: PriceBook) -> tuple[Price, ...]:
    """The rows of the tier, or of the usual one where the tier has none of its own."""
    for each in dict.fromkeys((tier, "")):
        found = book.prices(
            base.provider,
            base.id,
            unit,  # type: ignore[arg-type]
            parameters_b=base.parameters_b,
            method=job.method,
            weights=job.weights,
            tier=each,
            names=base.names,
        )
        if found:
            return found
    return ()


def _millions(found: Counted, passes: int) -> Span | None:
    return None if found.tokens is None else found.tokens * passes * (1 / MILLION)


def _said(found: Counted, job: JobToQuote) -> str:
    """How many tokens were counted by what."""
    if found.tokens is None:
        return found.guessed
    exactly = "counted" if found.by == COUNTED_BY else "estimated"
    epochs = f"{job.passes} epoch{'s' if job.passes > 1 else ''} of {_tokens(found)}, {exactly} by {found.by}"
    cut = f"{found.cut:,} {'row is' if found.cut == 1 else 'rows are'} cut at the limit" if found.cut else ""
    return "; ".join(each for each in (epochs, cut, found.guessed) if each)


def _tokens(found: Counted) -> str:
    tokens = found.tokens
    if tokens is None:
        return found.guessed
    bounds = "" if tokens.exact else f" ({tokens.low:,.0f} to {tokens.high:,.0f})"
    return f"{tokens.likely:,.0f} tokens{bounds}"


def line(
    item: str,
    amount: Span | None,
    rows: Sequence[Price],
    *,
    unit: str,
    job: JobToQuote,
    when: When = "once",
    note: str = "",
) -> QuoteLine:
    """A line at the first of the rows' prices, with the range of all that are in its currency; without rows the price is not known."""
    if not rows:
        return QuoteLine(item, amount, unit, None, when=when, note=note)
    first = rows[0]
    values = [row.price for row in rows if row.currency == first.currency]
    return QuoteLine(
        item,
        amount,
        unit,
        first.price,
        currency=first.currency,
        price_range=(min(values), max(values)) if len(set(values)) > 1 else None,
        when=when,
        as_of=first.as_of.isoformat(),
        source=first.source,
        confidence=first.confidence,
        doubts=first.doubts(on=job.on) + (("contradicted",) if len(set(values)) > 1 else ()),
        note="; ".join(each for each in (note, first.note) if each),
    )
