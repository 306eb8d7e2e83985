"""The lines of a quote for answers: what a tuned model costs by the month and by the request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from math import ceil

from tuneport.catalogue import Base
from tuneport.prices import Price, PriceBook
from tuneport.prices.gpus import gpu
from tuneport.quote import QuoteLine, Usage
from tuneport.quoting.job import JobToQuote
from tuneport.quoting.rules import Rule, machines
from tuneport.quoting.training import MILLION, line
from tuneport.span import Span

HOURS_A_MONTH = Decimal(730)
"""A year has 8,760."""

_BYTES_PER_WEIGHT = Decimal(2)
_ROOM = Decimal("1.2")
"""Memory beside the weights, for what is being answered. An assumption, like bf16 weights; a note says so."""


@dataclass(frozen=True, slots=True)
class Serving:
    """`standing` is paid each month whatever is asked, `per_request` for one request."""

    standing: tuple[QuoteLine, ...]
    per_request: tuple[QuoteLine, ...]


def serving(job: JobToQuote, base: Base, rule: Rule, *, book: PriceBook) -> Serving:
    """What answering costs with the tuned model."""
    kept = _kept(job, base, book)
    if base.serving == "token":
        return Serving(kept, _answers(job, base, rule, book))
    if base.serving == "token and hour":
        rows = _first_tier(book, base, "hosting hour", rule)
        hosting = line("hosting", Span.exactly(HOURS_A_MONTH), rows, unit="hosting hour", job=job, when="monthly")
        return Serving((hosting, *kept), _answers(job, base, rule, book))
    if base.serving == "gpu hour":
        free = QuoteLine("answers", Span.exactly(0), "request", None, note="paid by the hours of the GPUs")
        return Serving((_gpus(job, base, book), *kept), (free,))
    if base.serving == "none":
        elsewhere = "the tuned model is not served there; what it costs to ask it elsewhere is not known"
        return Serving(kept, (QuoteLine("answers", None, "request", None, note=elsewhere),))
    return Serving(kept, (QuoteLine("answers", None, "request", None, note="how a tuned model is paid for is not known"),))


def monthly(found: Serving, usage: Usage | None) -> tuple[QuoteLine, ...]:
    """The lines of a month of that usage; none without one."""
    if usage is None:
        return ()
    return (*found.standing, *(_times(each, usage.requests) for each in found.per_request if each.unit != "request" or each.amount is None))


def _times(each: QuoteLine, requests: int) -> QuoteLine:
    return replace(each, amount=None if each.amount is None else each.amount * requests, when="monthly")


def request_tokens(job: JobToQuote) -> tuple[int, int | None, bool]:
    """Tokens in and out of one request: as the usage says, else as the rows of the data have them on average; whether they are from
    the data. Prompts without answers do not say how long the answers are."""
    measure, usage = job.train, job.usage or Usage()
    each = Decimal(measure.all_tokens or measure.all_characters * Decimal("0.25")) / max(measure.rows, 1)
    answered = Decimal(measure.answered_characters) / max(measure.all_characters, 1)
    before = Decimal(measure.prompt_characters) / max(measure.all_characters, 1) if measure.kind == "preference" else 1 - answered
    spoken = usage.output_tokens if usage.output_tokens is not None else max(1, round(each * answered))
    asked = usage.input_tokens if usage.input_tokens is not None else max(1, round(each * before))
    unknown = usage.output_tokens is None and measure.kind == "prompt"
    return asked, None if unknown else spoken, usage.output_tokens is None or usage.input_tokens is None


def _answers(job: JobToQuote, base: Base, rule: Rule, book: PriceBook) -> tuple[QuoteLine, ...]:
    asked, spoken, from_data = request_tokens(job)
    note = "tokens of a request as in the data, on average" if from_data else ""
    return tuple(
        line(
            item,
            None if tokens is None else Span.exactly(Decimal(tokens) / MILLION),
            _first_tier(book, base, unit, rule),
            unit=unit,
            job=job,
            note="the data hold no answers, so their length is not known" if tokens is None else note,
        )
        for item, tokens, unit in (("input", asked, "1M input tokens"), ("output", spoken, "1M output tokens"))
    )


def _first_tier(book: PriceBook, base: Base, unit: str, rule: Rule) -> tuple[Price, ...]:
    for tier in rule.serving_tiers:
        found = book.prices(base.provider, base.id, unit, parameters_b=base.parameters_b, tier=tier, names=base.names)  # type: ignore[arg-type]
        if found:
            return found
    return ()


def _kept(job: JobToQuote, base: Base, book: PriceBook) -> tuple[QuoteLine, ...]:
    """The fee for keeping a tuned model, where there is one."""
    rows = book.prices(base.provider, base.id, "model-month", parameters_b=base.parameters_b, names=base.names)
    return (line("keeping the model", Span.exactly(1), rows, unit="model-month", job=job, when="monthly"),) if rows else ()


@dataclass(frozen=True, slots=True)
class Machine:
    """What a model can be served on: so many of a kind of GPU, as a machine or one by one.

    `rows` are the prices of an hour, the one to go by first; it takes `units` of it for all `gpus`. A machine's name is their tier.
    """

    gpus: int
    gpu: str
    rows: tuple[Price, ...]
    units: int

    @property
    def hourly(self) -> Decimal:
        """Of all its GPUs together."""
        return self.rows[0].price * self.units


def _gpus(job: JobToQuote, base: Base, book: PriceBook) -> QuoteLine:
    """The cheapest GPUs of the provider that hold the model, all hours of the month."""
    best = next(iter(machines_for(base, book)), None)
    if best is None:
        return QuoteLine("hosting", None, "GPU hour", None, when="monthly", note="which GPUs it needs, or what they cost, is not known")
    published = base.serving_gpus is not None
    why = "as published" if published else f"for {base.parameters_b} billion weights in bf16 and a fifth more memory, an assumption"
    note = f"{best.gpus} x {best.gpu} all month, {why}"
    hours = Span.exactly(HOURS_A_MONTH * best.units)
    return line("hosting", hours, best.rows, unit=best.rows[0].unit, job=job, when="monthly", note=note)


def machines_for(base: Base, book: PriceBook) -> tuple[Machine, ...]:
    """What the provider has that holds the tuned model, the cheapest first; none where nobody can tell."""
    return tuple(sorted((each for each in _machines(base, book) if _holds(each, base)), key=lambda each: each.hourly))


def _machines(base: Base, book: PriceBook) -> Iterator[Machine]:
    """What can be rented there: single GPUs, as many as are needed, and machines; each at the user's own price where there is one."""
    seen: set[tuple[Price, ...]] = set()
    for row in book.of(base.provider):
        if row.unit not in ("GPU hour", "hosting hour") or (row.unit == "GPU hour" and row.tier and row.confidence != "yours"):
            continue
        model = row.model if row.unit == "GPU hour" else base.id
        found = book.prices(base.provider, model, row.unit, parameters_b=base.parameters_b, tier=row.tier, region=row.region)
        if found and found not in seen:
            seen.add(found)
            yield from _rented(base, found)


def _rented(base: Base, rows: tuple[Price, ...]) -> Iterator[Machine]:
    first = rows[0]
    if first.unit == "GPU hour":
        needed = _needed(base, first.model)
        if needed is not None:
            yield Machine(needed, first.model, rows, needed)
        return
    for each in machines():
        if each.provider == base.provider and first.tier in each.counts:
            yield Machine(each.counts[first.tier], each.gpu, rows, 1)


def _holds(machine: Machine, base: Base) -> bool:
    needed = _needed(base, machine.gpu)
    return needed is not None and machine.gpus >= needed


def _needed(base: Base, name: str) -> int | None:
    """How many GPUs of that kind it takes; None where that cannot be told."""
    if base.serving_gpus is not None and base.serving_gpu:
        return base.serving_gpus if name == base.serving_gpu else None
    if base.parameters_b is None:
        return None
    return max(1, ceil(base.parameters_b * _BYTES_PER_WEIGHT * _ROOM / gpu(name).memory_gb))
