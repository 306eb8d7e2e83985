"""Go's template language, as far as conversations need it: what Ollama makes of such a template and a conversation.

Written after https://pkg.go.dev/text/template and Ollama's template/template.go, both read on 2026-11-21: a template sees `.Messages` (with
neighbours of one role joined by an empty line) and `.System` (all system messages, joined likewise). Understood here are text, `.Content`,
`range .Messages`, `if`, `else if`, `else` and `end`, with `eq .Role "…"` and `not .System` as conditions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

Turn = Mapping[str, str]
"""{"role", "content"}."""
_ACTION = re.compile(r"\{\{ (.*?) \}\}", re.DOTALL)
_ROLE = re.compile(r'(?:else )?if eq \.Role "(\w+)"')


def rendered(template: str, turns: Sequence[Turn]) -> str:
    """The prompt for a conversation. Raises ValueError for an action that is not understood."""
    pieces = _ACTION.split(template)
    return "".join(_block(_Pieces(pieces), _collated(turns), None, wanted=True))


def _collated(turns: Sequence[Turn]) -> list[Turn]:
    """Neighbours of one role as one."""
    grouped = groupby(turns, key=lambda turn: turn["role"])
    return [{"role": role, "content": "\n\n".join(turn["content"] for turn in same)} for role, same in grouped]


class _Pieces:
    """Text and actions in turns, with a place in them. `ended_by` is the action that ended the last block, None for the end of all."""

    def __init__(self, pieces: Sequence[str]) -> None:
        self.pieces = pieces
        self.place = 0
        self.ended_by: str | None = None

    def text(self) -> str:
        self.place += 1
        return self.pieces[self.place - 1]

    def action(self) -> str | None:
        self.place += 1
        return self.pieces[self.place - 1] if self.place <= len(self.pieces) else None


def _block(pieces: _Pieces, turns: Sequence[Turn], turn: Turn | None, *, wanted: bool) -> Iterator[str]:
    """What stands up to the end of the block. `turn` is the one that a range is at; nothing is said of a block that is not wanted."""
    while True:
        text = pieces.text()
        if wanted:
            yield text
        action = pieces.action()
        if action is None or action == "end" or action.startswith("else"):
            pieces.ended_by = action
            return
        if action == ".Content":
            if wanted and turn is not None:
                yield turn["content"]
        elif action == "range .Messages":
            yield from _range(pieces, turns, wanted=wanted)
        elif action.startswith("if "):
            yield from _choice(pieces, turns, turn, action, wanted=wanted)
        else:
            raise ValueError(f"{{{{ {action} }}}} is not understood")


def _range(pieces: _Pieces, turns: Sequence[Turn], *, wanted: bool) -> Iterator[str]:
    start = pieces.place
    for each in turns if wanted else ():
        pieces.place = start
        yield from _block(pieces, turns, each, wanted=True)
    if not wanted or not turns:
        pieces.place = start
        yield from _block(pieces, turns, None, wanted=False)


def _choice(pieces: _Pieces, turns: Sequence[Turn], turn: Turn | None, action: str, *, wanted: bool) -> Iterator[str]:
    open_, condition = wanted, action
    while True:
        taken = open_ and _holds(condition, turns, turn)
        yield from _block(pieces, turns, turn, wanted=taken)
        open_ = open_ and not taken
        ended = pieces.ended_by
        if ended == "end" or ended is None:
            return
        condition = ended


def _holds(condition: str, turns: Sequence[Turn], turn: Turn | None) -> bool:
    if condition == "else":
        return True
    if condition == "if not .System":
        return not any(each["role"] == "system" and each["content"] for each in turns)
    found = _ROLE.fullmatch(condition)
    if found is None or turn is None:
        raise ValueError(f"{{{{ {condition} }}}} is not understood")
    return turn["role"] == found[1]
