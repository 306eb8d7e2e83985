"""o200k_base by another implementation: Hugging Face's `tokenizers`, with the vocabulary that bpe-openai carries."""

from __future__ import annotations

import base64
import gzip
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

CASED = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
PIECES = "|".join(
    [
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+" + CASED,
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*" + CASED,
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    ]
)
"""How a text is cut into pieces before any are merged (tiktoken 0.14, openai_public.py, o200k_base; read 2026-11-21)."""


@cache
def o200k_base() -> Any:
    """A `tokenizers.Tokenizer`. Takes some seconds."""
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers

    ranks, letters = _ranks(), _letters()
    vocabulary = {_spelled(token, letters): rank for token, rank in ranks.items()}
    merges = [(_spelled(one, letters), _spelled(other, letters)) for one, other in _merges(ranks)]
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(PIECES), behavior="isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    return tokenizer


def _ranks() -> dict[bytes, int]:
    spec = find_spec("bpe_openai")
    assert spec is not None
    assert spec.origin is not None
    text = gzip.decompress((Path(spec.origin).parent / "data" / "o200k_base.tiktoken.gz").read_bytes())
    return {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in text.splitlines() if line)}


def _merges(ranks: Mapping[bytes, int]) -> Iterator[tuple[bytes, bytes]]:
    """The two tokens that each token is made of, in the order of the ranks: how byte pairs with lower ranks leave it."""
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        if len(token) > 1:
            parts = _parts(token, ranks, below=rank)
            if len(parts) == 2:
                yield parts[0], parts[1]


def _parts(token: bytes, ranks: Mapping[bytes, int], *, below: int) -> list[bytes]:
    parts = [bytes([byte]) for byte in token]
    while len(parts) > 1:
        rank, place = min((ranks.get(parts[at] + parts[at + 1], below), at) for at in range(len(parts) - 1))
        if rank >= below:
            break
        parts[place : place + 2] = [parts[place] + parts[place + 1]]
    return parts


def _letters() -> list[str]:
    """The letter that stands for each byte, as byte-level tokenizers have it: printable ones for themselves."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(others)) for byte in range(256)]


def _spelled(token: bytes, letters: list[str]) -> str:
    return "".join(letters[byte] for byte in token)
