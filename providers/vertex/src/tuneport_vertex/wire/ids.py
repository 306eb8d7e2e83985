"""Ids: `PROJECT/LOCATION/tuningJobs/ID` outside, `projects/…/locations/…/tuningJobs/ID` at the API.

The service answers with the project's number where it was asked by its id, so that public ids carry the project as the profile has it, and
projects are only compared where both are written the same way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal, Protocol

from tuneport.errors import NotFound

Kind = Literal["tuningJobs", "customJobs", "models", "endpoints"]
WORDS: dict[str, str] = {"tuningJobs": "tuning job", "customJobs": "custom job", "models": "model", "endpoints": "endpoint"}

_ID = r"(?P<id>[A-Za-z0-9][A-Za-z0-9._-]*)(?:@(?P<version>[A-Za-z0-9._-]+))?(?:#(?P<checkpoint>[A-Za-z0-9._-]+))?"
_KINDS = "|".join(WORDS)
_PROJECT, _LOCATION = r"(?P<project>[A-Za-z0-9.:_-]+)", r"(?P<location>[a-z0-9-]+)"
_FULL = re.compile(rf"projects/{_PROJECT}/locations/{_LOCATION}/(?P<kind>{_KINDS})/{_ID}")
_PUBLIC = re.compile(rf"(?!publishers/){_PROJECT}/{_LOCATION}/(?P<kind>{_KINDS})/{_ID}")
_BARE = re.compile(rf"(?:(?P<kind>{_KINDS})/)?{_ID}")


class Located(Protocol):
    """A place, as far as ids know it."""

    @property
    def name(self) -> str: ...

    @property
    def project(self) -> str: ...

    @property
    def location(self) -> str: ...

    @property
    def serving_location(self) -> str: ...


@dataclass(frozen=True, slots=True)
class ResourceName:
    """A job, a model or an endpoint. `version` and `checkpoint` are those of models, '' where none is said."""

    project: str
    location: str
    kind: str
    id: str
    version: str = ""
    checkpoint: str = ""

    @property
    def full(self) -> str:
        """As the API names it: without the checkpoint, for which it has a field of its own."""
        return f"projects/{self.project}/locations/{self.location}/{self.kind}/{self.id}" + (f"@{self.version}" if self.version else "")

    @property
    def public(self) -> str:
        """As it is named outside."""
        return f"{self.project}/{self.location}/{self.kind}/{self._end}"

    @property
    def _end(self) -> str:
        return self.id + (f"@{self.version}" if self.version else "") + (f"#{self.checkpoint}" if self.checkpoint else "")


def parsed(text: str) -> ResourceName | None:
    """A full or public name; None for anything else, a bare id included."""
    found = _FULL.fullmatch(text) or _PUBLIC.fullmatch(text)
    if found is None:
        return None
    return ResourceName(found["project"], found["location"], found["kind"], found["id"], found["version"] or "", found["checkpoint"] or "")


def public(place: Located, name: str, *, checkpoint: str = "") -> str:
    """What a resource that the service named is called outside; a name of no known form stays as it is."""
    found = parsed(name)
    return name if found is None else replace(found, project=place.project, checkpoint=checkpoint or found.checkpoint).public


def resource(place: Located, text: str, *, kind: Kind) -> ResourceName:
    """What `text` names in that place: a URI of the profile, a public id, a full name, or a bare id.

    Tuned models and endpoints stand in regions of their own: those of Gemini 3.x in the multi-region that serves them. Raises NotFound for
    a thing of another kind or project, and for a job of another region, saying how to reach it.
    """
    text = text.removeprefix(f"{place.name}:")
    found = parsed(text)
    if found is None:
        bare = _BARE.fullmatch(text)
        if bare is None or bare["kind"] not in (None, kind):
            raise _unknown(place, text, kind)
        return ResourceName(place.project, place.location, kind, bare["id"], bare["version"] or "", bare["checkpoint"] or "")
    if found.kind != kind:
        raise _unknown(place, text, kind)
    if not _same_project(found.project, place.project) or (kind.endswith("Jobs") and found.location != place.location):
        raise NotFound(
            f"{text} is in {found.project}/{found.location}, and {place.name} is set up for {place.project}/{place.location}.",
            remedy=f'Give it a profile of its own: [providers.NAME] with provider = "vertex", project = "{found.project}", '
            f'location = "{found.location}".',
        )
    return replace(found, project=place.project)


def full(place: Located, text: str, *, kind: Kind) -> str:
    """The name by which the API is asked for it. Raises NotFound as `resource` does."""
    return resource(place, text, kind=kind).full


def is_resource(text: str) -> bool:
    """Whether a text names a tuned model rather than a publisher's base."""
    found = parsed(text)
    return found is not None and found.kind == "models"


def _same_project(one: str, other: str) -> bool:
    return one == other or one.isdigit() != other.isdigit()


def _unknown(place: Located, text: str, kind: Kind) -> NotFound:
    return NotFound(
        f"{text!r} is the id of no {WORDS[kind]} at {place.name}.",
        remedy=f"It looks like {place.project}/{place.location}/{kind}/1234567890.",
    )
