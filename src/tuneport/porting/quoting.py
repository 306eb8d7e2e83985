"""The quote of a port: training beside what the old job cost, the other bases, and the answers to compare by; then the consent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from tuneport.asking_costs import Asking, asking_cost, dollars, standing_each_month
from tuneport.errors import TuneportError, UsageError
from tuneport.porting.comparison import Comparison, archived_answers, bases_to_prompt
from tuneport.porting.costs import Costs
from tuneport.porting.deploying import serving
from tuneport.porting.journal import jobs_beside
from tuneport.porting.mapping import Mapped
from tuneport.porting.source import Source
from tuneport.porting.wishes import Consent
from tuneport.porting.work import Work
from tuneport.quote import Usage
from tuneport.span import NOTHING, Span

if TYPE_CHECKING:
    from tuneport.plan import Plan
    from tuneport.quote import Quote

_MOST_OTHERS = 3
OLD = "the old model"


def quoted(source: Source, mapped: Mapped, compared: Comparison | None, *, plan: Plan, work: Work) -> Costs:
    """Everything that will be paid once, said and written down. Raises UsageError where it is above `max_cost_usd`, or may be."""
    quotes = work.client.quote(mapped.recipe, providers=[work.wishes.to], epochs=plan.epochs, tier=plan.tier)
    costs = Costs(tuple(quotes), tuple(_asking(source, mapped, compared, work)))
    facts = {
        "training_usd": _bounds(costs.training),
        "asking_usd": _bounds(costs.answers),
        "source_cost_usd": source.cost_usd,
        "rows": compared.mark if compared is not None else None,
        "more": [],
        "asking": [
            {"who": each.who, "provider": each.provider, "requests": each.requests, "usd": _bounds(each.cost)} for each in costs.asking
        ],
    }
    work.say("quote", *_lines(source, mapped, costs, work), facts=facts)
    if work.wishes.max_cost_usd is not None:
        _refuse_above(work.wishes.max_cost_usd, costs, work)
    work.journal.finish("quote", facts)
    return costs


def _refuse_above(most: Decimal, costs: Costs, work: Work) -> None:
    """Raises UsageError where this and what was spent before are above `most` together, or may be."""
    spent = _spent_before(work)
    try:
        costs.refuse_above(max(most - spent, Decimal(0)))
    except UsageError as error:
        if not spent:
            raise
        raise UsageError(f"{error.message} Of {most} USD, {spent:.2f} were spent before.", remedy=error.remedy) from None


def agree_to(costs: Costs, *, work: Work) -> None:
    """Asks before money is spent, once for the training and the answers together."""
    if costs.free:
        return
    answers = f", and asking for {sum(each.requests for each in costs.asking):,} answers {dollars(costs.answers)}" if costs.asking else ""
    sentence = f"training at {work.wishes.to} costs {dollars(costs.training)}{answers}.{_beside(work)}"
    work.agree(Consent("train", sentence, "Go on?", "Add --yes to confirm, and --max-cost USD to bound it."))


def _beside(work: Work) -> str:
    """That the same tune has been carried there before, with rows or a base of other names: those may have been meant."""
    jobs = jobs_beside(work.journal)
    return f" It would be another job beside {', '.join(jobs)}, of the same tune with another base or other rows." if jobs else ""


def agree_to_other_rows(source: Source, mapped: Mapped, compared: Comparison | None, *, work: Work) -> None:
    """Asks before models are asked what no consent was about: other rows are given since, or another prompt. What was agreed to before is
    spent, and counts too. Raises UsageError above `max_cost_usd`."""
    costs, most = more_to_ask(source, mapped, compared, work=work), work.wishes.max_cost_usd
    if costs is None or compared is None:
        return
    spent = spent_usd(work)
    if most is not None and (costs.answers is None or spent is None or costs.answers.high + spent > most):
        before = "an unknown sum was spent before" if spent is None else f"up to {spent:.2f} USD were spent before"
        raise UsageError(f"asking for these answers costs {dollars(costs.answers)}, and {before}: not under the {most} USD allowed.")
    if costs.answers != NOTHING:
        count = sum(each.requests for each in costs.asking)
        sentence = f"asking for {count:,} answers to {compared.chosen.name} ({compared.mark[:8]}) costs {dollars(costs.answers)}."
        work.agree(Consent("ask", sentence, "Ask for them?", "Add --yes to confirm, and --max-cost USD to bound it."))
    more = [*work.journal.facts("quote").get("more", ()), {"rows": compared.mark, "usd": _bounds(costs.answers)}]
    work.journal.finish("quote", {"more": more})


def more_to_ask(source: Source, mapped: Mapped, compared: Comparison | None, *, work: Work) -> Costs | None:
    """What would be asked that no consent was about; None for nothing."""
    known = work.journal.facts("quote")
    if compared is None or compared.mark in (known.get("rows"), *(each["rows"] for each in known.get("more", ()))):
        return None
    return Costs((), tuple(_asking(source, mapped, compared, work)))


def spent_usd(work: Work) -> Decimal | None:
    """What a port that was submitted has cost at most by what was agreed to: training, answers to compare by and to learn from; None where
    nobody knows."""
    known = work.journal.facts("quote")
    bounds = [known.get("training_usd"), known.get("asking_usd"), *(each["usd"] for each in known.get("more", ()))]
    before = [most for _, most in _paid_before(work)]
    if None in bounds or None in before:
        return None
    return sum((Decimal(each[-1]) for each in bounds if each), Decimal(0)) + sum(filter(None, before), Decimal(0))


def _paid_before(work: Work) -> Iterator[tuple[str, Decimal | None]]:
    """What was paid for before the quote, and how much at most: rows made of answers, and jobs that failed. None where nobody knows."""
    outputs = work.journal.facts("outputs")
    if outputs:
        yield "the answers to learn from have", _usd(outputs.get("usd_most"))
    for uri, usd in work.journal.facts("follow").get("paid_usd", {}).items():
        yield f"{uri}, which failed, has", _usd(usd)


def _usd(said: str | None) -> Decimal | None:
    return None if said is None else Decimal(said)


def _spent_before(work: Work) -> Decimal:
    """Raises UsageError where nobody knows."""
    spent = Decimal(0)
    for what, most in _paid_before(work):
        if most is None:
            raise UsageError(f"what {what} cost is not known, and so not under {work.wishes.max_cost_usd} USD.")
        spent += most
    return spent


def _asking(source: Source, mapped: Mapped, compared: Comparison | None, work: Work) -> Iterator[Asking]:
    if compared is None:
        return
    to, rows = work.wishes.to, compared.rows
    cost = partial(asking_cost, most_tokens=compared.generation.max_tokens, client=work.client)
    base = mapped.recipe.base_for(to)
    old = sum(said is None for said in archived_answers(source).of(rows)) if source.model is not None else 0
    if old:
        yield cost(OLD, compared.chosen, old, provider=source.provider, base=source.base)
    yield cost("the new model", compared.chosen, len(rows), provider=to, base=base)
    if compared.prompted:
        prompted = compared.prompted_rows()
        costs = [
            cost("the base under a prompt", prompted, len(rows), provider=provider, base=name)
            for provider, name in bases_to_prompt(source, mapped, work=work)
        ]
        yield max(costs, key=lambda each: (each.cost is None, each.cost.high if each.cost is not None else 0))


def _lines(source: Source, mapped: Mapped, costs: Costs, work: Work) -> Iterator[str]:
    for quote in costs.quotes:
        tier = f" ({quote.tier})" if quote.tier else ""
        cost = "nobody sends a bill" if not quote.billed else dollars(quote.once)
        why = f"; {quote.availability}: {quote.why}" if quote.why else ""
        yield f"training {quote.base}{tier}: {cost}{why}"
    yield f"the old job cost {source.cost_usd} USD" if source.cost_usd else ""
    yield from _others(mapped, work)
    yield from _standing(mapped, work)
    yield from (f"asking: {each.sentence}" for each in costs.asking)
    if source.model is not None and any(each.who == OLD for each in costs.asking) and serving(source.model, client=work.client) == []:
        yield f"the old model answers through a deployment, and none stands; to compare with it: tuneport models deploy {source.model}"
    if costs.all is not None and not costs.free:
        yield f"together: {dollars(costs.all)}"
    yield _beside(work).strip()


def _others(mapped: Mapped, work: Work) -> Iterator[str]:
    """What other bases would cost to train; what cannot be quoted is left out."""
    epochs = mapped.recipe.method.epochs
    for base in mapped.others[:_MOST_OTHERS]:
        quotes = _quotes(mapped, base, work, epochs=None if epochs == "auto" else epochs)
        prices = [dollars(quote.once) for quote in quotes if quote.billed and quote.once is not None]
        if prices:
            yield f"training {base} instead: {' or '.join(dict.fromkeys(prices))} (--base {base})"


def _standing(mapped: Mapped, work: Work) -> Iterator[str]:
    base = mapped.recipe.base_for(work.wishes.to)
    standing = standing_each_month(_quotes(mapped, base, work, epochs=None))
    if standing is not None and standing != NOTHING:
        yield f"kept so that it answers, it costs {dollars(standing)} a month; that is asked apart"


def _quotes(mapped: Mapped, base: str, work: Work, *, epochs: int | None) -> Sequence[Quote]:
    recipe, to = mapped.recipe, work.wishes.to
    try:
        return work.client.quote(
            recipe.train, base=base, method=recipe.method.kind, epochs=epochs, providers=[to], usage=Usage(requests=1000)
        )
    except TuneportError:
        return ()


def _bounds(span: Span | None) -> list[str] | None:
    """Low, likely and high, as text."""
    return None if span is None else [f"{span.low:f}", f"{span.likely:f}", f"{span.high:f}"]
