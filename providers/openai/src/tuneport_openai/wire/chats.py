"""Chat completions: what is asked, as each dialect has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuneport.chat_completions import asked
from tuneport.errors import UsageError
from tuneport.examples import Message, Tool
from tuneport.formats.messages import from_tools
from tuneport.provider import Generation
from tuneport_openai.wire.dialect import OPENAI, Dialect

MOST_STOPS = 4
"""Stop strings that the API takes (the SDK's types, openai 3.52.0)."""


def chat_body(
    messages: Sequence[Message], *, model: str, generation: Generation, tools: Sequence[Tool] = (), dialect: Dialect = OPENAI
) -> dict[str, Any]:
    """The request for one answer. Raises UsageError for messages that the API has no form for."""
    if len(generation.stop) > MOST_STOPS:
        raise UsageError(f"there are {len(generation.stop)} stop strings; {dialect.name} takes {MOST_STOPS} at most.")
    found = {
        "top_p": generation.top_p if generation.top_p != 1.0 else None,
        "seed": generation.seed,
        "stop": list(generation.stop) or None,
        "tools": from_tools(tools) or None,
    }
    return {
        "model": model,
        "messages": asked(messages),
        dialect.most_tokens: generation.max_tokens,
        "temperature": generation.temperature,
        **{key: value for key, value in found.items() if value is not None},
    }
