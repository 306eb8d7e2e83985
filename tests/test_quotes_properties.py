"""What holds of every quote, whatever the data, the prices and the usage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from quoted_jobs import a_job, all_quoted, own_row, rows

from tuneport.catalogue import catalogue
from tuneport.prices import Price
from tuneport.quote import Quote, Usage
from tuneport.quoting.break_even import Course
from tuneport.quoting.job import JobToQuote
from tuneport.quoting.measure import Measure
from tuneport.quoting.rules import quoted_providers, rule_of
from tuneport.span import NOTHING, Span

FEW = settings(max_examples=60, deadline=None)
PROVIDERS = st.sampled_from(quoted_providers())
PRICES = st.decimals(min_value=0, max_value=10**4, places=4)


@st.composite
def measures(draw: st.DrawFn, *, kind: str = "chat") -> Measure:
    """Rows whose tokens and characters have nothing to do with each other; perhaps nothing counted, perhaps images."""
    sizes = draw(st.dictionaries(st.integers(1, 200_000), st.integers(1, 1_000), min_size=1, max_size=4))
    tokens = draw(st.one_of(st.just({}), st.just({max(1, size // draw(st.integers(1, 6))): times for size, times in sizes.items()})))
    asked = draw(st.integers(0, sum(size * times for size, times in sizes.items())))
    counted = draw(st.integers(0, sum(size * times for size, times in tokens.items())))
    return rows(
        tokens,
        sizes,
        kind=kind,
        prompt_characters=asked if kind == "preference" else 0,
        prompt_tokens=counted if kind == "preference" else 0,
        answered_characters=draw(st.integers(0, sum(size * times for size, times in sizes.items()))),
        images=draw(st.lists(st.tuples(st.integers(1, 4_000), st.integers(1, 4_000), st.sampled_from(["", "low"]), st.integers(1, 9)))),
    )


@st.composite
def jobs(draw: st.DrawFn) -> tuple[JobToQuote, str]:
    """A job and the provider to ask."""
    provider = draw(PROVIDERS)
    method = draw(st.sampled_from(["sft", "dpo", "grpo"]))
    kind = {"sft": "chat", "dpo": "preference", "grpo": "prompt"}[method]
    usage = draw(
        st.one_of(
            st.none(),
            st.builds(
                Usage,
                st.integers(0, 10**7),
                st.one_of(st.none(), st.integers(0, 9_999)),
                st.one_of(st.none(), st.integers(0, 9_999)),
                st.integers(1, 60),
            ),
        )
    )
    return a_job(
        draw(measures(kind=kind)),
        method=method,
        base=draw(st.one_of(st.none(), st.sampled_from([base.id for base in catalogue().of(provider)]))),
        epochs=draw(st.one_of(st.none(), st.integers(1, 50))),
        validation=draw(st.one_of(st.none(), measures(kind=kind))),
        hours=draw(st.one_of(st.none(), PRICES.map(str))),
        weights=draw(st.sampled_from(["lora", "full"])),
        usage=usage,
    ), provider


@st.composite
def own_rows(draw: st.DrawFn) -> tuple[Price, ...]:
    """Rows of one's own that may contradict each other, in two currencies."""
    units = st.sampled_from(["1M training tokens", "training hour", "1M input tokens", "1M output tokens", "job minimum", "model-month"])
    return tuple(
        own_row(draw(PROVIDERS), "*", draw(units), str(draw(PRICES)), tier=draw(st.sampled_from(["", "global"])), currency=currency)
        for currency in draw(st.lists(st.sampled_from(["USD", "EUR"]), max_size=4))
    )


def spans(value: Any) -> Iterator[Span]:
    """Every span a quote holds or gives."""
    for quote in value:
        yield from (each for each in (quote.once, quote.monthly, quote.standing, quote.total, quote.thousand_requests) if each is not None)
        for line in (*quote.lines, *quote.per_request):
            yield from (each for each in (line.amount, line.cost) if each is not None)


