"""Names of jobs, data assets and models: what is taken, and what is a part of an address."""

from __future__ import annotations

import re
from typing import Protocol

from tuneport.errors import NotFound
from tuneport.plan import PlannedFile

VERSION = "1"
"""Of the data assets and models that are ours: their names say what is in them, so that there is never a second version."""
CLIENT_ID = "{client_id}"
"""Stands in a plan for what is drawn at each submit."""
ENDPOINTS = "serverlessEndpoints"
"""As the management plane calls them, and what their ids begin with."""
_JOB = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_-]{0,254}")
_DATA = re.compile(r"/data/(tuneport-[0-9a-f]{32}(?:-[a-z]+)?)/versions/1")
_MODEL = re.compile(r"models/([A-Za-z0-9][\w.-]{0,254})/versions/([\w.-]{1,30})")

_ENDPOINT = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,51}")


class Placed(Protocol):
    """A workspace, as far as names go."""

    @property
    def name(self) -> str: ...
    @property
    def scope(self) -> str: ...
    @property
    def id(self) -> str: ...


def job_name(place: Placed, text: str) -> str:
    """The name of a job from what somebody writes: alone, or after the workspace (`subscription/group/workspace/job`).

    Raises NotFound for what can be none here.
    """
    bare = text.removeprefix(f"{place.name}:")
    head, _, name = bare.rpartition("/")
    if not _JOB.fullmatch(name) or (head and head.casefold() != place.scope.casefold()):
        raise NotFound(f"{text!r} is no job of the workspace {place.scope}.", remedy=f"See: tuneport jobs list --provider {place.name}")
    return name


def data_name(file: PlannedFile) -> str:
    """The data asset's: by the bytes alone, so that the same rows are never sent twice."""
    return f"tuneport-{file.sha256[:32]}"


def data_path(name: str) -> str:
    """Below the workspace's id."""
    return f"/data/{name}/versions/{VERSION}"


def data_id(place: Placed, name: str) -> str:
    """The id of the asset as a job's inputs name it."""
    return f"{place.id}{data_path(name)}"


def data_name_of(place: Placed, file_id: str) -> str | None:
    """The asset's name, if that is the id of one of ours in this workspace."""
    text, head = file_id.removeprefix("azureml:"), place.id
    found = _DATA.fullmatch(text[len(head) :]) if text[: len(head)].casefold() == head.casefold() else None
    return None if found is None else found[1]


def model_id(name: str, version: str) -> str:
    """A registered model's, outside."""
    return f"models/{name}/versions/{version}"


def endpoint_id(name: str, *, kind: str = ENDPOINTS) -> str:
    """An endpoint's, outside."""
    return f"{kind}/{name}"


def endpoint_name(place: Placed, text: str, *, kind: str = ENDPOINTS) -> str | None:
    """The endpoint's name, if that is the id of one of that kind."""
    head, slash, name = text.removeprefix(f"{place.name}:").partition("/")
    return name if slash and head == kind and _ENDPOINT.fullmatch(name) else None


def model_parts(text: str) -> tuple[str, str] | None:
    """Name and version of a registered model's id."""
    found = _MODEL.fullmatch(text)
    return None if found is None else (found[1], found[2])
