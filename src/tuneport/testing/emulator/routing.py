"""Which part of an emulator serves a request: methods and path templates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from tuneport.testing.emulator.answers import Answer
    from tuneport.testing.emulator.request import Request

    Serve = Callable[[Request], Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """`changes` says whether serving it may change anything; a GET never does. `stores`: its body goes to disk, whatever its size."""

    method: str
    template: str
    serve: Serve
    changes: bool
    stores: bool = False

    @property
    def name(self) -> str:
        """How tests, faults and the log call it: `POST /v1/files/{file_id}`."""
        return f"{self.method} {self.template}"


class Routes:
    """The routes of an emulator, the first that fits wins.

    A template's `{name}` stands for one segment, which arrives decoded; `{name}:verb` for one that ends so.
    """

    def __init__(self) -> None:
        self._routes: list[tuple[tuple[str, ...], Route]] = []

    def add(self, name: str, serve: Serve, *, changes: bool | None = None, stores: bool = False) -> None:
        """`name` is `METHOD /template`; a route that is no GET changes things unless it says otherwise."""
        method, _, template = name.partition(" ")
        route = Route(method, template, serve, method != "GET" if changes is None else changes, stores)
        self._routes.append((_segments(template), route))

    def match(self, method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
        """The route and its parameters. `path` is as sent, percent-encoded: an encoded slash is part of a segment."""
        asked = _segments(path)
        for segments, route in self._routes:
            if route.method == method and _fits(segments, asked):
                return route, dict(_said(name, said) for name, said in zip(segments, asked, strict=True) if name.startswith("{"))
        return None

    def methods(self, path: str) -> tuple[str, ...]:
        """The methods that this path does have."""
        asked = _segments(path)
        return tuple(sorted({route.method for segments, route in self._routes if _fits(segments, asked)}))

    def names(self) -> tuple[str, ...]:
        return tuple(route.name for _, route in self._routes)


def _segments(path: str) -> tuple[str, ...]:
    return tuple(path.strip("/").split("/"))


def _fits(template: tuple[str, ...], asked: tuple[str, ...]) -> bool:
    return len(template) == len(asked) and all(
        said != "" and (name == said or _stands_for(name, said)) for name, said in zip(template, asked, strict=True)
    )


def _stands_for(name: str, said: str) -> bool:
    end = name.partition("}")[2]
    return name.startswith("{") and said.endswith(end) and len(said) > len(end)


def _said(name: str, said: str) -> tuple[str, str]:
    """The parameter of a template's segment, and what stood there."""
    inner, _, end = name[1:].partition("}")
    return inner, unquote(said.removesuffix(end))
