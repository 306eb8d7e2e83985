"""How many tokens rows have: exactly for OpenAI's encodings and any Hugging Face tokenizer, else estimated, and marked so."""

from __future__ import annotations

from pathlib import Path

from tuneport.errors import UnknownModel
from tuneport.tokens.counter import Counted, Counter
from tuneport.tokens.estimated import EstimateCounter
from tuneport.tokens.facts import fact_of, facts

__all__ = ["Counted", "Counter", "counter_for", "general_estimate", "provider_of"]


def counter_for(model: str, *, tokenizer: str | Path | None = None) -> Counter:
    """What counts for `model`, which may be written with its provider (`openai:gpt-4.1-mini`, `vertex:gemini-3.5-flash`).

    `tokenizer` is a folder with a tokenizer.json, such a file, or a name on the Hugging Face hub, and then alone decides. Raises
    UnknownModel for a model of which nothing is known, Unsupported where a package is missing, UsageError for a tokenizer that cannot be
    read, Unreachable for one that the hub would have to send.
    """
    if tokenizer is not None:
        from tuneport.tokens.huggingface import TokenizerCounter

        return TokenizerCounter.of(tokenizer)
    if encoding := fact_of(model, facts().encodings):
        from tuneport.tokens.encodings import EncodingCounter

        return EncodingCounter.of(encoding, images=fact_of(model, facts().images))
    if estimate := fact_of(model, facts().estimates):
        return EstimateCounter(estimate, fact_of(model, facts().images))
    raise UnknownModel(
        f"nothing is known of how {model!r} counts tokens, and nothing is guessed.",
        remedy="Name its tokenizer: a folder with a tokenizer.json, or its name on the Hugging Face hub.",
    )


def general_estimate() -> Counter:
    """For rows that are meant for no model in particular."""
    return EstimateCounter(facts().any_model, None)


def provider_of(model: str) -> str | None:
    """Whose limits hold for a model that is named without its provider, where its name tells."""
    known = fact_of(model, facts().encodings) or fact_of(model, facts().estimates)
    return known.provider if known else None
