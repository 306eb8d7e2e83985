"""JSON values of rows: decoding with sentences that name keys and never contents."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from tuneport.formats.format import BadRow
from tuneport.formats.repeated_keys import refuse_repeated_keys

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
    try:
        refuse_repeated_keys(text.encode(), value)
    except BadRow as error:
        raise BadRow(f"in the arguments of a tool call {error}") from None
    return value


def json_text(value: Any) -> str:
    """The value as JSON without spaces."""
    return msgspec.json.encode(value).decode()


def unpacked_once(text: str) -> Any:
    """What `unpacked` gives. Raises BadRow when a key stands twice in one object of it."""
    value = unpacked(text)
    if value is not text:
        refuse_repeated_keys(text.encode(), value)
    return value


def unpacked(text: str) -> Any:
    """A JSON object, or a list of them; any other text as it is."""
    if text[:1] not in ("[", "{"):
        return text
    try:
        value = _decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return text
    return value if isinstance(value, dict) or (isinstance(value, list) and all(isinstance(each, dict) for each in value)) else text
