"""How many tokens one epoch over a dataset has: counted by the trainer's own rendering where the tokenizer is at hand, else estimated."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from math import sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.errors import TuneportError
from tuneport.examples import ChatExample, Example, LabelledExample, PreferenceExample, PromptExample
from tuneport.files import write_text
from tuneport.quoting.measured_before import key_of
from tuneport.span import Span
from tuneport_local.bases.at_hand import at_hand
from tuneport_local.bases.seeing import picture_tokens
from tuneport_local.methods.objectives import OBJECTIVES
from tuneport_local.rows.pairs import sides
from tuneport_local.rows.pictures import pictured

if TYPE_CHECKING:
    from tuneport.dataset import Dataset
    from tuneport.examples import Kind
    from tuneport_local.plans.tokenizer_file import FileTokenizer

COUNTED_ROWS = 1_000
"""Rows that are all counted."""
_SOME_ROWS = 500
"""As many at most are counted of more, evenly spread."""

_BOUNDS = 3
"""Standard errors of the mean on either side of what the counted rows make of all."""

_AT_LEAST = 0.02
"""Of what is likely, either way."""

_BYTES_PER_TOKEN = 3.8
"""English text under vocabularies of 30,000 to 150,000 entries; other languages have fewer bytes to a token."""
_TOKENS_AROUND = 2
"""Of an encoder, around a text."""
_TOKENS_PER_MESSAGE = 5
"""The marks around a message in ChatML and its kin."""

_PICTURE_TOKENS = (64, 576, 1105)
"""From one part of SmolVLM's (of 64) over a picture of LLaVA's to 17 parts, as of 2026-11-21."""


@dataclass(frozen=True, slots=True)
class TokenCount:
    """Tokens of all rows as they are trained on, marks of the chat template included. `how`: exact | from some rows | estimated. Rows of
    `images` that are to be labelled have none."""

    tokens: Span
    how: str
    images: int = 0


_KINDS: dict[str, Kind | None] = {
    "dpo": "preference",
    "orpo": "preference",
    "reward": "preference",
    "kto": None,
    "grpo": "prompt",
    "classify": "labelled",
    "regress": "labelled",
}
"""What rows are recast into before they are counted, by method; conversations for the others. None where several kinds are learned."""


def count_tokens(dataset: Dataset, *, base: str, home: Path, method: str = "sft") -> TokenCount:
    """Exact for few rows of a base whose tokenizer is on this disk. A file that was counted before is not counted again.

    Of pairs, both answers count, each with its prompt before it; of prompts, what is known: the prompt, once.

    Raises DatasetError.
    """
    place = None if dataset.in_memory else _place(dataset.reference(), base, home, method)
    with suppress(OSError, ValueError, TypeError, KeyError):
        if place is not None:
            kept = json.loads(place.read_text(encoding="utf-8"))
            return TokenCount(Span(*map(Decimal, kept["tokens"])), kept["how"], kept.get("images", 0))
    kind = _KINDS.get(method, "chat")
    rows = dataset if kind is None else dataset.recast(kind)
    sample = _sample(rows) if place is None else _sample_once(_Known(f"{key_of(dataset.reference())} {method}", rows))
    found = _count(sample, base, home, method)
    if place is not None:
        with suppress(OSError):
            tokens = [str(each) for each in (found.tokens.low, found.tokens.likely, found.tokens.high)]
            images = {"images": found.images} if found.images else {}
            write_text(place, json.dumps({"tokens": tokens, "how": found.how, **images}) + "\n")
    return found


def _place(reference: dict[str, Any], base: str, home: Path, method: str) -> Path:
    """One place for all bases without a tokenizer here: the same estimate holds for each."""
    tokenizer = _tokenizer_file(base, home)
    known = None if tokenizer is None else tokenizer.stat()
    who = "estimated" if known is None else hashlib.sha256(f"{base}|{known.st_size, known.st_mtime_ns}".encode()).hexdigest()[:16]
    by = "" if method == "sft" else f"-{method}"
    return home / "cache" / "measures" / f"{key_of(reference)}-{who}{by}.json"


@dataclass(frozen=True, slots=True)
class _Sample:
    """How many rows and characters there are, and all of the rows, or some at equal distances and the longest, with their lines."""

    total: int
    characters: int
    rows: tuple[tuple[int, Example], ...]
    images: int = 0


@dataclass(frozen=True, slots=True)
class _Known:
    """Rows by what their files hold: two with one key are equal."""

    key: str
    rows: Dataset = field(compare=False)


_COUNTED = (ChatExample, PreferenceExample, PromptExample, LabelledExample)


@lru_cache(maxsize=1)
def _sample_once(known: _Known) -> _Sample:
    """A quote asks for several bases in a row; the rows are read for the first."""
    return _sample(known.rows)


def _sample(rows: Dataset) -> _Sample:
    """One pass, in memory for the rows that are kept alone."""
    kept: list[tuple[int, Example]] = []
    step, seen, characters, most, images = 1, 0, 0, -1, 0
    longest: list[tuple[int, Example]] = []
    for line, row in rows.numbered():
        if isinstance(row, LabelledExample) and row.image is not None:
            images += 1
            continue
        characters += (size := _characters(row))
        if size > most and isinstance(row, _COUNTED):
            longest, most = [(line, row)], size
        if seen % step == 0 and isinstance(row, _COUNTED):
            kept.append((line, row))
            if len(kept) > COUNTED_ROWS:
                kept, step = kept[::2], step * 2
        seen += 1
    return _Sample(seen, characters, tuple(kept if step == 1 else kept[:: -(-len(kept) // _SOME_ROWS)] + longest), images)


def _count(sample: _Sample, base: str, home: Path, method: str) -> TokenCount:
    if sample.images:
        return TokenCount(Span.exactly(0), "exact", sample.images)
    tokenizer = _tokenizer(base, home)
    if tokenizer is None or any(next(pictured(row), None) for _, row in sample.rows):
        return _estimated(sample, _tokens_per_picture(base, home))
    from tuneport_local.rows.rendering import Template

    kind = OBJECTIVES[method].kind
    try:
        template = Template.of(tokenizer)
        rendered = [kind.render(row, tokenizer, template=template, line=line) for line, row in sample.rows]
        counted = [sum(len(sequence.input_ids) for sequence in row.sequences) for row in rendered]
    except (TuneportError, TypeError, ValueError, LookupError):
        return _estimated(sample, _tokens_per_picture(base, home))
    if len(counted) == sample.total:
        return TokenCount(Span.exactly(sum(counted)), "exact")
    return TokenCount(_from(counted, sample), "from some rows")


def _from(counted: list[int], sample: _Sample) -> Span:
    """What some rows make of all, by a straight line of tokens over characters: rows that were not counted may be longer. So many standard
    errors around it, what the mere ratio makes of it, and at least a little."""
    from statistics import LinearRegression, StatisticsError, fmean, linear_regression, pstdev

    sizes = [_characters(row) for _, row in sample.rows]
    ratio = sum(counted) / max(1, sum(sizes))
    try:
        line = linear_regression(sizes, counted)
    except StatisticsError:  # all of one size
        line = LinearRegression(ratio, fmean(counted) - ratio * fmean(sizes))
    beside = [tokens - line.slope * size - line.intercept for tokens, size in zip(counted, sizes, strict=True)]
    likely = max(0.0, line.slope * sample.characters + line.intercept * sample.total)
    other = ratio * sample.characters
    doubt = max(_BOUNDS * pstdev(beside) / sqrt(len(counted)) * sample.total, _AT_LEAST * likely)
    return Span(*(Decimal(round(max(0.0, each))) for each in (min(likely, other) - doubt, likely, max(likely, other) + doubt)))


def _conversations(row: Example) -> tuple[ChatExample, ...]:
    """What of a row goes through the model."""
    if isinstance(row, PromptExample):
        return (ChatExample(row.messages, row.tools, style=row.style),)
    return sides(row) if isinstance(row, PreferenceExample) else (row,) if isinstance(row, ChatExample) else ()


def _characters(row: Example) -> int:
    if isinstance(row, LabelledExample):
        return len(row.text or "")
    return sum(len(message.text) for each in _conversations(row) for message in each.messages)


def _tokenizer_file(base: str, home: Path) -> Path | None:
    found = at_hand(base, home=home)
    path = None if found is None or found.source == "package" else Path(found.location) / "tokenizer.json"
    return path if path is not None and path.is_file() else None


def _tokenizer(base: str, home: Path) -> FileTokenizer | None:
    """The tokenizer's file, where the base lies in a folder already. One that only transformers can read is none."""
    from tuneport_local.plans.tokenizer_file import FileTokenizer

    path = _tokenizer_file(base, home)
    try:
        return None if path is None else FileTokenizer(path.parent)
    except Exception:  # tokenizers raises plain Exception for a file it cannot read
        return None


