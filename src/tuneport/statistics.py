"""What a dataset is made of: one pass, in memory that does not grow with the rows. Four histograms take half a megabyte, labels that come
again at most 1,000 short texts."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from heapq import nlargest
from typing import Any, NamedTuple

from tuneport.dataset import Dataset
from tuneport.examples import ChatExample, Example, LabelledExample, Message, PreferenceExample, kind_of_example
from tuneport.formats.format import Block
from tuneport.histogram import Bin, Histogram, Spread
from tuneport.labels import MOST_CHARS, label_like
from tuneport.reference import MAX_LABELS, reference
from tuneport.tokens import Counter, general_estimate
from tuneport.tokens.counter import Counted

LONGEST = 10
"""So many of the longest rows are named."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The most tokens a row may have, and where that is said."""

    tokens: int
    source: str


class LongRow(NamedTuple):
    """One of the longest rows, without its contents."""

    tokens: int
    line: int
    characters: int


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens per row. `guessed` counts the rows by what of them is estimated, though the count is `exact` for all that is not; where it
    is not `exact`, every number is an estimate."""

    spread: Spread
    bins: tuple[Bin, ...]
    exact: bool
    counted_by: str
    source: str
    guessed: Mapping[str, int]
    limit: Limit | None = None
    over_limit: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            **asdict(self.spread),
            "exact": self.exact,
            "counted_by": self.counted_by,
            "source": self.source,
            "guessed": dict(self.guessed),
            "histogram": [asdict(each) for each in self.bins],
            "limit": self.limit.tokens if self.limit else None,
            "limit_source": self.limit.source if self.limit else None,
            "over_limit": self.over_limit if self.limit else None,
        }


@dataclass(frozen=True, slots=True)
class Statistics:
    """A dataset in numbers. `labels` are the answers with their counts where they read like labels, the commonest first; else empty."""

    rows: int
    kinds: Mapping[str, int]
    turns: Spread
    asked: Spread
    answered: Spread
    tokens: Tokens
    longest: tuple[LongRow, ...]
    labels: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; characters are of text only. No row's contents but labels."""
        return {
            "rows": self.rows,
            "kinds": dict(self.kinds),
            "turns": asdict(self.turns),
            "characters_asked": asdict(self.asked),
            "characters_answered": asdict(self.answered),
            "tokens": self.tokens.to_dict(),
            "longest": [row._asdict() for row in self.longest],
            "labels": dict(self.labels),
        }


def measure(dataset: Dataset, *, counter: Counter | None = None, limit: Limit | None = None) -> Statistics:
    """Counts every row; tokens by `counter`, else by a general estimate. Raises DatasetError at the first row that cannot be read."""
    measuring = _Measuring(counter or general_estimate(), limit)
    for block in dataset.blocks():
        measuring.add(block)
    return measuring.found()


class _Measuring:
    """Everything that is counted, block by block."""

    def __init__(self, counter: Counter, limit: Limit | None) -> None:
        self._counter, self._limit = counter, limit
        self._kinds: Tally[str] = Tally()
        self._guessed: Tally[str] = Tally()
        self._labels = _Labels()
        self._turns, self._asked, self._answered, self._tokens = Histogram(), Histogram(), Histogram(), Histogram()
        self._longest: list[LongRow] = []
        self._over_limit = 0

    def add(self, block: Block) -> None:
        """One block of rows."""
        sizes = [_size(example) for example in block.examples]
        asked, answered = [size.asked for size in sizes], [size.answered for size in sizes]
        self._kinds.update(map(kind_of_example, block.examples))
        self._turns.add([size.turns for size in sizes])
        self._asked.add(asked)
        self._answered.add(answered)
        self._labels.add([size.answer for size in sizes])
        self._add_tokens(block.lines, list(map(sum, zip(asked, answered, strict=True))), self._counter.measured(block.examples))

    def _add_tokens(self, lines: Sequence[int], characters: Sequence[int], counted: Sequence[Counted]) -> None:
        tokens = [each.tokens for each in counted]
        self._tokens.add(tokens)
        if self._counter.exact:
            self._guessed.update([each.guessed for each in counted if each.guessed])
        if self._limit is not None:
            self._over_limit += sum(count > self._limit.tokens for count in tokens)
        least = self._longest[-1].tokens if len(self._longest) == LONGEST else -1
        if max(tokens, default=-1) >= least:
            found = [row for row in map(LongRow, tokens, lines, characters) if row.tokens >= least]
            self._longest = nlargest(LONGEST, [*self._longest, *found], key=lambda row: (row.tokens, row.characters, -row.line))

    def found(self) -> Statistics:
        """What has been counted."""
        counter, spread = self._counter, self._tokens.spread()
        tokens = Tokens(
            spread,
            tuple(self._tokens.bins()),
            counter.exact,
            counter.name,
            counter.source,
            dict(self._guessed),
            self._limit,
            self._over_limit,
        )
        return Statistics(
            rows=self._turns.rows,
            kinds=dict(self._kinds),
            turns=self._turns.spread(),
            asked=self._asked.spread(),
            answered=self._answered.spread(),
            tokens=tokens,
            longest=tuple(self._longest),
            labels=self._labels.found(self._turns.rows),
        )


class _Labels:
    """Answers with their counts, until they turn out to be no labels."""

    def __init__(self) -> None:
        self._counts: Tally[str] = Tally()
        self._are_labels = True

    def add(self, answers: Sequence[str]) -> None:
        """One for each row, '' where it has none."""
        if not self._are_labels:
            return
        said = [answer for answer in answers if answer]
        if any(len(answer) > 2 * MOST_CHARS for answer in said):
            self._are_labels = False
        else:
            self._counts.update(said)
            self._are_labels = len(self._counts) <= MAX_LABELS
        if not self._are_labels:
            self._counts.clear()

    def found(self, rows: int) -> dict[str, int]:
        """The labels, the commonest first; none where the answers do not read like labels or hardly come again."""
        enough = 2 <= len(self._counts) <= rows // 2
        if not (self._are_labels and enough and all(map(label_like, self._counts))):
            return {}
        return dict(sorted(self._counts.items(), key=lambda pair: (-pair[1], pair[0])))


class _Size(NamedTuple):
    """Turns and characters of one row, and its answer, '' where it has none in text."""

    turns: int
    asked: int
    answered: int
    answer: str


def _size(row: Example) -> _Size:
    messages = _messages(row)
    said = reference(row) or ""
    asked = 0
    for message in messages:
        asked += len(message.content) if message.content.__class__ is str else len(message.text)
    return _Size(len(messages), max(0, asked - len(said)), len(said), said)


def _messages(row: Example) -> tuple[Message, ...]:
    if isinstance(row, LabelledExample):
        return (Message("user", row.text or ""), Message("assistant", row.label or ""))
    if isinstance(row, PreferenceExample):
        return row.prompt + row.chosen
    if isinstance(row, ChatExample):
        return row.messages
    return (*row.messages, Message("assistant", row.reference or ""))
