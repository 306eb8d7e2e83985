"""Spoiling a JSON answer: a word nobody knows, a field too few, a field too many."""

from __future__ import annotations

import copy
import random
from collections.abc import Collection, Iterator
from typing import Any

from tuneport.testing.emulator.faults import ExtraField, Fault, MissingField, UnknownWord

ROWS = ("data", "value", "tuningJobs", "models", "endpoints", "operations", "items")
"""What vendors call the rows of a listing."""
UNKNOWN_NUMBER = 999
"""In place of an unknown word, where words go by numbers."""


def spoiled(value: object, fault: Fault, *, chance: random.Random, words: Collection[str]) -> object:
    """The value with one of its objects spoiled. `words`: the fields that hold one of a few words; where none is, nothing changes."""
    result = copy.deepcopy(value)
    objects = list(_objects(result))
    if isinstance(fault, UnknownWord):
        objects = [one for one in objects if _worded(one, words)]
    if isinstance(fault, MissingField) and fault.name is not None:
        objects = [one for one in objects if fault.name in one]
    if objects:
        _spoil(chance.choice(objects), fault, chance=chance, words=words)
    return result


def _spoil(one: dict[str, Any], fault: Fault, *, chance: random.Random, words: Collection[str]) -> None:
    match fault:
        case UnknownWord(word):
            name = chance.choice(_worded(one, words))
            one[name] = word if isinstance(one[name], str) else UNKNOWN_NUMBER
        case MissingField(name):
            one.pop(name or chance.choice(sorted(one)), None) if one else None
        case ExtraField(name):
            one[name] = {"reason": "new", "since": 1}


def _worded(one: dict[str, Any], words: Collection[str]) -> list[str]:
    """The fields that hold a word, or the number that stands for one."""
    return [name for name in sorted(words) if isinstance(one.get(name), str | int)]


def _objects(value: object) -> Iterator[dict[str, Any]]:
    """The answer itself, the rows of a listing, and what a cloud's resource holds under `properties`; not what lies deeper."""
    if not isinstance(value, dict):
        return
    listed = next((value[name] for name in ROWS if name in value), None)
    rows = [row for row in listed if isinstance(row, dict)] if isinstance(listed, list) else []
    for one in (value, *rows):
        yield one
        if isinstance(one.get("properties"), dict):
            yield one["properties"]
