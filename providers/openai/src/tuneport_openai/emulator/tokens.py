"""Tokens as the emulated vendor counts them, by an implementation of its own.

The pieces are cut by Hugging Face's `tokenizers` and merged here, over the vocabulary that the package bpe-openai carries as a file; the
package itself, which Tuneport counts with, is not imported. Where either is missing nothing is counted, and the vendor says null.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

CASED = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
LETTERS, CAPITALS, SMALL = r"[^\r\n\p{L}\p{N}]?", r"\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}", r"\p{Ll}\p{Lm}\p{Lo}\p{M}"
REST = (r"\s*[\r\n]+", r"\s+(?!\S)", r"\s+")
PIECES: Mapping[str, str] = {
    "o200k_base": "|".join(
        [
            f"{LETTERS}[{CAPITALS}]*[{SMALL}]+{CASED}",
            f"{LETTERS}[{CAPITALS}]+[{SMALL}]*{CASED}",
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            *REST,
        ]
    ),
    "cl100k_base": "|".join(
        [CASED.removesuffix("?"), LETTERS + r"\p{L}+", r"\p{N}{1,3}", r" ?[^\s\p{L}\p{N}]+[\r\n]*", *REST],
    ),
}
"""How a text is cut before anything is merged: the vendor's published patterns (tiktoken, openai_public.py, read 2026-11-21)."""

PER_MESSAGE, PER_NAME, PER_ROW = 3, 1, 3
"""Tokens around each message, for a name, and before the reply (OpenAI's cookbook on counting tokens, read 2026-11-21)."""


class Tokens:
    """One encoding of the vendor's."""

    def __init__(self, ranks: Mapping[bytes, int], cut: Any) -> None:
        self._ranks = ranks
        self._cut = cut
        self._merged = lru_cache(maxsize=100_000)(self._merge)

    def count(self, text: str) -> int:
        return sum(len(self._merged(piece)) for piece, _ in self._cut.pre_tokenize_str(text))

    def split(self, text: str) -> list[bytes]:
        """The tokens of a text; a character may be spread over several."""
        return [token for piece, _ in self._cut.pre_tokenize_str(text) for token in self._merged(piece)]

    def _merge(self, piece: str) -> tuple[bytes, ...]:
        """Joins the two neighbours that make the token of the lowest rank, until no two make one."""
        data = piece.encode()
        if data in self._ranks:
            return (data,)
        parts = [data[at : at + 1] for at in range(len(data))]
        while len(parts) > 1:
            rank, at = min((self._ranks.get(one + other, len(self._ranks) + 1), at) for at, (one, other) in enumerate(_pairs(parts)))
            if rank > len(self._ranks):
                break
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return tuple(parts)


def _pairs(parts: list[bytes]) -> Iterable[tuple[bytes, bytes]]:
    return pairwise(parts)


@cache
def tokens_of(encoding: str) -> Tokens | None:
    """The encoding, read from disk at the first call; None where what it needs is not installed."""
    spec = find_spec("bpe_openai")
    if spec is None or spec.origin is None or find_spec("tokenizers") is None:
        return None
    vocabulary = Path(spec.origin).parent / "data" / f"{encoding}.tiktoken.gz"
    if not vocabulary.is_file():
        return None
    from tokenizers import Regex, pre_tokenizers

    lines = (line.split() for line in gzip.decompress(vocabulary.read_bytes()).splitlines() if line)
    return Tokens({base64.b64decode(token): int(rank) for token, rank in lines}, pre_tokenizers.Split(Regex(PIECES[encoding]), "isolated"))


def row_tokens(row: Mapping[str, Any], tokens: Tokens) -> int:
    """All tokens of a training row: every text in it, and what stands around each message. Images are not counted."""
    if "messages" in row:
        return PER_ROW + _messages(row["messages"], tokens) + _described(row.get("tools"), tokens)
    if "input" in row:
        outputs = [*row["preferred_output"], *row["non_preferred_output"]]
        return row_tokens(row["input"], tokens) + _messages(outputs, tokens)
    return tokens.count(str(row.get("prompt", ""))) + tokens.count(str(row.get("completion", "")))


def message_tokens(messages: Iterable[Mapping[str, Any]], tokens: Tokens) -> int:
    """A prompt of chat messages, ready for the reply."""
    return PER_ROW + _messages(messages, tokens)


def _messages(messages: Iterable[Mapping[str, Any]], tokens: Tokens) -> int:
    return sum(
        PER_MESSAGE
        + tokens.count(str(message.get("role", "")))
        + tokens.count(text_of(message.get("content")))
        + (PER_NAME + tokens.count(str(message["name"])) if message.get("name") else 0)
        + _described(message.get("tool_calls"), tokens)
        for message in messages
    )


def _described(value: object, tokens: Tokens) -> int:
    return tokens.count(json.dumps(value, ensure_ascii=False)) if value else 0


def text_of(content: object) -> str:
    """The text of a message's content: a string, or its text parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
