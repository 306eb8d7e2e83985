"""How a row of the price book reads: what it is the price of, and on which terms."""

from __future__ import annotations

from tuneport.prices.price import Price


def terms(row: Price) -> str:
    """What narrows the price, in words: `sft, lora, over 16B up to 80B, batch, us-central1`; '' where nothing does."""
    return ", ".join(word for word in (row.method, row.weights, size(row), row.tier, row.region) if word)


def size(row: Price) -> str:
    """Of how many billions of parameters the models are that it holds for; '' where that does not matter."""
    over = "" if row.above_b is None else f"over {row.above_b:f}B"
    up_to = "" if row.up_to_b is None else f"up to {row.up_to_b:f}B"
    return f"{over} {up_to}".strip()


def title(row: Price) -> str:
    """What it is the price of: `together:*, 1M training tokens (sft, lora, up to 16B)`."""
    narrowed = terms(row)
    return f"{row.provider}:{row.model}, {row.unit}{f' ({narrowed})' if narrowed else ''}"
