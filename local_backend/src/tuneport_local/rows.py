"""The rows of a job: rendered, measured, and nothing lost without a word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from tuneport.errors import DatasetError, UsageError
from tuneport.examples import ChatExample, Example
from tuneport_local.rendering import RenderedRow, Template, render

TooLong = Literal["refuse", "drop", "truncate"]
_LINES_NAMED = 20


@dataclass(frozen=True, slots=True)
class PreparedRows:
    """What is trained on. The line numbers are those of the file; `masked` are rows in which nothing is learned (all weights 0),
    `quoted` rows of which control tokens were read as plain text."""

    rows: tuple[RenderedRow, ...]
    dropped: tuple[int, ...] = ()
    truncated: tuple[int, ...] = ()
    masked: tuple[int, ...] = ()
    quoted: tuple[int, ...] = ()

    @property
    def tokens(self) -> int:
        """Tokens of one epoch."""
        return sum(len(row.input_ids) for row in self.rows)

    @property
    def trained_tokens(self) -> int:
        """Tokens of one epoch that are learned."""
        return sum(row.trained_tokens for row in self.rows)

    @property
    def longest(self) -> int:
        """Tokens of the longest row."""
        return max(len(row.input_ids) for row in self.rows)

    @property
    def highest_token(self) -> int:
        """The highest token id in any row."""
        return max(max(row.input_ids) for row in self.rows)


def prepare(numbered: Iterable[tuple[int, Example]], tokenizer: Any, *, max_length: int, too_long: TooLong, name: str) -> PreparedRows:
    """Renders every row and applies the limit of `max_length` tokens. `name` is the file's, for messages.

    Raises DatasetError for a row that cannot be rendered, for rows over the limit when `too_long` is 'refuse', and when nothing is left to
    learn.
    """
    template = Template.of(tokenizer)
    every = [_render(line, example, tokenizer, template, name) for line, example in numbered]
    learned = [row for row in every if row.trained_tokens]
    over = [row.line for row in learned if len(row.input_ids) > max_length]
    if over and too_long == "refuse":
        raise DatasetError(
            f"{name}: {_rows(over)} longer than {max_length} tokens: {named_lines(over)}.",
            line=over[0],
            remedy="Shorten them, raise max_length if the model allows it, or set too_long to 'drop' or 'truncate'.",
        )
    kept = [row for row in (_within(row, max_length, too_long) for row in learned) if row is not None]
    if not kept:
        raise DatasetError(f"{name}: nothing would be trained: {_why_nothing(every, over)}", remedy="See: tuneport data check")
    lines = {row.line for row in kept}
    return PreparedRows(
        rows=tuple(kept),
        dropped=tuple(line for line in over if line not in lines),
        truncated=tuple(line for line in over if line in lines),
        masked=tuple(row.line for row in every if not row.trained_tokens),
        quoted=tuple(row.line for row in kept if row.quoted),
    )


def notices(prepared: PreparedRows, *, name: str, max_length: int) -> list[str]:
    """One sentence for each kind of row that is not trained on as it stands in the file."""
    said = (
        (prepared.dropped, f"longer than {max_length} tokens, left out"),
        (prepared.truncated, f"longer than {max_length} tokens, cut there"),
        (prepared.masked, "without anything to learn (no assistant turn with a weight), left out"),
        (prepared.quoted, "with control tokens of the model in their words, read as plain text"),
    )
    return [f"{name}: {_rows(lines)} {what}: {named_lines(lines)}" for lines, what in said if lines]


def named_lines(lines: Sequence[int]) -> str:
    """`lines 3, 8, 12 and 40 more`."""
    shown = ", ".join(str(line) for line in lines[:_LINES_NAMED])
    more = f" and {len(lines) - _LINES_NAMED} more" if len(lines) > _LINES_NAMED else ""
    return f"{'line' if len(lines) == 1 else 'lines'} {shown}{more}"


def _rows(lines: Sequence[int]) -> str:
    return f"{len(lines)} {'row' if len(lines) == 1 else 'rows'}"


def _render(line: int, example: Example, tokenizer: Any, template: Template, name: str) -> RenderedRow:
    if not isinstance(example, ChatExample):
        raise DatasetError(
            f"{name}:{line}: a {example.__struct_config__.tag} row; supervised training needs chats or prompt/completion.", line=line
        )
    try:
        return render(example, tokenizer, template=template, line=line)
    except UsageError as error:
        raise DatasetError(f"{name}: {error.message}", line=line, remedy=error.remedy) from None


def _within(row: RenderedRow, max_length: int, too_long: TooLong) -> RenderedRow | None:
    if len(row.input_ids) <= max_length:
        return row
    if too_long == "drop":
        return None
    cut = replace(row, input_ids=row.input_ids[:max_length], loss_mask=row.loss_mask[:max_length])
    return cut if cut.trained_tokens else None


def _why_nothing(every: Sequence[RenderedRow], over: Sequence[int]) -> str:
    if not every:
        return "the file has no rows."
    if over:
        return f"{len(over)} of {len(every)} rows are over the length limit, and the others have no assistant turn to learn."
    return f"none of the {len(every)} rows has an assistant turn with a weight."
