"""Keys that stand twice in one object of JSON: of the two values a parser keeps the last, so they are looked for by counting keys.

In valid JSON a quote inside a text is escaped. A quote that is not, with a colon after it, ends a key or begins a text that starts with a
colon. Such texts are the same when rows are encoded again, so bytes that hold more of these quotes than that hold a key twice.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from tuneport.examples import Message
from tuneport.formats.format import BadRow, Decoded

_BACKSLASH = ord("\\")
_IN_TEXT = re.compile(rb':(?<=([^"]):)')
"""A colon that is not behind a quote, and what it is behind: one pass over the colons alone."""

_WHITE = frozenset((b" ", b"\t", b"\r", b"\n"))
_BYTES_A_COLON = 16
"""Where colons are more frequent than that, looking at each takes longer than looking for the quotes before them."""

_SPACED = re.compile(rb'"\s+:')
_BEHIND = re.compile(rb'\\":')
_RESPELLED = re.compile(rb"\\u00(?:20|3[aA])")
"""A space or colon that is one only when it is encoded again."""

_TEXT_OR_KEY = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"(\s*+:)?', re.DOTALL)
_decode_lines = msgspec.json.Decoder().decode_lines
_encode_lines = msgspec.json.Encoder().encode_lines


def perhaps_repeated(lines: bytes, decoded: Decoded) -> bool:
    """Whether a key stands twice in one object of these lines, which were decoded; hardly ever true where none does."""
    count = quoted_colons(lines, guess=decoded.least_keys)
    if count == decoded.least_keys:
        return False
    if _RESPELLED.search(lines):
        return True
    try:
        if decoded.rows is not None and count == quoted_colons(_encode_lines(decoded.rows)):
            return False
        return count > quoted_colons(_encode_lines(_decode_lines(lines)))
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        return True


def quoted_colons(data: bytes, *, guess: int | None = None) -> int:
    """How many keys and texts that start with a colon stand in valid JSON; perhaps `guess`, where there are no more than that."""
    colons = data.count(b":")
    if colons == guess:
        return colons
    if colons * _BYTES_A_COLON > len(data):
        count = data.count(b'":') + _spaced(data)
    else:
        elsewhere = _IN_TEXT.findall(data)
        count = colons - len(elsewhere) + (0 if _WHITE.isdisjoint(elsewhere) else _spaced(data))
    return count if count == guess else count - sum(_is_escaped(data, match.end() - 2) for match in _BEHIND.finditer(data))


def _spaced(data: bytes) -> int:
    """Those with white space before the colon."""
    return sum(not _is_escaped(data, match.start()) for match in _SPACED.finditer(data))


def _is_escaped(data: bytes, quote: int) -> bool:
    start = quote
    while data[start - 1] == _BACKSLASH:
        start -= 1
    return (quote - start) % 2 == 1


def plain_keys(sides: Iterable[Sequence[Message]]) -> int:
    """How many keys messages have at the least: those that say something, role and content."""
    return 2 * len([1 for messages in sides for message in messages if message.content is not None])


def refuse_repeated_keys(raw: bytes, value: Any) -> None:
    """Raises BadRow when `raw`, which `value` was made of, has a key twice in one object."""
    if isinstance(value, dict) and raw.count(b":") == len(value):
        return
    keys = _keys(value)
    if quoted_colons(raw, guess=keys) > keys and sum(1 for match in _TEXT_OR_KEY.finditer(raw) if match[1]) > keys:
        raise BadRow(f"the key {_repeated(raw)} stands twice in one object; only one of its values would be read.")


def _keys(value: Any) -> int:
    """How many keys there are in all objects of a value."""
    found, todo = 0, [value]
    while todo:
        each = todo.pop()
        if isinstance(each, dict):
            found += len(each)
            todo += each.values()
        elif isinstance(each, list):
            todo += each
    return found


def _repeated(raw: bytes) -> str:
    twice: list[str] = []

    def look(pairs: list[tuple[str, Any]]) -> None:
        twice.extend(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)

    with suppress(ValueError, RecursionError):
        json.loads(raw, object_pairs_hook=look)
    return repr(twice[0]) if twice else "of an object"
