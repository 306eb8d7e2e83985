"""docs/formats.md, made from the code: every row of `rich_rows` is taken through every pair of formats, and what is lost is written down.

python -m tuneport.formats.pairs_table > docs/formats.md
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from tuneport.examples import Example, kind_of_example
from tuneport.formats.format import BadRow, Format
from tuneport.formats.known import FORMATS
from tuneport.formats.loss_kinds import LOSS_KINDS
from tuneport.formats.rich_rows import RICH_ROWS


@dataclass(frozen=True, slots=True)
class Pair:
    """What becomes of the rich rows that the first format can hold when they are written in the second.

    lost  by kind of loss, the rows that have it
    """

    held: tuple[str, ...]
    refused: tuple[str, ...]
    lost: dict[str, tuple[str, ...]]

    @property
    def cell(self) -> str:
        """`=` nothing is lost, `3` so many kinds of loss, `3*` and some rows are refused, `–` all rows are refused."""
        if len(self.refused) == len(self.held):
            return "–"
        return (str(len(self.lost)) if self.lost else "=") + ("\\*" if self.refused else "")


def held_by(format: Format) -> dict[str, Example]:
    """The rich rows of the format's own kinds as it gives them back."""
    held = {}
    for name, example in RICH_ROWS.items():
        if kind_of_example(example) not in format.kinds:
            continue
        try:
            row = _plain(format.write(example, _unheard))
        except BadRow:
            continue
        held[name] = format.read(row, _unheard)
    return held


def _unheard(kind: str) -> None:
    pass


def _plain(row: Any) -> Any:
    return msgspec.json.decode(msgspec.json.encode(row))


def pair(first: Format, second: Format) -> Pair:
    """From one format to another."""
    held = held_by(first)
    refused: list[str] = []
    lost: dict[str, list[str]] = {}
    for name, example in held.items():
        told: list[str] = []
        try:
            second.read(_plain(second.write(example, told.append)), told.append)
        except BadRow:
            refused.append(name)
            continue
        for kind in sorted(set(told)):
            lost.setdefault(kind, []).append(name)
    return Pair(tuple(held), tuple(refused), {kind: tuple(rows) for kind, rows in sorted(lost.items())})


def document() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_formats(), _RECOGNITION, *_losses(), _MATRIX, *_matrix(), _DETAILS, *_details()]) + "\n"


_HEAD = """# Formats

This page is made from the code: `python -m tuneport.formats.pairs_table > docs/formats.md`. A test compares the two.

Every format is read into the same Examples and written from them, so any can become any other. What a format cannot say is either
**told** as a loss, by kind and with the lines, or the row is **refused** with a sentence and nothing is written. Nothing else is lost:
property tests take generated rows through every pair of formats and back.

| format | its rows | kinds of Example |
|---|---|---|"""


def _formats() -> Iterator[str]:
    for each in FORMATS:
        yield f"| {each.name} | {each.summary.replace('|', '/')} | {', '.join(each.kinds)} |"


_RECOGNITION = """
## Recognition

Without `--from`, the first rows decide, and the confidence is shown. Formats whose rows look alike are told apart by what only one of
them writes:

- messages that end with the assistant are `chat`, messages that end with the user `reinforcement`; arguments that are objects, tools as
  JSON text, parts of type `image` or pictures under `images` make them `trl`. `azure` and `azureml` rows are rows of `chat` too and must
  be named.
- `prompt` and `completion` as texts are `completion`, as lists of messages `trl-prompt-completion`, with a `label` that is true or false
  `trl-kto`.
- `chosen` and `rejected` with a `prompt` are `trl-preference`, without one `trl-implicit-preference`; texts that begin with
  `Human:` after a blank line are `hh`.
- `question` and `answer` are taken as prompt and completion, `category` and `intent` as label, `conversation` as conversations.

Some things are the same to every reader and not called a loss: how the JSON of a call's arguments is spaced, ids of calls that only count
them, weight 1 on an answer, Alpaca's line between instruction and input, scores 1 and 0, and keys that hold null or an empty text.

A key that stands twice in one object is an error of the row, wherever it stands: of its two values a parser keeps the last.

## Pictures beside a conversation

Rows of TRL have pictures under `images`, or one under `image`, and a part `{"type": "image"}` for each in their messages or prompt. Rows
of ShareGPT and Alpaca have them there too, and `<image>` in their texts. A picture is an address or a path, or `{"bytes": …, "path": …}`
as `datasets` writes it; bytes become a `data:` address. Placeholders take the pictures in order. Where there are none, all pictures come
before the first text of the user. Any other number of placeholders than of pictures is an error of the row.

They are written the same way. Pictures in TRL's answers keep their address in the part, since TRL fills those of the prompt alone. Where a
text of a ShareGPT or Alpaca row holds an `<image>` that is none, the row's pictures are told as lost.

## Kinds of loss

| kind | what is lost |
|---|---|"""


def _losses() -> Iterator[str]:
    for kind, meaning in LOSS_KINDS.items():
        yield f"| {kind.replace('*', '…')} | {meaning} |"


_MATRIX = """
## All pairs

From the format on the left to the one above, with rows that say much: `=` nothing is lost, a number is that of the kinds of loss, `\\*`
some rows are refused, `–` all are. What they are stands below.
"""


def _matrix() -> Iterator[str]:
    yield f"| from \\ to | {' | '.join(each.name for each in FORMATS)} |"
    yield f"|---|{'---|' * len(FORMATS)}"
    for first in FORMATS:
        yield f"| **{first.name}** | {' | '.join(pair(first, second).cell for second in FORMATS)} |"


_DETAILS = """
## What each pair loses

Rows that are refused stand in brackets after the losses of the others."""


def _details() -> Iterator[str]:
    for first in FORMATS:
        rows = textwrap.fill(f"Rows: {', '.join(held_by(first))}.", width=140)
        yield f"\n### From {first.name}\n\n{rows}\n\n| to | loses |\n|---|---|"
        same: dict[str, list[str]] = {}
        for second in FORMATS:
            if second is not first:
                same.setdefault(_sentence(pair(first, second)), []).append(second.name)
        for sentence, names in same.items():
            yield f"| {', '.join(names)} | {sentence} |"


def _sentence(found: Pair) -> str:
    if len(found.refused) == len(found.held):
        return "all rows are refused"
    lost = ", ".join(found.lost) or "nothing"
    return f"{lost} (refuses {', '.join(found.refused)})" if found.refused else lost


if __name__ == "__main__":
    sys.stdout.write(document())