def values(thing: Any) -> Iterator[Any]:
    """Every value inside, however deep."""
    if is_dataclass(thing):
        yield from (inside for field in fields(thing) for inside in values(getattr(thing, field.name)))
    elif isinstance(thing, tuple | list):
        yield from (inside for each in thing for inside in values(each))
    else:
        yield thing


def costs(quotes: list[Quote]) -> list[Span | None]:
    return [quote.once for quote in quotes]


def never_less(before: list[Span | None], after: list[Span | None]) -> bool:
    """Whether no bound has fallen, and what is known has stayed so."""
    return len(before) == len(after) and all(
        (one is None) == (other is None)
        and (one is None or other is None or (one.low <= other.low and one.likely <= other.likely and one.high <= other.high))
        for one, other in zip(before, after, strict=True)
    )


@given(jobs(), own_rows())
@FEW
def test_no_cost_is_below_nothing_and_every_estimate_lies_between_its_bounds(asked: tuple[JobToQuote, str], own: tuple[Price, ...]) -> None:
    for span in spans(all_quoted(*asked, *own)):
        assert 0 <= span.low <= span.likely <= span.high


@given(jobs(), own_rows())
@FEW
def test_every_number_is_a_decimal_or_a_whole_one(asked: tuple[JobToQuote, str], own: tuple[Price, ...]) -> None:
    found = all_quoted(*asked, *own)
    assert not [value for value in values(found) if isinstance(value, float)]
    assert all(isinstance(each, Decimal) for span in spans(found) for each in (span.low, span.likely, span.high))


@given(jobs(), own_rows())
@FEW
def test_currencies_are_never_mixed(asked: tuple[JobToQuote, str], own: tuple[Price, ...]) -> None:
    for quote in all_quoted(*asked, *own):
        named = {line.currency for line in quote.lines if line.price is not None}
        answers = {line.currency for line in quote.per_request if line.price is not None}
        assert quote.currency == (next(iter(named), "USD") if len(named) < 2 else None)
        if len(named) > 1:
            assert (quote.once, quote.monthly, quote.total, Course.of(quote)) == (None,) * 4
        if not answers <= {quote.currency}:
            assert (quote.thousand_requests, Course.of(quote)) == (None, None)
        if named != {"USD"} and named:
            assert quote.total_usd is None


@given(jobs(), own_rows())
@FEW
def test_a_total_is_what_is_paid_once_and_every_month(asked: tuple[JobToQuote, str], own: tuple[Price, ...]) -> None:
    for quote in all_quoted(*asked, *own):
        if quote.once is None or quote.monthly is None:
            assert quote.total is None
            continue
        assert quote.total == quote.once + quote.monthly * (quote.usage.months if quote.usage else 0)
        if quote.usage is None:
            assert quote.monthly == NOTHING


@given(jobs(), own_rows())
@FEW
def test_nothing_unknown_becomes_a_number(asked: tuple[JobToQuote, str], own: tuple[Price, ...]) -> None:
    for quote in all_quoted(*asked, *own):
        for line in quote.lines:
            if line.cost is None:
                assert quote.total is None
                assert quote.total_usd is None


@given(jobs())
@FEW
def test_a_month_is_what_stands_and_what_its_requests_cost(asked: tuple[JobToQuote, str]) -> None:
    for quote in all_quoted(*asked):
        if quote.usage is not None and quote.monthly is not None and quote.standing is not None and quote.thousand_requests is not None:
            requests = quote.thousand_requests * (Decimal(quote.usage.requests) / 1000)
            assert quote.monthly == quote.standing + requests


@given(jobs(), st.data())
@FEW
def test_more_rows_never_cost_less(asked: tuple[JobToQuote, str], data: st.DataObject) -> None:
    job, provider = asked
    more = data.draw(measures(kind=job.train.kind))
    before = job.train if bool(job.train.tokens) == bool(more.tokens) else replace_tokens(job.train, more)
    grown = rows(
        _sum(before.tokens, more.tokens),
        _sum(before.characters, more.characters),
        kind=before.kind,
        prompt_tokens=before.prompt_tokens + more.prompt_tokens,
        prompt_characters=before.prompt_characters + more.prompt_characters,
        images=[*before.images, *more.images],
    )
    assert never_less(
        costs(all_quoted(replace(job, train=before), provider)),
        costs(all_quoted(replace(job, train=grown), provider)),
    )


