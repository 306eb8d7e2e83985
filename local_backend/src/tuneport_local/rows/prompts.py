"""Prompts as they are trained on by reinforcement: the tokens after which the model answers, and what its grader may look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from tuneport.errors import DatasetError, UsageError
from tuneport.examples import PromptExample
from tuneport.grading.fitness import item_of
from tuneport_local.rows.rendering import RenderedRow, Template, render_prompt


@dataclass(frozen=True, slots=True)
class RenderedPrompt:
    """A prompt as the model sees it. `item` is what the row has beside it."""

    prompt: RenderedRow
    item: Mapping[str, Any]

    @property
    def line(self) -> int:
        """The line of the row in its file."""
        return self.prompt.line

    @property
    def quoted(self) -> bool:
        """Whether its words hold control tokens of the model, which were read as plain text."""
        return self.prompt.quoted

    @property
    def sequences(self) -> tuple[RenderedRow, ...]:
        """What of the row is known before the model answers."""
        return (self.prompt,)

    @property
    def trained_tokens(self) -> int:
        """None of the prompt is learned; how long the answers will be is not known."""
        return 0

    @property
    def teaches(self) -> bool:
        """A prompt always does: by how its answers score."""
        return True

    @property
    def beside(self) -> bytes:
        """What the row is beside its tokens."""
        return msgspec.json.encode(dict(self.item), order="sorted")

    def cut(self, tokens: int) -> RenderedPrompt:
        """Without its end it would be no prompt. Raises DatasetError."""
        raise DatasetError(
            f"line {self.line}: a prompt cannot be cut to {tokens} tokens: its end is where the answer begins.", line=self.line
        )


def render_row(example: PromptExample, tokenizer: Any, *, template: Template, line: int) -> RenderedPrompt:
    """Raises DatasetError naming the line when the template has no place for the row."""
    try:
        ids = render_prompt(example.messages, tokenizer, tools=example.tools, template=template)
    except UsageError as error:
        raise DatasetError(f"line {line}: {error.message}", line=line, remedy=error.remedy) from None
    quoted = template.control.stands_in([message.text for message in example.messages])
    return RenderedPrompt(RenderedRow(tuple(ids), (False,) * len(ids), line, quoted), item_of(example))
