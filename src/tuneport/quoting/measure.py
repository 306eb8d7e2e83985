"""What of a dataset decides its price, found in one pass: tokens, characters and images of its rows, as histograms."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterable, Sequence

import msgspec

from tuneport.dataset import Dataset
from tuneport.errors import Unsupported
from tuneport.examples import ChatExample, Example, ImagePart, LabelledExample, Message, PreferenceExample, PromptExample
from tuneport.tokens.counter import Counter
from tuneport.tokens.encodings import EncodingCounter
from tuneport.tokens.facts import fact_of, facts
from tuneport.tokens.images import ASSUMED, size_of
from tuneport.tokens.rows import messages_of, texts_of, unusual

COUNTED_BY = "o200k_base"
"""The encoding whose tokens are counted: that of every OpenAI model that can still be tuned."""

_COUNTED_FOR = "openai:gpt-4o"
_LOOKED_AT = 8
"""Rows of each block whose characters are looked at."""


class Measure(msgspec.Struct, frozen=True, kw_only=True):
    """The measures of a dataset, its rows taken as conversations; a preference row counts as its prompt once and both answers.

    tokens        rows by how many tokens of o200k_base they have, images aside; empty where that cannot be counted here
    characters    rows by how many characters of text they have
    prompt_*      of the prompts of all preference rows
    answered_characters   of all last messages that are answers: what a model has to say
    images        (width, height, detail, how often)
    tool_*        rows with tools, and their tokens, which are estimated
    digits, non_ascii   about how many characters are such, from some rows of each block: vocabularies differ most over these
    media_rows    rows with audio, video or documents, whose tokens are not known
    """

    rows: int
    kind: str
    tokens: dict[int, int]
    characters: dict[int, int]
    prompt_tokens: int
    prompt_characters: int
    answered_characters: int
    images: list[tuple[int, int, str, int]]
    tool_rows: int
    tool_tokens: int
    media_rows: int
    digits: int = 0
    non_ascii: int = 0

    @property
    def all_tokens(self) -> int:
        """Of all rows."""
        return _sum(self.tokens)

    @property
    def all_characters(self) -> int:
        """Of all rows."""
        return _sum(self.characters)


def _sum(histogram: dict[int, int]) -> int:
    return sum(size * rows for size, rows in histogram.items())


def measure(dataset: Dataset) -> Measure:
    """One pass over the rows. Raises DatasetError for a row that cannot be read, and for a dataset without rows."""
    found = _Pass(_counter())
    for block in dataset.blocks():
        found.add(block.examples)
    return found.measure(dataset.kind)


def _counter() -> Counter | None:
    """Without a rule for images: they are counted by their sizes, and what each costs depends on the model."""
    encoding = fact_of(_COUNTED_FOR, facts().encodings)
    assert encoding is not None
    try:
        return EncodingCounter.of(encoding, images=None)
    except Unsupported:
        return None


class _Pass:
    """The tallies of one pass."""

    def __init__(self, counter: Counter | None) -> None:
        self._counter = counter
        self._tokens: Tally[int] = Tally()
        self._characters: Tally[int] = Tally()
        self._images: Tally[tuple[int, int, str]] = Tally()
        self._prompt_tokens = self._prompt_characters = self._answered = 0
        self._tool_rows = self._tool_tokens = self._media_rows = 0
        self._digits = self._non_ascii = self._looked_at = 0

    def add(self, examples: Sequence[Example]) -> None:
        if examples and examples[0].__class__ is PreferenceExample:
            self._add_pairs(examples)
        elif self._counter is not None:
            self._tokens.update(self._counter.count_block([_as_chat(example) for example in examples]))
        self._characters.update(map(self._look_at, examples))
        self._look_at_characters(examples[:: max(1, len(examples) // _LOOKED_AT)])

    def _look_at_characters(self, examples: Iterable[Example]) -> None:
        for example in examples:
            for text in texts_of(example):
                self._looked_at += len(text)
                self._digits += sum(map(text.count, "0123456789"))
                self._non_ascii += 0 if text.isascii() else len(text) - len(text.encode("ascii", "ignore"))

    def _of_all(self, found: int) -> int:
        """What was seen in the characters looked at, for all of them."""
        everything = sum(size * rows for size, rows in self._characters.items())
        return round(found * everything / self._looked_at) if self._looked_at else 0

    def _add_pairs(self, examples: Iterable[Example]) -> None:
        """Prompt and answers apart, which costs no more than both together."""
        for example in examples:
            if self._counter is None or not isinstance(example, PreferenceExample):
                continue
            prompt, answers = (
                self._counter.count(ChatExample(messages, tools=tools))
                for messages, tools in ((example.prompt, example.tools), (example.chosen + example.rejected, ()))
            )
            self._prompt_tokens += prompt
            self._tokens[prompt + answers - facts().rows.per_reply] += 1

    def _look_at(self, example: Example) -> int:
        """The characters of a row, what is unusual in it noted."""
        if example.__class__ is ChatExample and not example.tools:
            size = length = 0
            for message in example.messages:
                content = message.content
                if content.__class__ is not str or message.tool_calls or message.name is not None:
                    break
                length = len(content)
                size += length
            else:
                self._answered += length
                return size
        return self._look_closely(example)

    def _look_closely(self, example: Example) -> int:
        messages = messages_of(example)
        self._answered += len(messages[-1].text) if messages and not isinstance(example, PromptExample) else 0
        odd = unusual(example)
        self._media_rows += "media" in odd
        if "tools" in odd:
            self._tool_rows += 1
            self._tool_tokens += self._counter.count(_as_chat(example)) if self._counter is not None else 0
        if "images" in odd:
            self._images.update(_size(part) for part in _pictures(messages))
        if isinstance(example, PreferenceExample):
            self._prompt_characters += sum(len(message.text) for message in example.prompt)
        return sum(map(len, texts_of(example)))

    def measure(self, kind: str) -> Measure:
        return Measure(
            rows=self._characters.total(),
            kind=kind,
            tokens=dict(self._tokens),
            characters=dict(self._characters),
            prompt_tokens=self._prompt_tokens,
            prompt_characters=self._prompt_characters,
            answered_characters=self._answered,
            images=[(width, height, detail, times) for (width, height, detail), times in self._images.items()],
            tool_rows=self._tool_rows,
            tool_tokens=self._tool_tokens,
            media_rows=self._media_rows,
            digits=self._of_all(self._digits),
            non_ascii=self._of_all(self._non_ascii),
        )


def _as_chat(example: Example) -> Example:
    """As every provider that counts by o200k_base gets the row: with the marks of a conversation."""
    if example.__class__ is LabelledExample or example.style == "chat":  # type: ignore[union-attr]
        return example
    return msgspec.structs.replace(example, style="chat")


def _pictures(messages: Iterable[Message]) -> Iterable[ImagePart]:
    return (part for message in messages if isinstance(message.content, tuple) for part in message.content if isinstance(part, ImagePart))


def _size(part: ImagePart) -> tuple[int, int, str]:
    width, height = size_of(part.url) or ASSUMED
    return width, height, part.detail or ""