def _estimated(sample: _Sample, each: tuple[int, int, int]) -> TokenCount:
    """By the bytes; half as many again or a third less is possible. `each`: tokens of a picture at least, likely and at most."""
    whole = Decimal(sample.total) / max(len(sample.rows), 1)
    tokens = round(sum(_estimate(row) for _, row in sample.rows) * whole)
    pictures = sum(1 for _, row in sample.rows for _ in pictured(row)) * whole
    low, likely, high = (Decimal(round(pictures * count)) for count in each)
    return TokenCount(Span(Decimal(tokens) * 2 / 3 + low, tokens + likely, Decimal(tokens) * 3 / 2 + high), "estimated")


def _tokens_per_picture(base: str, home: Path) -> tuple[int, int, int]:
    """By the settings of a base at hand; of one that has yet to be fetched, what such models have."""
    found = at_hand(base, home=home)
    return _PICTURE_TOKENS if found is None or found.source == "package" else picture_tokens(Path(found.location))


def _estimate(row: Example) -> int:
    if isinstance(row, LabelledExample):
        return _TOKENS_AROUND + round(len((row.text or "").encode()) / _BYTES_PER_TOKEN)
    messages = [message for each in _conversations(row) for message in each.messages]
    return sum(_TOKENS_PER_MESSAGE + round(len(message.text.encode()) / _BYTES_PER_TOKEN) for message in messages)
