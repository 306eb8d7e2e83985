"""Estimates by a number of tokens for each character, for models whose tokenizer is not published or not at hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from tuneport.examples import ChatExample, Example, ImagePart
from tuneport.tokens.counter import Counted
from tuneport.tokens.facts import Estimate, Images
from tuneport.tokens.images import image_tokens
from tuneport.tokens.rows import messages_of, texts_of


@dataclass(frozen=True, slots=True)
class EstimateCounter:
    """Characters times a factor, images by the provider's rule. The factors hold for English text in conversations of usual length."""

    estimate: Estimate
    images: Images | None

    @property
    def exact(self) -> bool:
        """Never."""
        return False

    @property
    def name(self) -> str:
        """The factor."""
        return f"characters x {self.estimate.tokens_per_character:g}"

    @property
    def source(self) -> str:
        """Of the factor."""
        return self.estimate.said

    def count(self, example: Example) -> int:
        """The tokens of one row, about."""
        return self.count_block((example,))[0]

    def count_block(self, examples: Sequence[Example]) -> list[int]:
        """The tokens of each row, about."""
        factor = self.estimate.tokens_per_character
        return [ceil(_characters(example) * factor) + self._pictures(example) for example in examples]

    def measured(self, examples: Sequence[Example]) -> list[Counted]:
        """Likewise; all of it is estimated."""
        return [Counted(tokens, "all") for tokens in self.count_block(examples)]

    def _pictures(self, example: Example) -> int:
        return sum(
            image_tokens(part, self.images)
            for message in messages_of(example)
            if isinstance(message.content, tuple)
            for part in message.content
            if isinstance(part, ImagePart)
        )


def _characters(example: Example) -> int:
    if example.__class__ is ChatExample and not example.tools:
        total = 0
        for message in example.messages:
            if message.content.__class__ is not str or message.tool_calls or message.name is not None:
                break
            total += len(message.content)
        else:
            return total
    return sum(map(len, texts_of(example)))
