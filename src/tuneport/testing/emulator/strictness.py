"""Reading what clients send as strictly as a vendor does: what is unknown, missing, of the wrong type or out of range is refused.

The toolkit finds the problem; the vendor's own error says it: every reader takes `refuse`, which turns a `Problem` into an exception.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NoReturn

Kind = Literal["missing", "unknown", "type", "word", "low", "high", "long", "many", "duplicate", "unreadable"]
Refuse = Callable[["Problem"], Exception]

JSON_TYPES: Mapping[type, str] = {
    bool: "a boolean",
    int: "an integer",
    float: "a decimal",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong at `path` (dotted; empty: the whole body). `given` is the value or its size, `allowed` what would have been right."""

    kind: Kind
    path: str
    given: object = None
    allowed: object = None


def json_type(value: object) -> str:
    """What JSON calls this value, with its article."""
    return JSON_TYPES[type(value)]


def strict_json(data: bytes, *, refuse: Refuse) -> Any:
    """The value of a JSON text in UTF-8. Refuses a name that occurs twice in one object, NaN, infinities and anything unreadable."""

    def single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice = next((name for name in names if names.count(name) > 1), None) if len(set(names)) < len(names) else None
        if twice is not None:
            raise refuse(Problem("duplicate", twice))
        return dict(pairs)

    def no_number(word: str) -> NoReturn:
        raise refuse(Problem("unreadable", "", given=word))

    try:
        return json.loads(data.decode("utf-8"), object_pairs_hook=single, parse_constant=no_number)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise refuse(Problem("unreadable", "", given=str(error))) from None


class Fields:
    """One JSON object, read field by field; `done` refuses what nobody asked for.

    A reader returns None for a field that is absent and not `required`, and for null where the field is `nullable`.
    """

    def __init__(self, value: object, *, refuse: Refuse, path: str = "") -> None:
        self.refuse = refuse
        self.path = path
        if not isinstance(value, dict):
            raise refuse(Problem("type", path, given=json_type(value), allowed="an object"))
        self._left: dict[str, Any] = dict(value)

    def at(self, name: str) -> str:
        return f"{self.path}.{name}" if self.path else name

    def has(self, name: str) -> bool:
        return name in self._left

    def names(self) -> tuple[str, ...]:
        """The fields that nobody has read yet."""
        return tuple(self._left)

    def raw(self, name: str, *, required: bool = False) -> Any:
        if name not in self._left and required:
            raise self.refuse(Problem("missing", self.at(name)))
        return self._left.pop(name, None)

    def says(self, name: str, word: str) -> bool:
        """Whether the field is this very string; if so it counts as read."""
        if self._left.get(name) != word:
            return False
        del self._left[name]
        return True

    def text(
        self, name: str, *, required: bool = False, nullable: bool = False, longest: int | None = None, words: Iterable[str] | None = None
    ) -> str | None:
        value = self._typed(name, (str,), required=required, nullable=nullable)
        if value is None:
            return None
        allowed = None if words is None else tuple(words)
        if allowed is not None and value not in allowed:
            raise self.refuse(Problem("word", self.at(name), given=value, allowed=allowed))
        if longest is not None and len(value) > longest:
            raise self.refuse(Problem("long", self.at(name), given=len(value), allowed=longest))
        return str(value)

    def whole(
        self, name: str, *, required: bool = False, nullable: bool = False, least: int | None = None, most: int | None = None
    ) -> int | None:
        value = self._typed(name, (int,), required=required, nullable=nullable)
        return None if value is None else int(self._within(name, value, least=least, most=most))

    def number(
        self,
        name: str,
        *,
        required: bool = False,
        nullable: bool = False,
        least: float | None = None,
        most: float | None = None,
        above: float | None = None,
    ) -> float | None:
        value = self._typed(name, (int, float), required=required, nullable=nullable)
        return None if value is None else float(self._within(name, value, least=least, most=most, above=above))

    def flag(self, name: str, *, nullable: bool = False) -> bool | None:
        value = self._typed(name, (bool,), required=False, nullable=nullable)
        return None if value is None else bool(value)

    def nested(self, name: str, *, required: bool = False, nullable: bool = False) -> Fields | None:
        value = self._typed(name, (dict,), required=required, nullable=nullable)
        return None if value is None else Fields(value, refuse=self.refuse, path=self.at(name))

    def items(self, name: str, *, required: bool = False, nullable: bool = False, most: int | None = None) -> Sequence[Any] | None:
        value = self._typed(name, (list,), required=required, nullable=nullable)
        if value is not None and most is not None and len(value) > most:
            raise self.refuse(Problem("many", self.at(name), given=len(value), allowed=most))
        return None if value is None else list(value)

    def objects(self, name: str, *, required: bool = False, nullable: bool = False) -> list[Fields] | None:
        values = self.items(name, required=required, nullable=nullable)
        return None if values is None else [Fields(v, refuse=self.refuse, path=f"{self.at(name)}[{n}]") for n, v in enumerate(values)]

    def strings(self, name: str, *, pairs: int, longest_name: int, longest_value: int) -> dict[str, str] | None:
        """An object of strings with at most `pairs` entries; absent and null are None."""
        value = self._typed(name, (dict,), required=False, nullable=True)
        if value is None:
            return None
        if len(value) > pairs:
            raise self.refuse(Problem("many", self.at(name), given=len(value), allowed=pairs))
        inner = Fields(value, refuse=self.refuse, path=self.at(name))
        for key in value:
            if len(key) > longest_name:
                raise self.refuse(Problem("long", inner.at(key[:longest_name]), given=len(key), allowed=longest_name))
        return {key: inner.text(key, required=True, longest=longest_value) or "" for key in value}

    def done(self) -> None:
        """Refuses the first field that nobody has read."""
        for name in self._left:
            raise self.refuse(Problem("unknown", self.at(name)))

    def _typed(self, name: str, types: tuple[type, ...], *, required: bool, nullable: bool) -> Any:
        present = name in self._left
        value = self.raw(name, required=required)
        if not present or (value is None and nullable):
            return None
        if type(value) not in types:
            raise self.refuse(Problem("type", self.at(name), given=json_type(value), allowed=JSON_TYPES[types[-1]]))
        return value

    def _within(
        self, name: str, value: float, *, least: float | None = None, most: float | None = None, above: float | None = None
    ) -> float:
        if (least is not None and value < least) or (above is not None and value <= above):
            raise self.refuse(Problem("low", self.at(name), given=value, allowed=least if least is not None else above))
        if most is not None and value > most:
            raise self.refuse(Problem("high", self.at(name), given=value, allowed=most))
        return value
