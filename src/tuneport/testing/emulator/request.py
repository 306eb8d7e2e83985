"""A request as an emulator's routes see it: parsed, its files already on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tuneport.testing.emulator.blobs import Blob
from tuneport.testing.emulator.strictness import Fields, Problem, Refuse, strict_json


@dataclass(frozen=True, slots=True)
class FormFile:
    """A file part of a multipart body."""

    filename: str
    media_type: str
    blob: Blob


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart body: text fields and files, each name once."""

    fields: Mapping[str, str]
    files: Mapping[str, FormFile]


@dataclass(frozen=True, slots=True)
class Weather:
    """What goes wrong inside an answer rather than with it: see `tuneport.testing.emulator.faults`."""

    lag_s: float = 0.0
    ignores_filters: bool = False
    kept_share: float = 1.0


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` is decoded, `query` in the order sent, header names are lower-case, `params` come from the route's template.

    The `body` of a route that stores is a blob, which the route keeps or discards.
    """

    number: int
    at: datetime
    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    params: Mapping[str, str] = field(default_factory=dict)
    body: bytes | Form | Blob = b""
    weather: Weather = Weather()

    def asked(self, name: str, *, refuse: Refuse) -> str | None:
        """The query parameter; None without it. Refuses one that is given twice."""
        values = [value for key, value in self.query if key == name]
        if len(values) > 1:
            raise refuse(Problem("duplicate", name))
        return values[0] if values else None

    def asked_whole(self, name: str, *, refuse: Refuse, otherwise: int, least: int, most: int) -> int:
        """A query parameter that is a whole number within bounds."""
        said = self.asked(name, refuse=refuse)
        if said is None:
            return otherwise
        if not said.lstrip("-").isdecimal():
            raise refuse(Problem("type", name, given="a string", allowed="an integer"))
        value = int(said)
        if not least <= value <= most:
            raise refuse(Problem("low" if value < least else "high", name, given=value, allowed=least if value < least else most))
        return value

    def only_asks(self, *names: str, refuse: Refuse) -> None:
        """Refuses a query parameter of another name. `metadata[]` stands for `metadata[anything]`."""
        for key, _ in self.query:
            known = key.partition("[")[0] + "[]" if key.endswith("]") else key
            if known not in names:
                raise refuse(Problem("unknown", key))

    def json(self, *, refuse: Refuse) -> Any:
        """The JSON value of the body. Refuses duplicate names and what cannot be read; a form is not JSON."""
        if isinstance(self.body, Form):
            raise refuse(Problem("unreadable", "", given="a form"))
        return strict_json(self.body.read() if isinstance(self.body, Blob) else self.body, refuse=refuse)

    def fields(self, *, refuse: Refuse) -> Fields:
        """The JSON object of the body, to be read field by field."""
        return Fields(self.json(refuse=refuse), refuse=refuse)
