"""Reading a JSON body as the vendor's own types read it, and refusing what they do not know.

A body is read into the protobuf message of google-cloud-aiplatform. What that release lacks and google-genai's pydantic types have (the
specs for preference and reinforcement tuning, newer settings) is read into those. Nothing else gets through.
"""

from __future__ import annotations

import enum
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from google.protobuf import json_format  # type: ignore[import-untyped]
from google.protobuf.descriptor import Descriptor, FieldDescriptor  # type: ignore[import-untyped]
from pydantic import BaseModel

from tuneport_vertex.emulator import refusals

Json = dict[str, Any]
FREE = "google.protobuf."
"""Messages whose JSON has a form of its own: timestamps, structs and the like are not walked through."""
INSIDE = re.compile(r"Failed to parse (\w+) field")
PROTO_KINDS = {bool: "TYPE_BOOL", int: "TYPE_INT64", float: "TYPE_DOUBLE", str: "TYPE_STRING"}


def read(value: object, message: Any, model: type[BaseModel] | None = None, *, root: str) -> Json:
    """The body with all names in camelCase, all enums by name and 64-bit numbers as strings. `root` is what errors call it.

    `message` is a proto-plus class; `model` the pydantic class for what it lacks. Raises Refusal.
    """
    descriptor = message.pb(message()).DESCRIPTOR
    part, more, problems = _split(value, descriptor, model, root)
    if problems:
        raise refusals.bad_payload(problems)
    try:
        parsed = json_format.ParseDict(part, message.pb(message()))
    except json_format.ParseError as error:
        raise _unparsable(str(error), part, root) from None
    return merged(json_format.MessageToDict(parsed), more)


def shown(value: Json, message: Any, *, numbers: bool) -> Json:
    """What goes out: the same, or with the numbers of enums for the clients that ask for them."""
    return _numbered(value, message.pb(message()).DESCRIPTOR) if numbers else value


def known(value: Json, message: Any, model: type[BaseModel] | None = None) -> Json:
    """Of an answer what this version of the API has words for."""
    part, more, _ = _split(value, message.pb(message()).DESCRIPTOR, model, "answer")
    return merged(part, more)


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> Json:
    """Both, deep; lists of objects are joined item by item."""
    result = dict(one)
    for name, value in other.items():
        mine = result.get(name)
        if isinstance(mine, dict) and isinstance(value, dict):
            result[name] = merged(mine, value)
        elif isinstance(mine, list) and isinstance(value, list) and len(mine) == len(value):
            result[name] = [merged(a, b) if isinstance(a, dict) and isinstance(b, dict) else a for a, b in zip(mine, value, strict=True)]
        else:
            result[name] = value
    return result


def camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word[:1].upper() + word[1:] for word in rest)


@cache
def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r"_\1", name).lower()


def _numbered(value: Any, descriptor: Descriptor) -> Any:
    if isinstance(value, list):
        return [_numbered(one, descriptor) for one in value]
    fields = _fields(descriptor)
    return {name: inner if (field := fields.get(name)) is None else _number(inner, field) for name, inner in value.items()}


def _number(value: Any, field: FieldDescriptor) -> Any:
    if field.enum_type is not None:
        numbers = field.enum_type.values_by_name
        return [numbers[one].number for one in value] if isinstance(value, list) else numbers[value].number
    inner = field.message_type
    if inner is None or inner.full_name.startswith(FREE) or inner.GetOptions().map_entry:
        return value
    return _numbered(value, inner)


Split = tuple[Json, Json, list[tuple[str, str]]]


def _split(value: object, descriptor: Descriptor, model: type[BaseModel] | None, path: str) -> Split:
    """What the message knows, what only the model knows, and what neither does."""
    if not isinstance(value, dict):
        return {}, {}, [refusals.bad_value(path, f"type.googleapis.com/{descriptor.full_name}", value)]
    part: Json = {}
    more: Json = {}
    problems: list[tuple[str, str]] = []
    fields, names = _fields(descriptor), _annotations(model)
    for name, inner in value.items():
        field, annotation = fields.get(name), names.get(camel(name))
        where = f"{path}.{snake(name)}"
        if field is not None:
            part[name], rest, wrong = _field(inner, field, annotation, where)
            problems += wrong
            if rest is not None:
                more[camel(name)] = rest
        elif annotation is not None:
            more[camel(name)] = inner if inner is None else typed(inner, annotation, path=where, problems=problems)
        else:
            problems.append(refusals.unknown_name(name, path))
    return part, more, problems


