"""Jobs to quote whose measures are written by hand, and rows of a price file that are not in the book."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from tuneport.prices import Price, PriceBook
from tuneport.quote import Quote, QuoteLine, Usage
from tuneport.quoting.job import JobToQuote
from tuneport.quoting.measure import Measure
from tuneport.quoting.quotes import quotes
from tuneport.span import Span

TODAY = date(2026, 11, 21)
MILLION = 1_000_000


def rows(tokens: Mapping[int, int], characters: Mapping[int, int] | None = None, *, kind: str = "chat", **other: Any) -> Measure:
    """Rows by how many tokens they have, and by how many characters: four for each token where nothing is said."""
    sizes = {size * 4: times for size, times in tokens.items()} if characters is None else dict(characters)
    known: dict[str, Any] = {
        "prompt_tokens": 0,
        "prompt_characters": 0,
        "answered_characters": 0,
        "images": [],
        "tool_rows": 0,
        "tool_tokens": 0,
        "media_rows": 0,
    }
    return Measure(rows=sum(sizes.values()), kind=kind, tokens=dict(tokens), characters=sizes, **{**known, **other})


def pairs(number: int, *, prompt: int, answers: int, characters: tuple[int, int] | None = None) -> Measure:
    """Preference rows: the tokens of a prompt and of both answers together; `characters` likewise, four for each token if not given."""
    asked, answered = characters or (prompt * 4, answers * 4)
    return rows(
        {prompt + answers: number},
        {asked + answered: number},
        kind="preference",
        prompt_tokens=prompt * number,
        prompt_characters=asked * number,
        answered_characters=answered // 2 * number,
    )


def a_job(
    train: Measure,
    *,
    base: str | Mapping[str, str] | None = None,
    method: str = "sft",
    epochs: int | None = 1,
    validation: Measure | None = None,
    hours: str | None = None,
    usage: Usage | None = None,
    weights: Any = "lora",
    on: date = TODAY,
) -> JobToQuote:
    """A job of one epoch by supervised LoRA tuning where nothing else is said."""
    return JobToQuote(
        train=train,
        validation=validation,
        base=base,
        method=method,
        weights=weights,
        epochs=epochs,
        training_hours=None if hours is None else Decimal(hours),
        usage=usage,
        on=on,
    )


def quoted(job: JobToQuote, provider: str, *own: Price, tier: str | None = None) -> Quote:
    """The one quote of the job there, under the user's own rows; of several tiers the named one."""
    (found,) = (quote for quote in all_quoted(job, provider, *own) if tier in (None, quote.tier))
    return found


def all_quoted(job: JobToQuote, provider: str, *own: Price) -> list[Quote]:
    """Every quote of the job there."""
    return quotes(job, provider, book=PriceBook((*own, *PriceBook.load().rows)))


def own_row(provider: str, model: str, unit: Any, price: str, **other: Any) -> Price:
    """A row of the user's own price file."""
    about = {"as_of": TODAY, "source": "prices.toml", "confidence": "yours"}
    return Price(provider=provider, model=model, unit=unit, price=Decimal(price), **{**about, **other})


def heard_row(provider: str, model: str, unit: Any, price: str, **other: Any) -> Price:
    """A row of the book that somebody else says."""
    return own_row(provider, model, unit, price, confidence="third party", **other)


def the_line(quote: Quote, item: str) -> QuoteLine:
    """The one line of that name."""
    (found,) = (line for line in quote.lines if line.item == item)
    return found


def usd(span: Span | None) -> tuple[str, str, str] | str | None:
    """A cost as text, all places kept but zeros at the end: one number where it is exact."""
    if span is None:
        return None
    low, likely, high = (f"{each.normalize():f}" for each in (span.low, span.likely, span.high))
    return likely if span.exact else (low, likely, high)
