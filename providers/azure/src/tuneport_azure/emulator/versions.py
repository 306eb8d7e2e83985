"""The data plane's three forms of URL, and what each version of the API knows.

    /RESOURCE/openai/v1/...                           v1, without api-version
    /RESOURCE/api/projects/PROJECT/openai/v1/...      the same, through a project of a Foundry resource
    /RESOURCE/openai/...?api-version=2024-10-21       dated

On the real service RESOURCE is the first label of the host's name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from tuneport.testing.emulator import Answer, Refusal, Request, Routes
from tuneport_azure.emulator import refusals

Serve = Callable[[Request], Answer]
DATED_PREFIX = "/{resource}/openai"
V1_PREFIXES = ("/{resource}/openai/v1", "/{resource}/api/projects/{project}/openai/v1")


@dataclass(frozen=True, slots=True)
class Api:
    """`methods`: a job has a `method`, a trainingType and integrations, and can be paused; else all that is ignored."""

    version: str
    methods: bool = True

    @property
    def dated(self) -> bool:
        return self.version != "v1"


V1: Final = Api("v1")
DATED: Final = {api.version: api for api in (Api("2024-10-21", methods=False), Api("2025-04-01-preview"))}


def is_v1(request: Request) -> bool:
    """Whether the path is one of v1's."""
    return "/openai/v1/" in request.path


def api_of(request: Request) -> Api:
    """The version that a request speaks. Raises Refusal for a dated path with another version, or none, and for v1 with one."""
    versions = [value for name, value in request.query if name == "api-version"]
    if is_v1(request):
        if versions and (versions != ["preview"] or "project" in request.params):
            raise refusals.no_version_here()
        return V1
    if len(versions) != 1 or versions[0] not in DATED:
        raise refusals.no_such_path()
    return DATED[versions[0]]


class DataRoutes:
    """Adds a path to all forms of URL. Refusals of the authoring API are spelled as Azure does."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes

    def add(self, name: str, serve: Serve, *, having: Callable[[Api], bool] = lambda api: True, changes: bool | None = None) -> None:
        """`name` is `METHOD /path` behind the prefix; versions that do not have it (`having`) answer as to any wrong path."""
        method, _, path = name.partition(" ")
        for prefix in (*V1_PREFIXES, DATED_PREFIX):
            self._routes.add(f"{method} {prefix}{path}", _checked(serve, having), changes=changes)

    def add_inference(self, path: str, serve: Serve, *, dated_path: str) -> None:
        """A POST that changes nothing and whose errors are OpenAI's: its path on dated versions is another one."""
        for prefix in V1_PREFIXES:
            self._routes.add(f"POST {prefix}{path}", _versioned(serve), changes=False)
        self._routes.add(f"POST {DATED_PREFIX}{dated_path}", _versioned(serve), changes=False)


def _checked(serve: Serve, having: Callable[[Api], bool]) -> Serve:
    def served(request: Request) -> Answer:
        if not having(api_of(request)):
            raise refusals.no_such_path()
        try:
            return serve(request)
        except Refusal as refused:
            raise refusals.respelled(refused) from None

    return served


def _versioned(serve: Serve) -> Serve:
    def served(request: Request) -> Answer:
        api_of(request)
        return serve(request)

    return served