def _field(value: object, field: FieldDescriptor, annotation: Any, path: str) -> tuple[Any, Any, list[tuple[str, str]]]:
    inner = field.message_type
    if value is None or inner is None or inner.full_name.startswith(FREE) or inner.GetOptions().map_entry:
        return value, None, []
    model = _model_in(annotation)
    if not field.is_repeated:
        part, more, problems = _split(value, inner, model, path)
        return part, more or None, problems
    if isinstance(value, dict):
        value = [value]
    if not isinstance(value, list):
        return value, None, [refusals.bad_value(path, "TYPE_MESSAGE", value)]
    splits = [_split(one, inner, model, f"{path}[{number}]") for number, one in enumerate(value)]
    rests = [more for _, more, _ in splits]
    return [part for part, _, _ in splits], rests if any(rests) else None, [one for _, _, wrong in splits for one in wrong]


def _unparsable(said: str, value: Json, root: str) -> Exception:
    """The parser names the fields from the outside in, but not those that are members of a union."""
    path = ".".join([root, *(snake(name) for name in _located(value, INSIDE.findall(said)))])
    what = said.rsplit("field: ", 1)[-1].split(" at ", maxsplit=1)[0]
    if "oneof" in said:
        return refusals.bad_payload([(root, f"Invalid value at '{root}' (oneof), oneof field is already set: {what}")])
    return refusals.bad_payload([(path, f"Invalid value at '{path}': {what}")])


def _located(value: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """The whole path to the field that these are the last names of; the names alone where it is not to be found."""
    if not names:
        return []
    if names[0] in value or snake(names[0]) in value:
        inner = value.get(names[0], value.get(snake(names[0])))
        return [names[0], *(_located(inner, names[1:]) if isinstance(inner, dict) else names[1:])]
    for name, inner in value.items():
        if isinstance(inner, dict) and (names[0] in inner or snake(names[0]) in inner):
            return [name, *_located(inner, names)]
    return list(names)


# google-genai's types


def typed(value: object, annotation: Any, *, path: str, problems: list[tuple[str, str]]) -> Any:
    """The value, names in camelCase, if it is what the annotation says; otherwise the problems grow."""
    kinds = _kinds(annotation)
    model = _model_in(annotation)
    if model is not None and isinstance(value, dict):
        return _modelled(value, model, path=path, problems=problems)
    if list in kinds and isinstance(value, list):
        inner = kinds[list]
        return [typed(one, inner, path=f"{path}[{number}]", problems=problems) for number, one in enumerate(value)]
    if dict in kinds and isinstance(value, dict):
        return value
    for kind in kinds:
        if _fits(value, kind):
            return value
    said = next((PROTO_KINDS.get(kind, f"type.googleapis.com/{kind.__name__}") for kind in kinds), "TYPE_MESSAGE")
    problems.append(refusals.bad_value(path, said, value))
    return value


def _modelled(value: Mapping[str, object], model: type[BaseModel], *, path: str, problems: list[tuple[str, str]]) -> Json:
    names = _annotations(model)
    result: Json = {}
    for name, inner in value.items():
        annotation = names.get(camel(name))
        if annotation is None:
            problems.append(refusals.unknown_name(name, path))
        elif inner is not None:
            result[camel(name)] = typed(inner, annotation, path=f"{path}.{snake(name)}", problems=problems)
    return result


def _fits(value: object, kind: Any) -> bool:
    if kind is Any:
        return True
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return value in {member.value for member in kind}
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind is int:
        return isinstance(value, int) or (isinstance(value, str) and re.fullmatch(r"-?\d{1,19}", value) is not None)
    if kind is float:
        return isinstance(value, int | float)
    return isinstance(kind, type) and isinstance(value, kind)


@cache
def _fields(descriptor: Descriptor) -> Mapping[str, FieldDescriptor]:
    """By both of a field's names: JSON's and protobuf's own."""
    return {name: field for field in descriptor.fields for name in (field.name, field.json_name)}


@cache
def _annotations(model: type[BaseModel] | None) -> Mapping[str, Any]:
    """What genai's classes add for themselves (the HTTP answer) is no part of the wire."""
    if model is None:
        return {}
    model.model_rebuild()
    return {camel(name): field.annotation for name, field in model.model_fields.items() if name != "sdk_http_response"}


def _unwrapped(annotation: Any) -> Iterator[Any]:
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        for one in typing.get_args(annotation):
            yield from _unwrapped(one)
    elif annotation is not type(None):
        yield annotation


def _kinds(annotation: Any) -> Mapping[Any, Any]:
    """The alternatives; a list's is its item's annotation."""
    return {typing.get_origin(one) or one: (typing.get_args(one) or (Any,))[-1] for one in _unwrapped(annotation)}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The class of the object, or of the list's items."""
    for one in _unwrapped(annotation):
        inner: Sequence[Any] = typing.get_args(one) if typing.get_origin(one) is list else (one,)
        for kind in inner:
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                return kind
    return None
