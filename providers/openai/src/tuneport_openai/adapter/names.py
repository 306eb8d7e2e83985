"""What the names of models say, as OpenAI and Azure write them."""

from __future__ import annotations


def is_tuned(model_id: str) -> bool:
    """`ft:gpt-4.1-mini-2025-04-14:acme::x`, or `gpt-4.1-2025-04-14.ft-0f3c`."""
    return model_id.startswith("ft:") or ".ft-" in model_id


def is_checkpoint(model_id: str) -> bool:
    """`ft:…:ckpt-step-90`: a tuned model as it was on its way."""
    return ":ckpt-step-" in model_id
