"""Control tokens that stand in a row's own words (`<|im_end|>` in a customer's mail) are text there and nothing else.

Left alone, the tokenizer would take them for the real thing: a row could end its turn, open another, speak as the system. So before the
chat template is run, each one in the row's words is broken by a guard, a character that no text uses. What is whole in the rendered text
afterwards is the template's own. Then the guards go, and what stands between the template's tokens is tokenised as plain text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tuneport.errors import UsageError

_GUARDS = tuple(map(chr, range(0xFDD0, 0xFDF0)))
"""Unicode reserves these for use inside a program."""


@dataclass(frozen=True, slots=True)
class Control:
    """The tokens by which one model tells turns, texts and padding apart. `pattern` finds them; None where there are none."""

    pattern: re.Pattern[str] | None

    @classmethod
    def of(cls, tokenizer: Any, *, also: Sequence[str] = ()) -> Control:
        """Those the tokenizer calls special, and `also`. Added tokens that are not special (a mark of thought, of a tool call) stay tokens
        wherever they stand: they are the assistant's to write."""
        special = {str(token.content) for token in tokenizer.added_tokens_decoder.values() if token.special}
        tokens = sorted({*special, *tokenizer.all_special_tokens, *also} - {""}, key=len, reverse=True)
        return cls(re.compile("(" + "|".join(map(re.escape, tokens)) + ")") if tokens else None)

    def stands_in(self, values: Any) -> bool:
        """Whether any text in the JSON-like `values` has a control token in it."""
        pattern = self.pattern
        return pattern is not None and any(pattern.search(text) for text in _texts(values))

    def guarded(self, values: Any, guard: str) -> Any:
        """The JSON-like `values` with every control token in their texts broken by `guard`."""
        if isinstance(values, str):
            return values if self.pattern is None else self.pattern.sub(lambda found: f"{found[0][0]}{guard}{found[0][1:]}", values)
        if isinstance(values, dict):
            return {self.guarded(key, guard): self.guarded(value, guard) for key, value in values.items()}
        return [self.guarded(value, guard) for value in values] if isinstance(values, list) else values

    def encode(self, pieces: Sequence[str], tokenizer: Any, *, guard: str) -> list[list[int]]:
        """The tokens of each piece of a text that was rendered from guarded values.

        Raises UsageError for a tokenizer that makes control tokens of plain text.
        """
        return [self._encoded(piece, tokenizer, guard) if piece else [] for piece in pieces]

    def _encoded(self, piece: str, tokenizer: Any, guard: str) -> list[int]:
        parts = self.pattern.split(piece) if self.pattern is not None else [piece]
        texts, tokens = [part.replace(guard, "") for part in parts[::2]], parts[1::2]
        plain = tokenizer(texts, add_special_tokens=False, split_special_tokens=True).input_ids
        self._refuse_control(plain, tokenizer)
        found = list(plain[0])
        for token, text in zip(tokens, plain[1:], strict=True):
            found += [int(tokenizer.convert_tokens_to_ids(token)), *text]
        return found

    def _refuse_control(self, plain: Sequence[Sequence[int]], tokenizer: Any) -> None:
        pattern = self.pattern
        ids = {number for number, token in tokenizer.added_tokens_decoder.items() if pattern and pattern.fullmatch(token.content)}
        if any(token in ids for text in plain for token in text):
            raise not_plain()


def not_plain() -> UsageError:
    """Why such a row cannot be used with this tokenizer."""
    return UsageError(
        "the row's words hold control tokens of the model, and its tokenizer cannot read them as plain text.",
        remedy="Take them out of the row, or choose another base model.",
    )


def guard_for(values: Any) -> str:
    """A character that stands nowhere in the JSON-like `values`. Raises UsageError for a text that uses up all of them."""
    used = set().union(*map(set, _texts(values)))
    for guard in _GUARDS:
        if guard not in used:
            return guard
    raise not_plain()


def _texts(values: Any) -> Iterator[str]:
    if isinstance(values, str):
        yield values
    elif isinstance(values, dict):
        for key, value in values.items():
            yield from _texts(key)
            yield from _texts(value)
    elif isinstance(values, list):
        for value in values:
            yield from _texts(value)
