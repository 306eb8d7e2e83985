"""JSON values of rows: decoding with sentences that name keys and never contents."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import suppress
from typing import Any

import msgspec

from tuneport.formats.format import BadRow

BOM = b"\xef\xbb\xbf"
_decode = msgspec.json.Decoder().decode


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


_TEXT_OR_KEY = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"(\s*+:)?', re.DOTALL)
_SPACED = re.compile(rb'"\s+:')


def refuse_repeated_keys(raw: bytes, row: dict[str, Any]) -> None:
    """Raises BadRow when `raw`, which `row` was made of, has a key twice in one object: of the two values a parser keeps the last."""
    keys = _keys(row)
    if raw.count(b'":') <= keys and not _SPACED.search(raw):
        return
    if sum(map(bool, _TEXT_OR_KEY.findall(raw))) > keys:
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


def kind_of(value: Any) -> str:
    """What a JSON value is, for a sentence."""
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a number", float: "a number", type(None): "null"}
    return names.get(type(value), "something else")


def object_of(text: str) -> dict[str, Any] | None:
    """The object that the text is the JSON of; None for any other text."""
    try:
        value = _decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def arguments_of(text: str) -> dict[str, Any]:
    """The arguments of a tool call, for formats that hold them as an object. Raises BadRow."""
    value = object_of(text)
    if value is None:
        raise BadRow("the arguments of a tool call are not a JSON object.")
    return value


def json_text(value: Any) -> str:
    """The value as JSON without spaces."""
    return msgspec.json.encode(value).decode()


def unpacked(text: str) -> Any:
    """A JSON object, or a list of them; any other text as it is."""
    if text[:1] not in ("[", "{"):
        return text
    try:
        value = _decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return text
    return value if isinstance(value, dict) or (isinstance(value, list) and all(isinstance(each, dict) for each in value)) else text
