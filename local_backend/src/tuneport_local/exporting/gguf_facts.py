"""What a GGUF file says of itself beside its weights: chat template, end of an answer, how it splits words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tuneport_local.exporting.original import Measure


@dataclass(frozen=True, slots=True)
class GgufFacts:
    """`splitting` is llama.cpp's name for the pre-tokenizer ('' where the kind of tokenizer has none); `end` the token that ends an answer.

    `begins`: whether whoever reads the file puts the beginning token in front of a prompt by itself.
    """

    architecture: str
    template: str | None
    splitting: str
    end: int | None
    begins: bool


def read_facts(file: Path) -> GgufFacts:
    """From the head of the file."""
    from gguf import GGUFReader

    fields = GGUFReader(str(file)).fields

    def value(name: str) -> Any:
        return fields[name].contents() if name in fields else None

    end = value("tokenizer.ggml.eos_token_id")
    return GgufFacts(
        architecture=str(value("general.architecture")),
        template=value("tokenizer.chat_template"),
        splitting=str(value("tokenizer.ggml.pre") or ""),
        end=None if end is None else int(end),
        begins=bool(value("tokenizer.ggml.add_bos_token")),
    )


def wrong_facts(facts: GgufFacts, measure: Measure, *, template: str | None, tokens: Sequence[Sequence[int] | None]) -> list[str]:
    """A sentence for everything in which the file would be asked otherwise, or stop elsewhere, than the original."""
    found = []
    if (facts.template or None) != (template or None):
        found.append("Its chat template is not the model's.")
    if facts.end not in measure.ends:
        found.append(f"It ends answers with token {facts.end}, the model with {', '.join(map(str, sorted(measure.ends)))}.")
    pairs = zip(tokens, measure.said, strict=True)
    if other := sum(mine is not None and tuple(mine) != one.prompt for mine, one in pairs):
        found.append(f"{other} of {len(measure.said)} prompts get other tokens from its tokenizer than from the model's.")
    return found
