"""The tokens that a provider would count for a base, from the measure of a dataset: exact where its encoding was counted, else bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from math import ceil

from tuneport.catalogue import Base
from tuneport.limits import target
from tuneport.quoting.measure import COUNTED_BY, Measure
from tuneport.quoting.rules import Preference
from tuneport.span import Span
from tuneport.tokens.facts import Estimate, fact_of, facts
from tuneport.tokens.images import tokens_of_size

LEAST, MOST = Decimal("0.8"), Decimal("1.2")
"""How far tokens are taken to lie beyond what the factor and o200k_base say. SmolLM2's tokenizer and template count 1.17 and 1.18 times
what o200k_base does on gsm8k and hh-rlhf (measured 2026-11-21)."""

UNCOUNTED_MOST = Decimal("1.6")
"""Likewise where o200k_base could not be counted: short chats hold up to 1.5 times what the factor says (banking77, the same day)."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens of one pass over the rows; None where they cannot be told. `by` says what counted, `cut` how many rows are longer than the
    base takes, `guessed` what of them is estimated or left out."""

    tokens: Span | None
    by: str
    cut: int = 0
    guessed: str = ""


def counted(measure: Measure, base: Base, *, method: str, preference: Preference = "") -> Counted:
    """The tokens of the rows as `base` is trained on them: rows that are too long count up to its limit."""
    if measure.media_rows:
        return Counted(None, "", guessed=f"{measure.media_rows:,} rows hold audio, video or documents, whose tokens are not known")
    pairs = bool(measure.prompt_characters)  # what is cut of a pair, nobody says: the limit is of its two conversations, not of their sum
    longest = None if pairs else target(base.uri, method=method).limits.max_tokens
    pictures = _pictures(measure, base)
    encoding = fact_of(base.uri, facts().encodings)
    exact = encoding is not None and encoding.encoding == COUNTED_BY and encoding.marks == "documented" and bool(measure.tokens)
    if exact:
        tokens = _with_tools(int(_cut(measure.tokens, longest)) + pictures, measure)
        cut = sum(rows for size, rows in measure.tokens.items() if longest and size > longest)
        guessed = f"tokens of {measure.tool_rows:,} rows with tools are estimated" if measure.tool_rows else ""
        return Counted(_twice(tokens, Span.exactly(measure.prompt_tokens), preference), COUNTED_BY, cut, guessed)
    estimate = None if encoding else fact_of(base.uri, facts().estimates)
    alike = encoding is not None and encoding.encoding == COUNTED_BY
    return _estimated(measure, estimate or facts().any_model, pictures, preference, longest=longest, alike=alike)


def _with_tools(tokens: int, measure: Measure) -> Span:
    """Nobody documents exactly what tools cost: their rows get the bounds of an estimate."""
    doubt = ceil(measure.tool_tokens * (MOST - 1))
    return Span(Decimal(max(0, tokens - doubt)), Decimal(tokens), Decimal(tokens + doubt))


def _cut(sizes: Mapping[int, int], longest: int | None, *, factor: Decimal = Decimal(1)) -> Decimal:
    """The tokens of rows by their sizes, of which each has `factor` tokens, up to the longest that a row may be."""
    each = ((size * factor, rows) for size, rows in sizes.items())
    return sum(((min(tokens, Decimal(longest)) if longest else tokens) * rows for tokens, rows in each), Decimal(0))


def _estimated(measure: Measure, estimate: Estimate, pictures: int, preference: Preference, *, longest: int | None, alike: bool) -> Counted:
    """`alike`: the model's own encoding is of that kind, and only what stands around messages is not known."""
    factor = Decimal(str(estimate.tokens_per_character))
    by_count, asked = (_cut(measure.tokens, longest), Decimal(measure.prompt_tokens)) if measure.tokens else (None, None)
    tokens = _between(_cut(measure.characters, longest, factor=factor), by_count, alike=alike) + Span.exactly(pictures)
    prompts = _between(factor * measure.prompt_characters, asked, alike=alike)
    hard = 0 if alike else measure.digits + measure.non_ascii
    tokens = Span(tokens.low, tokens.likely, tokens.high + hard)
    many = hard > (by_count or 0) / 10
    guessed = f"the upper bound allows a token for each of {hard:,} digits and characters beyond ASCII" if many else ""
    by = COUNTED_BY if alike and by_count is not None else f"characters x {factor}"
    return Counted(_twice(tokens, prompts, preference), by, 0, guessed)


def _between(by_factor: Decimal, by_count: Decimal | None, *, alike: bool) -> Span:
    """Between what the factor makes of the characters and what o200k_base counts, and somewhat beyond; None: nothing was counted."""
    if by_count is None:
        bounds = by_factor * LEAST, by_factor, by_factor * UNCOUNTED_MOST
    else:
        likely = by_count if alike else by_factor
        bounds = min(likely, by_count) * LEAST, likely, max(likely, by_count) * MOST
    return Span(*(Decimal(ceil(each)) for each in bounds))


def _twice(tokens: Span, prompts: Span, preference: Preference) -> Span:
    """With the prompts of preference rows counted once more, where the provider does so; where it does not say, perhaps."""
    if preference == "prompt twice":
        return tokens + prompts
    if preference == "unknown":
        return Span(tokens.low, tokens.likely + prompts.likely, tokens.high + prompts.high)
    return tokens


def _pictures(measure: Measure, base: Base) -> int:
    """The tokens of all images by the base's own rule; 0 where none is known."""
    rule = fact_of(base.uri, facts().images)
    return sum(tokens_of_size(width, height, detail, rule) * times for width, height, detail, times in measure.images)
