"""Printing: tables for people on a terminal, plain aligned lines when piped, JSON for scripts."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TextIO

from tuneport.columns import aligned

if TYPE_CHECKING:
    from decimal import Decimal

    from rich.console import Console
    from rich.table import Table

SCHEMA_VERSION = 1
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]+")
_CONTROL_IN_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]+")

Style = Literal["", "good", "bad", "warn", "dim", "strong"]
_COLOURS: dict[Style, str] = {"": "", "good": "green", "bad": "red", "warn": "yellow", "dim": "dim", "strong": "bold"}


def printable(text: str) -> str:
    """The text on one line, without control characters: what a provider says must not move the cursor."""
    return _CONTROL.sub(" ", text).strip()


def printable_text(text: str) -> str:
    """The text without control characters but with its line ends and tabs."""
    return _CONTROL_IN_TEXT.sub(" ", text)


def json_text(content: Any, *, indent: int | None = None, ascii: bool = False) -> str:
    """Every JSON that a command writes: times as ISO 8601 with offset, money as decimal strings, NaN and infinity as null."""
    separators = (",", ":") if indent is None else None
    return json.dumps(_strict(content), indent=indent, separators=separators, ensure_ascii=ascii, allow_nan=False, default=_jsonable)


def _strict(value: Any) -> Any:
    """The value with null in place of every float that JSON has no word for."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _strict(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_strict(inner) for inner in value]
    return value


def _jsonable(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if type(value).__name__ == "Decimal":
        return decimal_text(value) if value.is_finite() else None
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def decimal_text(value: Decimal) -> str:
    """Without exponent and without zeros that say nothing; at least two places."""
    text = f"{value.normalize():f}"
    whole, _, places = text.partition(".")
    return f"{whole}.{places.ljust(2, '0')}"


class Output:
    """Prints to standard output. `terminal` decides between tables with colours and plain lines: one that knows ASCII only gets lines."""

    def __init__(self, *, json: bool, stream: TextIO | None = None) -> None:
        self.json = json
        self._stream = stream
        self.unicode = (getattr(self.stream, "encoding", None) or "utf-8").lower().startswith("utf")
        self.terminal = not json and self.unicode and self.stream.isatty() and os.environ.get("TERM") != "dumb"

    @property
    def stream(self) -> TextIO:
        """Where it goes; looked up late, so that a redirected sys.stdout is honoured."""
        return self._stream or sys.stdout

    @property
    def width(self) -> int:
        """Columns of the terminal."""
        from shutil import get_terminal_size

        return get_terminal_size().columns

    def console(self) -> Console:
        """rich's console on the same stream; only for terminals."""
        from rich.console import Console

        return Console(file=self.stream, highlight=False, soft_wrap=False)

    def document(self, content: Mapping[str, Any]) -> None:
        """One JSON document, with the schema's version first."""
        self.raw_json({"schema_version": SCHEMA_VERSION, **content}, indent=2)

    def record(self, kind: str, content: Mapping[str, Any]) -> None:
        """One line of a JSON stream. `kind` goes into its key `record`."""
        self.raw_json({"schema_version": SCHEMA_VERSION, "record": kind, **content})
        self.stream.flush()

    def raw_json(self, content: Any, *, indent: int | None = None) -> None:
        """JSON as it is, never wrapped; in ASCII where the stream can say no more."""
        self._write(json_text(content, indent=indent, ascii=not self.unicode))

    def say(self, text: str = "", *, style: Style = "") -> None:
        """A line, or several, for people; on a terminal one that is too long goes on below, under its own beginning."""
        for line in printable_text(text).split("\n"):
            if self.terminal and (style or len(line) >= self.width):
                self._say_styled(line, style)
            else:
                self._write(line)

    def raw(self, text: str) -> None:
        """Text whose lines must stay as they are: a drawing, a file."""
        self._write(printable_text(text))

    def _say_styled(self, text: str, style: Style) -> None:
        from rich.padding import Padding
        from rich.text import Text

        if "tuneport " in text:  # a command broken into lines could not be copied
            self.console().print(Text(text, style=_COLOURS[style]), soft_wrap=True)
        else:
            indent = len(text) - len(text.lstrip(" "))
            self.console().print(Padding(Text(text[indent:], style=_COLOURS[style]), (0, 0, 0, indent)))

    def _write(self, text: str) -> None:
        self.stream.write(text + "\n")

    def table(
        self, headers: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] = (), last_is_long: bool = False
    ) -> None:
        """Rows under headers; a header in lower case is a name and stays as it is.

        `right` are the columns of numbers; `last_is_long` lets only the last column wrap on a terminal.
        """
        cells = [[printable(cell) for cell in row] for row in rows]
        if self.terminal:
            self._rich_table(headers, cells, right, last_is_long=last_is_long)
            return
        dashed = [[cell or "-" for cell in row] for row in cells]  # so that columns can be counted
        for line in aligned([[header.upper() if header.istitle() else header for header in headers], *dashed], right=right):
            self._write(line)

    def _rich_table(self, headers: Sequence[str], rows: list[list[str]], right: Sequence[int], *, last_is_long: bool) -> None:
        from rich.text import Text

        table = ruled_table()
        for index, header in enumerate(headers):
            last = index == len(headers) - 1
            table.add_column(
                header,
                justify="right" if index in right else "left",
                overflow="fold",
                no_wrap=last_is_long and not last,
            )
        for row in rows:
            table.add_row(*(Text(cell, style=_COLOURS[style_of(cell)]) for cell in row))
        self.console().print(table)

    def fields(self, pairs: Sequence[tuple[str, str]]) -> None:
        """Names with values, one a line; empty values are left out."""
        shown = [(name, printable(value)) for name, value in pairs if value]
        if self.terminal:
            self._rich_fields(shown)
            return
        for line in aligned(shown):
            self._write(line)

    def _rich_fields(self, pairs: Sequence[tuple[str, str]]) -> None:
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(no_wrap=True, style="bold")
        grid.add_column(overflow="fold")
        for name, value in pairs:
            grid.add_row(name, Text(value, style=_COLOURS[style_of(value)]))
        self.console().print(grid)


def ruled_table() -> Table:
    """rich's table as ours look, without columns yet."""
    from rich import box
    from rich.table import Table

    return Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)


_GOOD = frozenset({"succeeded", "ok", "ready"})
_BAD = frozenset({"failed", "error", "expired", "broken"})
_WARN = frozenset({"unknown", "paused", "cancelled", "warning", "pausing", "cancelling"})


def style_of(word: str) -> Style:
    """The colour of a word of state."""
    return "good" if word in _GOOD else "bad" if word in _BAD else "warn" if word in _WARN else ""


def note(text: str) -> None:
    """A line beside the output proper: on standard error, so that pipes and JSON stay clean. What looks like a key is blanked out."""
    from tuneport.redaction import without_secrets

    sys.stderr.write(printable(without_secrets(text)) + "\n")
    sys.stderr.flush()
