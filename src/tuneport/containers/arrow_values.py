"""Arrow columns as values of JSON. What a struct has no value for is left out: Arrow fills in every key, and nobody wrote those."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from tuneport.formats.format import BadFile

if TYPE_CHECKING:
    import pyarrow as pa

_decode = msgspec.json.Decoder().decode


def rows(batch: pa.RecordBatch, *, labels: Mapping[str, list[str]]) -> list[dict[str, Any]]:
    """The rows of a batch. `labels` has the names behind the numbers of some columns; -1 is no label."""
    names = batch.schema.names
    columns = [_values(batch.column(index)) for index in range(batch.num_columns)]
    for index, name in enumerate(names):
        if name in labels:
            columns[index] = [_label(value, labels[name]) for value in columns[index]]
    if not columns:
        return [{} for _ in range(batch.num_rows)]
    return _objects(names, columns)


def _label(value: Any, names: list[str]) -> Any:
    if value is None or value == -1:
        return None
    return names[value] if isinstance(value, int) and 0 <= value < len(names) else value


def _objects(names: list[str], columns: list[list[Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in zip(names, row, strict=True) if value is not None} for row in zip(*columns, strict=True)]


def _values(array: pa.Array) -> list[Any]:
    import pyarrow as pa

    if isinstance(array, pa.ExtensionArray):
        return [_json(text) for text in _values(array.storage)] if _is_json(array.type) else _values(array.storage)
    for fits, values in _READERS:
        if getattr(pa.types, fits)(array.type):
            return values(array)
    raise BadFile(f"there is a column of the type {array.type}, which has no counterpart in JSON.", remedy="Leave that column out.")


def _is_json(type: pa.DataType) -> bool:
    return str(type.extension_name) == "arrow.json"


def _json(text: Any) -> Any:
    try:
        return None if text is None else _decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return text


def _as_they_are(array: pa.Array) -> list[Any]:
    found: list[Any] = array.to_pylist()
    return found


def _fractions(array: pa.Array) -> list[Any]:
    """Not a number, which is how tables mark what is missing, is none; JSON has no infinity either, and it becomes its name."""
    return [value if value is None or math.isfinite(value) else _not_finite(value) for value in array.to_pylist()]


def _not_finite(value: float) -> str | None:
    if math.isnan(value):
        return None
    return "Infinity" if value > 0 else "-Infinity"


def _structs(array: pa.Array) -> list[Any]:
    names = [array.type.field(index).name for index in range(array.type.num_fields)]
    columns = [_values(array.field(index)) for index in range(len(names))]
    found: list[Any] = _objects(names, columns) if columns else [{} for _ in range(len(array))]
    if array.null_count:
        missing = array.is_null().to_pylist()
        found = [None if none else value for none, value in zip(missing, found, strict=True)]
    return found


def _lists(array: pa.Array) -> list[Any]:
    """By offsets: Arrow's own flattening does not take every type."""
    offsets = array.offsets.to_pylist()
    items = _values(array.values.slice(offsets[0], offsets[-1] - offsets[0]))
    return _cut(items, [offset - offsets[0] for offset in offsets], array)


def _fixed_lists(array: pa.Array) -> list[Any]:
    size = array.type.list_size
    items = _values(array.values.slice(array.offset * size, len(array) * size))
    return _cut(items, [number * size for number in range(len(array) + 1)], array)


def _cut(items: list[Any], offsets: list[int], array: pa.Array) -> list[Any]:
    missing = array.is_null().to_pylist() if array.null_count else [False] * len(array)
    return [None if none else items[start:end] for none, start, end in zip(missing, offsets, offsets[1:], strict=False)]


def _maps(array: pa.Array) -> list[Any]:
    return [None if pairs is None else {str(key): value for key, value in pairs} for pairs in array.to_pylist()]


def _dictionary(array: pa.Array) -> list[Any]:
    return _values(array.dictionary_decode())


def _base64(array: pa.Array) -> list[Any]:
    return [None if value is None else base64.b64encode(value).decode() for value in array.to_pylist()]


def _texts(array: pa.Array) -> list[Any]:
    """Times, dates and decimal numbers, which JSON has only as text."""
    import pyarrow as pa

    return _as_they_are(array.cast(pa.string()))


_READERS: tuple[tuple[str, Callable[[Any], list[Any]]], ...] = (
    ("is_string", _as_they_are),
    ("is_integer", _as_they_are),
    ("is_floating", _fractions),
    ("is_boolean", _as_they_are),
    ("is_struct", _structs),
    ("is_list", _lists),
    ("is_large_list", _lists),
    ("is_fixed_size_list", _fixed_lists),
    ("is_null", _as_they_are),
    ("is_large_string", _as_they_are),
    ("is_string_view", _as_they_are),
    ("is_dictionary", _dictionary),
    ("is_map", _maps),
    ("is_binary", _base64),
    ("is_large_binary", _base64),
    ("is_fixed_size_binary", _base64),
    ("is_temporal", _texts),
    ("is_decimal", _texts),
)
