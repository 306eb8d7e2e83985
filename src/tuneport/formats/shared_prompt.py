"""Preferences that say their prompt twice, at the head of both dialogues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def shared_messages(chosen: Sequence[Any], rejected: Sequence[Any]) -> int:
    """How many messages both begin with; each keeps at least one of its own."""
    limit = min(len(chosen), len(rejected)) - 1
    return next((place for place in range(limit) if chosen[place] != rejected[place]), max(limit, 0))


def shared_text(chosen: str, rejected: str) -> int:
    """How many characters both begin with, a space before the first difference not counted: TRL's rule (1.16, `extract_prompt`)."""
    limit = min(len(chosen), len(rejected))
    length = next((place for place in range(limit) if chosen[place] != rejected[place]), max(limit - 1, 0))
    return length - 1 if length and chosen[length - 1] == " " else length
