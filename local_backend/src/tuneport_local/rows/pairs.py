"""Pairs of answers as they are trained on: the same prompt twice, once with the better answer and once with the worse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from tuneport.examples import ChatExample, Example, Message, PreferenceExample
from tuneport.formats.format import BadRow
from tuneport.formats.sides import answer_start
from tuneport_local.rows.rendering import RenderedRow, Template, render


@dataclass(frozen=True, slots=True)
class RenderedPair:
    """Both answers as the model sees them, each with its prompt before it and learned from its own first token on."""

    chosen: RenderedRow
    rejected: RenderedRow

    @property
    def line(self) -> int:
        """The line of the pair in its file."""
        return self.chosen.line

    @property
    def quoted(self) -> bool:
        """Whether its words hold control tokens of the model, which were read as plain text."""
        return self.chosen.quoted or self.rejected.quoted

    @property
    def sequences(self) -> tuple[RenderedRow, ...]:
        """What of the pair goes through the model."""
        return (self.chosen, self.rejected)

    @property
    def beside(self) -> bytes:
        """What it is beside its tokens: nothing."""
        return b""

    @property
    def trained_tokens(self) -> int:
        """Tokens of both answers."""
        return self.chosen.trained_tokens + self.rejected.trained_tokens

    @property
    def teaches(self) -> bool:
        """Whether there are two answers, and not the same tokens twice."""
        return self.chosen.teaches and self.rejected.teaches and self.chosen.input_ids != self.rejected.input_ids

    def cut(self, tokens: int) -> RenderedPair:
        """The first `tokens` tokens of either side."""
        return RenderedPair(self.chosen.cut(tokens), self.rejected.cut(tokens))


def sides(example: PreferenceExample) -> tuple[ChatExample, ChatExample]:
    """The two conversations, the better one first. Nothing of the prompt is learned."""
    prompt = tuple(_not_learned(message) for message in example.prompt)
    better, worse = (
        ChatExample((*prompt, *answer), example.tools, example.parallel_tool_calls, style=example.style)
        for answer in (example.chosen, example.rejected)
    )
    return better, worse


def render_pair(example: PreferenceExample, tokenizer: Any, *, template: Template, line: int) -> RenderedPair:
    """Raises DatasetError naming the line when the template has no place for one of the two, or hides where its answer is."""
    better, worse = sides(example)
    return RenderedPair(render(better, tokenizer, template=template, line=line), render(worse, tokenizer, template=template, line=line))


def scored(example: Example) -> ChatExample:
    """The conversation that a reward model scores, rendered as those are that it learned from; of a pair the one with the better answer.

    Raises BadRow for a row that does not end with an answer.
    """
    if isinstance(example, PreferenceExample):
        return sides(example)[0]
    if not isinstance(example, ChatExample):
        raise BadRow("a reward model scores conversations that end with an answer.")
    return msgspec.structs.replace(example, messages=answered(example.messages))


def answered(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    """The conversation, of which only the last answer is learned: what follows the last turn that is not the assistant's, or answers a
    call of it."""
    start = answer_start(messages)
    return (*map(_not_learned, messages[:start]), *messages[start:])


def _not_learned(message: Message) -> Message:
    return msgspec.structs.replace(message, weight=0.0) if message.role == "assistant" else message
