"""The rows of a job: rendered, measured, and nothing lost without a word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, Protocol, Self, TypeVar, cast

from tuneport.errors import DatasetError
from tuneport.examples import ChatExample, Example, PreferenceExample, PromptExample
from tuneport_local.rows.pairs import RenderedPair, render_pair
from tuneport_local.rows.prompts import RenderedPrompt, render_row
from tuneport_local.rows.rendering import RenderedRow, Template, render

if TYPE_CHECKING:
    from tuneport_local.rows.eyes import Eyes

TooLong = Literal["refuse", "drop", "truncate", "split"]
_LINES_NAMED = 20


class Row(Protocol):
    """A row as it is trained on: one sequence of tokens, several, or none (a picture). `line` is its line in its file, `beside` what it is
    beside its tokens: its label, its picture."""

    @property
    def line(self) -> int: ...

    @property
    def quoted(self) -> bool: ...

    @property
    def sequences(self) -> tuple[RenderedRow, ...]: ...

    @property
    def beside(self) -> bytes: ...

    @property
    def trained_tokens(self) -> int: ...

    @property
    def teaches(self) -> bool: ...

    def cut(self, tokens: int) -> Self: ...


RowT = TypeVar("RowT", bound=Row)
RowT_co = TypeVar("RowT_co", bound=Row, covariant=True)


class Kind(Protocol[RowT_co]):
    """What rows of one objective are, and how one becomes tokens. `needed` is what a row is learned by."""

    @property
    def needed(self) -> str: ...

    def render(self, example: Example, tokenizer: Any, *, template: Template, line: int) -> RowT_co:
        """Raises DatasetError for a row that cannot be rendered or is of another kind."""


class Conversations:
    """Rows whose assistant is learned from. `eyes` are those of a base that sees."""

    needed = "an assistant turn with a weight"

    def __init__(self, eyes: Eyes | None = None) -> None:
        self._eyes = eyes

    def render(self, example: Example, tokenizer: Any, *, template: Template, line: int) -> RenderedRow:
        if not isinstance(example, ChatExample):
            raise _other_kind(example, line, "supervised training needs chats or prompt/completion")
        return render(example, tokenizer, template=template, line=line, eyes=self._eyes)


class Pairs:
    """Rows with a better and a worse answer."""

    needed = "two different answers"

    def render(self, example: Example, tokenizer: Any, *, template: Template, line: int) -> RenderedPair:
        if not isinstance(example, PreferenceExample):
            raise _other_kind(example, line, "training on preferences needs a better and a worse answer")
        return render_pair(example, tokenizer, template=template, line=line)


class Prompts:
    """Rows that the model answers itself, for a grader."""

    needed = "a prompt"

    def render(self, example: Example, tokenizer: Any, *, template: Template, line: int) -> RenderedPrompt:
        if not isinstance(example, PromptExample):
            raise _other_kind(example, line, "reinforcement needs prompts, which the model answers itself")
        return render_row(example, tokenizer, template=template, line=line)


CONVERSATIONS = Conversations()
PAIRS = Pairs()
PROMPTS = Prompts()


@dataclass(frozen=True, slots=True)
class PreparedRows(Generic[RowT_co]):
    """What is trained on. The line numbers are those of the file; `masked` are rows in which nothing is learned (all weights 0),
    `quoted` rows of which control tokens were read as plain text, `split` plain texts of which each is several rows now."""

    rows: tuple[RowT_co, ...]
    dropped: tuple[int, ...] = ()
    truncated: tuple[int, ...] = ()
    masked: tuple[int, ...] = ()
    quoted: tuple[int, ...] = ()
    split: tuple[int, ...] = ()

    @property
    def tokens(self) -> int:
        """Tokens of one epoch."""
        return sum(len(sequence.input_ids) for row in self.rows for sequence in row.sequences)

    @property
    def trained_tokens(self) -> int:
        """Tokens of one epoch that are learned."""
        return sum(row.trained_tokens for row in self.rows)

    @property
    def texts(self) -> int:
        """How many are plain text, pieces counted one by one."""
        return sum(isinstance(row, RenderedRow) and row.text for row in self.rows)

    @property
    def pictured(self) -> int:
        """How many have pictures."""
        return sum(isinstance(row, RenderedRow) and bool(row.pictures) for row in self.rows)

    @property
    def longest(self) -> int:
        """Tokens of the longest sequence."""
        return max(map(_length, self.rows))

    @property
    def widest(self) -> int:
        """Tokens that go through the model at once, at most, for one row."""
        return max(len(row.sequences) * _length(row) for row in self.rows)

    @property
    def highest_token(self) -> int:
        """The highest token id in any row."""
        return max((max(sequence.input_ids) for row in self.rows for sequence in row.sequences), default=0)


def prepare(
    numbered: Iterable[tuple[int, Example]], tokenizer: Any, *, kind: Kind[RowT], max_length: int, too_long: TooLong, name: str
) -> PreparedRows[RowT]:
    """Renders every row and applies the limit of `max_length` tokens. `name` is the file's, for messages.

    Raises DatasetError for a row that cannot be rendered, for rows over the limit when `too_long` is 'refuse', and when nothing is left to
    learn.
    """
    every = _render(numbered, tokenizer, kind=kind, name=name)
    learned = [row for row in every if row.teaches]
    over = [row.line for row in learned if _length(row) > max_length]
    if over and too_long == "refuse":
        raise DatasetError(
            f"{name}: {_rows(over)} longer than {max_length} tokens: {named_lines(over)}.",
            line=over[0],
            remedy="Shorten them, raise max_length if the model allows it, or set too_long: 'drop', 'truncate', 'split' (plain text).",
        )
    kept = [part for row in learned for part in _within(row, max_length, too_long, name=name)]
    if not kept:
        raise DatasetError(f"{name}: nothing would be trained: {_why_nothing(every, over, kind.needed)}", remedy="See: tuneport data check")
    lines = {row.line for row in kept}
    return PreparedRows(
        rows=tuple(kept),
        dropped=tuple(line for line in over if line not in lines),
        truncated=tuple(line for line in over if line in lines and too_long != "split"),
        split=tuple(line for line in over if line in lines and too_long == "split"),
        masked=tuple(row.line for row in every if not row.teaches),
        quoted=tuple(dict.fromkeys(row.line for row in kept if row.quoted)),
    )


def notices(prepared: PreparedRows[Row], *, name: str, max_length: int, needed: str = CONVERSATIONS.needed) -> list[str]:
    """One sentence for each kind of row that is not trained on as it stands in the file."""
    said = (
        (prepared.dropped, f"longer than {max_length} tokens, left out"),
        (prepared.truncated, f"longer than {max_length} tokens, cut there"),
        (prepared.split, f"longer than {max_length} tokens, split into rows of so many, end to end, which do not see each other"),
        (prepared.masked, f"without anything to learn (no {needed.removeprefix('an ')}), left out"),
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


def _length(row: Row) -> int:
    """Tokens of its longest sequence."""
    return max((len(sequence.input_ids) for sequence in row.sequences), default=0)


def _other_kind(example: Example, line: int, needed: str) -> DatasetError:
    return DatasetError(f"line {line}: a {example.__struct_config__.tag} row; {needed}.", line=line)


def _render(numbered: Iterable[tuple[int, Example]], tokenizer: Any, *, kind: Kind[RowT], name: str) -> list[RowT]:
    template = Template.of(tokenizer)
    try:
        return [kind.render(example, tokenizer, template=template, line=line) for line, example in numbered]
    except DatasetError as error:
        raise DatasetError(f"{name}: {error.message}", line=error.line, remedy=error.remedy) from None


def _within(row: RowT, max_length: int, too_long: TooLong, *, name: str) -> tuple[RowT, ...]:
    """What is trained on of a row."""
    if _length(row) <= max_length:
        return (row,)
    if too_long == "drop":
        return ()
    if too_long == "split":
        return _split(row, max_length, name=name)
    cut = row.cut(max_length)
    return (cut,) if cut.teaches else ()


def _split(row: RowT, max_length: int, *, name: str) -> tuple[RowT, ...]:
    if not isinstance(row, RenderedRow) or not row.text:
        raise DatasetError(
            f"{name}: line {row.line} is longer than {max_length} tokens and cannot be split: it is no plain text, and no piece but the "
            "first would have its question before it.",
            line=row.line,
            remedy="Shorten it, or set too_long to 'drop' or 'truncate'.",
        )
    return cast(tuple[RowT, ...], row.split(max_length))


def _why_nothing(every: Sequence[Row], over: Sequence[int], needed: str) -> str:
    if not every:
        return "the file has no rows."
    if over:
        return f"{len(over)} of {len(every)} rows are over the length limit, and none of the others has {needed}."
    return f"none of the {len(every)} rows has {needed}."
