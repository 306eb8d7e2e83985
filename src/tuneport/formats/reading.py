"""From what a container holds to Examples: whole blocks at once where they are clean, row by row where they are not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

import msgspec

from tuneport.containers.container import Lines, Raw, Records, Texts
from tuneport.examples import Example
from tuneport.formats.format import BadRow, Block, Decode, Decoded, Format, Notices
from tuneport.formats.json_values import json_object, unpacked_once
from tuneport.formats.repeated_keys import perhaps_repeated, refuse_repeated_keys

Row = TypeVar("Row")
_encode_lines = msgspec.json.Encoder().encode_lines
_NOT_CLEAN = (msgspec.MsgspecError, UnicodeError, RecursionError)


def blocks(raws: Iterable[Raw], *, format: Format, columns: Mapping[str, str], notices: Notices) -> Iterator[Block]:
    """The rows that can be read. `columns` maps the format's keys to those in the file."""
    reader = _Reader(format, columns=columns, notices=notices)
    for raw in raws:
        if isinstance(raw, Records):
            yield from reader.objects(raw)
        elif isinstance(raw, Texts):
            yield from reader.texts(raw)
        else:
            yield from reader.lines(raw)


class _Reader:
    """`_decoders` loses its first entry when a block is not clean for it: what one block needs, the next ones mostly need as well."""

    def __init__(self, format: Format, *, columns: Mapping[str, str], notices: Notices) -> None:
        self._format = format
        self._theirs = {theirs: ours for ours, theirs in columns.items()}
        self._decoders: tuple[Decode, ...] = () if columns else format.decode
        self._notices = notices
        self._recoded = bool(self._decoders)

    def lines(self, raw: Lines) -> Iterator[Block]:
        examples = self._at_once(raw.data)
        if examples is not None and len(examples) == raw.count and raw.tidy:
            yield Block(range(raw.first, raw.first + raw.count), examples)
            return
        if raw.data.isspace():
            return
        numbered = [(number, line) for number, line in enumerate(raw.data.split(b"\n"), raw.first) if line.strip()]
        if examples is not None and len(examples) == len(numbered) and all(map(_is_whole, numbered)):
            yield Block([number for number, _ in numbered], examples)
        else:
            yield from self._one_by_one(numbered, self._text)

    def texts(self, raw: Texts) -> Iterator[Block]:
        """No text is blank, so that as many values as texts are one value a text."""
        examples = self._at_once(b"\n".join(raw.texts))
        if examples is not None and len(examples) == len(raw.texts):
            yield Block(raw.lines, examples)
        else:
            yield from self._one_by_one(zip(raw.lines, raw.texts, strict=True), self._text)

    def objects(self, raw: Records) -> Iterator[Block]:
        """Typed decoding is so much quicker than care that rows are made JSON again for it, until some are not clean."""
        found = self._decoded(_encode_lines(raw.rows)) if self._recoded else None
        if found is not None and len(found.examples) == len(raw.rows):
            yield Block(raw.lines, found.examples)
        else:
            self._recoded = False
            yield from self._one_by_one(zip(raw.lines, raw.rows, strict=True), self._object)

    def _at_once(self, data: bytes) -> list[Example] | None:
        """The rows of these lines when all are clean and no key stands twice in one object."""
        decoded = self._decoded(data)
        return None if decoded is None or perhaps_repeated(data, decoded) else decoded.examples

    def _decoded(self, data: bytes) -> Decoded | None:
        for place, decode in enumerate(self._decoders):
            try:
                decoded = decode(data)
            except _NOT_CLEAN:
                continue
            self._decoders = self._decoders[place:]
            return decoded
        return None

    def _text(self, line: int, text: bytes) -> Example:
        row = json_object(text)
        refuse_repeated_keys(text, row)
        found = self._decoded(text)
        return self._object(line, row) if found is None else found.examples[0]

    def _object(self, line: int, row: Mapping[str, Any]) -> Example:
        return self._format.read(self._prepared(row), partial(self._notices.lost, line))

    def _one_by_one(self, numbered: Iterable[tuple[int, Row]], read: Callable[[int, Row], Example]) -> Iterator[Block]:
        """In blocks that end before each row that cannot be read."""
        lines: list[int] = []
        examples: list[Example] = []
        for line, row in numbered:
            try:
                example = read(line, row)
            except BadRow as error:
                if examples:
                    yield Block(lines, examples)
                    lines, examples = [], []
                self._notices.bad(line, str(error))
                continue
            lines.append(line)
            examples.append(example)
        if examples:
            yield Block(lines, examples)

    def _prepared(self, row: Mapping[str, Any]) -> Mapping[str, Any]:
        """The row under the format's own keys, with lists and objects that are there as text unpacked."""
        if self._theirs:
            row = {self._theirs.get(key, key): value for key, value in row.items()}
        packed = [key for key in self._format.nested if isinstance(row.get(key), str)]
        return {**row, **{key: unpacked_once(row[key]) for key in packed}} if packed else row


def _is_whole(numbered: tuple[int, bytes]) -> bool:
    line = numbered[1].strip()
    return line[:1] == b"{" and line[-1:] == b"}"
