"""The versions of the API that are served, and what all their requests have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from tuneport.testing.emulator import Answer, Request, Routes
from tuneport_vertex.emulator.refusals import refuse

VERSIONS = ("v1", "v1beta1")
PLACE = "projects/{project}/locations/{location}"
ALWAYS = ("$alt", "alt", "key", "prettyPrint", "fields", "$fields", "quotaUser", "$.xgafv", "$prettyPrint")


def versioned(routes: Routes, name: str, serve: Callable[[Request], Answer], *, changes: bool | None = None) -> None:
    """The route in each version, behind a project and a location: `name` is `METHOD /rest`."""
    method, _, rest = name.partition(" ")
    for version in VERSIONS:
        routes.add(f"{method} /{version}/{PLACE}{rest}", _with(version, serve), changes=changes)


def wants_numbers(request: Request) -> bool:
    """Whether enums are to be answered by number, as gapic's REST clients ask."""
    return "enum-encoding=int" in (request.asked("$alt", refuse=refuse) or "")


def only_asks(request: Request, *names: str) -> None:
    request.only_asks(*ALWAYS, *names, refuse=refuse)


def _with(version: str, serve: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
    def served(request: Request) -> Answer:
        params = {**request.params, "version": version}
        return serve(replace(request, params=params))

    return served
