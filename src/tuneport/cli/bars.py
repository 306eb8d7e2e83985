"""Bars of characters: a row with its name, its number and a bar, at home in a terminal, a pipe and a terminal that knows ASCII only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

_EIGHTHS = " ▏▎▍▌▋▊▉█"


def bars(rows: Sequence[tuple[str, int]], *, width: int, ascii: bool = False, numeric: bool = False) -> list[str]:
    """One line for each row, none longer than `width`; the longest bar takes what names and numbers leave. Names are cut in the middle;
    `numeric` ones end under one another."""
    numbers = [f"{count:,}" for _, count in rows]
    digits = max(map(len, numbers), default=0)
    named = max(8, width - digits - 16)
    names = [_cut(name, named) for name, _ in rows]
    widest = max(map(len, names), default=0)
    room, most = max(4, width - widest - digits - 4), max((count for _, count in rows), default=0)
    return [
        f"{name:{'>' if numeric else '<'}{widest}}  {number:>{digits}}  {_bar(count / most if most else 0.0, room, ascii=ascii)}".rstrip()
        for name, number, (_, count) in zip(names, numbers, rows, strict=True)
    ]


def knows_blocks(stream: TextIO) -> bool:
    """Whether block characters can be written to the stream."""
    try:
        _EIGHTHS.encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def _bar(share: float, room: int, *, ascii: bool) -> str:
    """Anything above 0 shows."""
    if ascii:
        return "#" * max(round(share * room), int(share > 0))
    whole, part = divmod(max(round(share * room * 8), int(share > 0)), 8)
    return "█" * whole + (_EIGHTHS[part] if part else "")


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width // 2 - 1]}..{text[len(text) - (width - width // 2 - 1) :]}"
