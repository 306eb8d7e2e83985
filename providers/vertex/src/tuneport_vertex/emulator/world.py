"""Everything the emulated cloud remembers: projects, tokens, buckets, jobs, models, endpoints and operations."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tuneport.testing.emulator import BlobStore, Request, Timepiece
from tuneport.testing.emulator.keys import bearer
from tuneport_vertex.emulator import refusals
from tuneport_vertex.emulator.bases import Base
from tuneport_vertex.emulator.courses import Course, Serving
from tuneport_vertex.emulator.habits import Habits
from tuneport_vertex.emulator.projects import AIPLATFORM, TITLES, Directory, Project, Token

if TYPE_CHECKING:
    from tuneport_vertex.emulator.containers import Machines
    from tuneport_vertex.emulator.custom_jobs import CustomCourse, CustomJob
    from tuneport_vertex.emulator.endpoints import Endpoint
    from tuneport_vertex.emulator.jobs import Job
    from tuneport_vertex.emulator.models import Model
    from tuneport_vertex.emulator.operations import Operation
    from tuneport_vertex.emulator.storage.buckets import Bucket


class Ids:
    """Numeric ids of 19 digits, as Vertex AI makes them; the same seed makes the same."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(f"vertex emulator {seed}")

    def new(self) -> str:
        return str(self._chance.randrange(10**18, 9 * 10**18))

    def word(self, prefix: str, length: int) -> str:
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-"
        return prefix + "".join(self._chance.choice(letters) for _ in range(length))


@dataclass(slots=True)
class World:
    """The state, and who may see what of it. Jobs are kept by their ids, other resources by their full names, with the project's number."""

    clock: Timepiece
    blobs: BlobStore
    bases: Mapping[str, Base]
    habits: Habits
    course_of: Callable[[int], Course]
    """The course of the n-th job, counted from 1."""
    serving: Serving
    ids: Ids
    custom_course_of: Callable[[int], CustomCourse]
    """The course of the n-th custom job, counted from 1."""
    projects: dict[str, Project] = field(default_factory=dict)
    directory: Directory = field(default_factory=Directory)
    buckets: dict[str, Bucket] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    unfinished: dict[str, list[Job]] = field(default_factory=dict)
    """The jobs of each project (by its id) that have not ended, in the order in which they were made."""
    models: dict[str, Model] = field(default_factory=dict)
    endpoints: dict[str, Endpoint] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    artifacts: dict[str, Job] = field(default_factory=dict)
    """The jobs whose weights lie in a bucket, by the address of their folder."""
    address: str = ""
    """Of the server that all of this is behind."""
    jobs_made: int = 0
    custom_jobs: dict[str, CustomJob] = field(default_factory=dict)
    custom_made: int = 0
    machines: Machines | None = None
    """What really runs custom jobs; without it they go by the clock alone."""
    generations: int = 0

    def now(self) -> datetime:
        return self.clock.now()

    def token(self, request: Request) -> Token:
        """The caller's. Raises Refusal."""
        value = bearer(request.headers)
        if value is None:
            raise refusals.no_credentials()
        token = self.directory.tokens.get(value)
        if token is None or not token.lives(self.now()):
            raise refusals.bad_credentials(expired=token is not None)
        return token

    def place(self, request: Request, permission: str, *, resource: str = "") -> Place:
        """Where the request is about, if its caller may do that there."""
        token, location = self.token(request), request.params["location"]
        name = f"projects/{request.params['project']}/locations/{location}{resource}"
        project = self.project(request.params["project"])
        if project is None or not token.may(permission, project):
            raise refusals.no_permission(permission, name)
        if AIPLATFORM not in project.services:
            raise refusals.api_off(project.id, service=AIPLATFORM, title=TITLES[AIPLATFORM])
        return Place(project, location)

    def project(self, name: str) -> Project | None:
        return next((project for project in self.projects.values() if project.is_called(name)), None)

    def full(self, name: str) -> str:
        """A resource name with the project's number in place of its id."""
        parts = name.split("/")
        project = self.project(parts[1]) if len(parts) > 1 and parts[0] == "projects" else None
        return name if project is None else "/".join(["projects", project.number, *parts[2:]])


@dataclass(frozen=True, slots=True)
class Place:
    """A project and a location in it."""

    project: Project
    location: str

    @property
    def name(self) -> str:
        return f"projects/{self.project.number}/locations/{self.location}"


def stamp(moment: datetime) -> str:
    """RFC 3339 with Z, in microseconds where there are any."""
    said = moment.astimezone(UTC).isoformat()
    return said.removesuffix("+00:00") + "Z"
