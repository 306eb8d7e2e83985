"""JSON Lines: one JSON value a line, UTF-8 with or without BOM, any line end. What all JSONL formats stand on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from tuneport.formats.format import BadRow, Notices

MAX_LINE_BYTES = 1 << 28
"""A longer line is a damaged file more likely than a row; it is reported and skipped without being held in memory."""

BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def json_lines(stream: BinaryIO, *, notices: Notices) -> Iterator[tuple[int, bytes]]:
    """The lines that hold something, with their 1-based numbers."""
    number = 0
    while raw := stream.readline(MAX_LINE_BYTES):
        number += 1
        if number == 1:
            raw = raw.removeprefix(BOM)
        if len(raw) == MAX_LINE_BYTES and raw[-1:] != b"\n":
            _skip_line(stream)
            notices.bad(number, f"the line is longer than {MAX_LINE_BYTES >> 20} MiB.")
        elif raw.strip():
            yield number, raw


def _skip_line(stream: BinaryIO) -> None:
    while (rest := stream.readline(1 << 20)) and not rest.endswith(b"\n"):
        pass


def json_object(raw: bytes) -> dict[str, Any]:
    """The row as a dictionary. Raises BadRow."""
    try:
        row = _decode(raw)
    except RecursionError:
        raise BadRow("the JSON is nested too deeply.") from None
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise BadRow(_not_json(raw, error)) from None
    if not isinstance(row, dict):
        raise BadRow(f"a row is a JSON object, this one is {kind_of(row)}.")
    return row


def _not_json(raw: bytes, error: Exception) -> str:
    if raw.startswith(BOM):
        return "not valid JSON: a byte order mark stands in the middle of the file."
    try:
        raw.decode()
    except UnicodeDecodeError as broken:
        return f"not valid UTF-8 (byte {broken.start + 1} of the line). Save the file as UTF-8."
    return f"not valid JSON: {str(error).removeprefix('JSON is malformed: ').partition(' - at ')[0]}."


def convert(value: Any, wanted: Any) -> Any:
    """msgspec's typed conversion. Raises BadRow that names the key and the kinds."""
    try:
        return msgspec.convert(value, wanted)
    except RecursionError:
        raise BadRow("the row is nested too deeply.") from None
    except msgspec.ValidationError as error:
        raise BadRow(_sentence(str(error))) from None


def _sentence(message: str) -> str:
    """msgspec's words without the values it quotes: `messages[0].content: expected str, got int.`"""
    what, _, where = message.partition(" - at ")
    path = where.strip("`").removeprefix("$").removeprefix(".")
    if what.startswith("Invalid"):
        what = _ALLOWED.get(path.rpartition(".")[2], "not one of the allowed values")
    elif missing := re.search(r"missing required field `(.+?)`", what):
        what = f'the key "{missing[1]}" is missing'
    elif "length >= 1" in what:
        what = "must not be empty"
    else:
        what = re.sub(r"\w+", lambda word: _IN_WORDS.get(word[0], word[0]), what.replace("`", "").replace(" | null", ""))
        what = what.replace(" | ", " or ")
    return f"{path}: {what}." if path else f"{what}."


_IN_WORDS = {
    "Expected": "expected",
    "str": "a string",
    "array": "a list",
    "object": "an object",
    "int": "a number",
    "float": "a number",
    "bool": "true or false",
}

_ALLOWED = {
    "role": "the role must be system, developer, user, assistant or tool",
    "type": "of a type Tuneport does not read; content parts are text or image_url, tools and their calls are function",
}


def json_line(row: Any) -> bytes:
    """The row as one line of JSON. Raises BadRow for what JSON in UTF-8 cannot hold: half a surrogate pair, endless nesting."""
    try:
        return _encode(row) + b"\n"
    except (msgspec.MsgspecError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise BadRow(f"the row cannot be written as JSON: {error.__class__.__name__}.") from None


def kind_of(value: Any) -> str:
    """What a JSON value is, for a sentence."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number", type(None): "null"}
    return names.get(type(value), "something else")