def replace_tokens(one: Measure, like: Measure) -> Measure:
    """The same rows, counted or not as the other's are."""
    tokens = {size // 4 + 1: times for size, times in one.characters.items()} if like.tokens else {}
    return rows(tokens, one.characters, kind=one.kind, prompt_characters=one.prompt_characters)


def _sum(one: dict[int, int], other: dict[int, int]) -> dict[int, int]:
    return {size: one.get(size, 0) + other.get(size, 0) for size in {*one, *other}}


@given(jobs(), st.integers(1, 50), st.integers(1, 50))
@FEW
def test_more_epochs_never_cost_less(asked: tuple[JobToQuote, str], some: int, more: int) -> None:
    job, provider = asked
    fewer = costs(all_quoted(replace(job, epochs=some), provider))
    assert never_less(fewer, costs(all_quoted(replace(job, epochs=some + more), provider)))


@given(measures(), st.integers(1, 50), st.sampled_from(["gpt-4.1-mini", "gpt-4o"]))
@FEW
def test_without_a_minimum_each_token_and_each_epoch_costs_something(measure: Measure, epochs: int, base: str) -> None:
    one, more, longer = (
        quoted_once(a_job(each, base=base, epochs=passes))
        for each, passes in ((measure, epochs), (measure, epochs + 1), (_one_more(measure), epochs))
    )
    if one.low > 0:
        assert (one.low < more.low, one.likely < more.likely, one.high < more.high) == (True, True, True)
    assert (one.low < longer.low, one.likely < longer.likely, one.high < longer.high) == (True, True, True)


def quoted_once(job: JobToQuote) -> Span:
    (found,) = costs(all_quoted(job, "openai"))
    assert found is not None
    return found


def _one_more(measure: Measure) -> Measure:
    """With a row of 100 tokens and 400 characters."""
    tokens = _sum(measure.tokens, {100: 1}) if measure.tokens else {}
    return rows(tokens, _sum(measure.characters, {400: 1}), images=measure.images)


@given(jobs(), st.data())
@FEW
def test_a_validation_file_never_lowers_a_cost(asked: tuple[JobToQuote, str], data: st.DataObject) -> None:
    job, provider = asked
    validation = data.draw(measures(kind=job.train.kind))
    without = all_quoted(replace(job, validation=None), provider)
    rule = rule_of(provider, job.method)
    found = all_quoted(replace(job, validation=validation), provider)
    assert never_less(costs(without), costs(found))
    if rule is not None and rule.validation == "free":
        assert costs(without) == costs(found)


@given(jobs(), PRICES)
@FEW
def test_a_price_of_ones_own_is_the_one_that_counts(asked: tuple[JobToQuote, str], price: Decimal) -> None:
    job, provider = asked
    rule = rule_of(provider, job.method)
    if rule is None:
        return
    own = [own_row(provider, "*", rule.per, str(price), tier=tier) for tier in rule.tiers]
    for quote in all_quoted(job, provider, *own):
        if quote.lines:
            line = next(each for each in quote.lines if each.item == "training")
            assert (line.price, line.price_range, line.confidence, line.doubts) == (price, None, "yours", ())


@given(jobs(), st.integers(0, 10**6), st.integers(0, 10**6))
@FEW
def test_more_requests_never_cost_less(asked: tuple[JobToQuote, str], some: int, more: int) -> None:
    job, provider = asked
    few, many = (
        [quote.total for quote in all_quoted(replace(job, usage=Usage(requests, 500, 100, 12)), provider)]
        for requests in (some, some + more)
    )
    assert never_less(few, many)


def test_a_prompt_counted_as_one_token_costs_no_less_than_one_counted_as_none() -> None:
    none, one = (rows({1: 4}, {1: 1, 2: 3}, kind="preference", prompt_characters=6, prompt_tokens=tokens) for tokens in (0, 1))
    none, one = (costs(all_quoted(a_job(each, method="dpo"), "fireworks")) for each in (none, one))
    assert never_less(none, one)
