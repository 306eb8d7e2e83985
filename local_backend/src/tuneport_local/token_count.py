"""How many tokens one epoch over a dataset has: counted by the trainer's own rendering where the tokenizer is at hand, else estimated."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from tuneport.errors import TuneportError
from tuneport.examples import ChatExample
from tuneport_local.rendering import Template, render
from tuneport_local.tokenizer_file import FileTokenizer
from tuneport_local.weights import resolve

if TYPE_CHECKING:
    from tuneport.dataset import Dataset

_COUNTED_ROWS = 20_000
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
    """Exact for up to 20,000 rows of a base whose tokenizer is on this disk. Raises UnknownModel and DatasetError."""
    dataset, tokenizer = dataset.recast("chat"), _tokenizer(base, home)
    if tokenizer is None:
        return TokenCount(sum(_estimate(row) for row in dataset if isinstance(row, ChatExample)), exact=False)
    try:
        template = Template.of(tokenizer)
        counted = [_count(line, row, tokenizer, template) for line, row in islice(dataset.numbered(), _COUNTED_ROWS)]
    except (TuneportError, TypeError, ValueError, LookupError):
        return TokenCount(sum(_estimate(row) for row in dataset if isinstance(row, ChatExample)), exact=False)
    rows = dataset.count()
    return TokenCount(round(sum(counted) * rows / max(len(counted), 1)), exact=rows == len(counted))


def _tokenizer(base: str, home: Path) -> FileTokenizer | None:
    """The tokenizer's file, where the base lies in a folder already. One that only transformers can read is none."""
    found = resolve(base, home=home)
    if found.source in ("package", "hub"):
        return None
    try:
        return FileTokenizer(Path(found.location))
    except Exception:  # tokenizers raises plain Exception for a file it cannot read
        return None


def _count(line: int, row: object, tokenizer: FileTokenizer, template: Template) -> int:
    return len(render(row, tokenizer, template=template, line=line).input_ids) if isinstance(row, ChatExample) else 0


def _estimate(row: ChatExample) -> int:
    return sum(_TOKENS_PER_MESSAGE + round(len(message.text.encode()) / _BYTES_PER_TOKEN) for message in row.messages)
