"""All that there is: one workspace with its jobs, data, blobs and models, and the identities that may ask."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tuneport.testing.emulator import Blob, BlobStore, Timepiece
from tuneport_azureml.emulator.commands import CommandJob
from tuneport_azureml.emulator.courses import Course
from tuneport_azureml.emulator.habits import Habits
from tuneport_azureml.emulator.shelf import Serving, Shelf

READ, WRITE, SECRETS = "read", "write", "secrets"
ROLES: Mapping[str, frozenset[str]] = {
    "scientist": frozenset({READ, WRITE, SECRETS}),
    "reader": frozenset({READ}),
    "nobody": frozenset(),
}
"""AzureML Data Scientist, Reader, and an identity without a role."""
ARM, STORAGE = "https://management.azure.com", "https://storage.azure.com"
WORKSPACE_ID = "00000000-0000-4000-8000-000000000001"
ENDED = frozenset({"Completed", "Failed", "Canceled"})


@dataclass(frozen=True, slots=True)
class Token:
    """`audience`: whom it is for, ARM or STORAGE. `tenant_right` False: it is of another tenant than the subscription."""

    value: str
    principal: str
    may: frozenset[str]
    expires_at: datetime
    audience: str
    tenant_right: bool = True


@dataclass(frozen=True, slots=True)
class Place:
    """Where a workspace stands, as paths name it."""

    subscription: str
    group: str
    workspace: str

    @property
    def id(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )


@dataclass(slots=True)
class Job:
    """`properties` as they were asked for last; `first` as at the creation. `problem` of its data ends it while it is prepared."""

    name: str
    properties: dict[str, Any]
    first: dict[str, Any]
    created_at: datetime
    course: Course
    rows: int
    steps: int
    problem: str = ""
    cancelled_at: datetime | None = None
    puts: int = 1

    def status(self, now: datetime) -> str:
        return self.standing(now)[0]

    def standing(self, now: datetime) -> tuple[str, datetime | None]:
        """The word of that moment, and when the run ended, if it has."""
        if self.cancelled_at is not None:
            before = self._uncancelled(self.cancelled_at)
            if before[0] in ENDED:
                return before
            end = self.cancelled_at + timedelta(seconds=self.course.cancelling_s)
            return ("Canceled", end) if now >= end else ("CancelRequested", None)
        return self._uncancelled(now)

    def started_at(self, now: datetime) -> datetime | None:
        at = self.created_at + timedelta(seconds=self.course.before_running_s)
        end = self.standing(now)[1]
        stopped = self.cancelled_at if self.cancelled_at is not None else end
        return at if at <= now and (stopped is None or stopped >= at) else None

    def share(self, now: datetime) -> float:
        """How much of the training is done."""
        at = self.started_at(now)
        end = self.cancelled_at or self.standing(now)[1] or now
        return 0.0 if at is None else min(1.0, max(0.0, (min(end, now) - at).total_seconds() / max(self.course.running_s, 1e-9)))

    def _uncancelled(self, now: datetime) -> tuple[str, datetime | None]:
        passed, at = (now - self.created_at).total_seconds(), 0.0
        for word, length in self.course.phases():
            at += length
            if passed < at:
                return word, None
            if word == "Preparing" and self.problem:
                return "Failed", self.created_at + timedelta(seconds=at)
        return self.course.ends, self.created_at + timedelta(seconds=at)


@dataclass(slots=True)
class Asset:
    """A version of a data asset."""

    name: str
    version: str
    properties: dict[str, Any]
    created_at: datetime


@dataclass(slots=True)
class World:
    """`models` and `shared_environments` are asset ids of the registries; `quotas` cores by family of machines; `blobs` lie in the one
    container, or in one of `uploads`, which are each made for a single upload. `begin` is what runs command jobs, where they really run."""

    clock: Timepiece
    store: BlobStore
    place: Place
    habits: Habits
    course_of: Callable[[int], Course]
    seed: int
    account: str
    container: str
    address: str = ""
    region: str = "westeurope"
    datastore: str = "workspaceblobstore"
    low_priority_cores: int = 96
    tokens: dict[str, Token] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    assets: dict[tuple[str, str], Asset] = field(default_factory=dict)
    blobs: dict[str, Blob] = field(default_factory=dict)
    staged: dict[str, dict[str, Blob]] = field(default_factory=dict)
    signatures: dict[str, datetime] = field(default_factory=dict)
    models: set[str] = field(default_factory=set)
    commands: dict[str, CommandJob] = field(default_factory=dict)
    codes: dict[tuple[str, str], Asset] = field(default_factory=dict)
    environments: dict[tuple[str, str], Asset] = field(default_factory=dict)
    shared_environments: set[str] = field(default_factory=set)
    uploads: set[str] = field(default_factory=set)
    begin: Callable[[CommandJob], None] | None = None
    computes: dict[str, str] = field(default_factory=dict)
    quotas: dict[str, int] = field(default_factory=dict)
    served_regions: frozenset[str] | None = None
    connected_to_openai: bool = True
    shelf: Shelf = field(default_factory=Shelf)
    serving: Serving = field(default_factory=Serving)
    _drawn: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._drawn = random.Random(f"azureml {self.seed}")

    def now(self) -> datetime:
        return self.clock.now()

    def has_container(self, name: str) -> bool:
        return name == self.container or name in self.uploads

    def word(self, head: str, length: int) -> str:
        return head + "".join(self._drawn.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=length))

    def sign(self, life_s: float = 3600.0) -> str:
        """A new signature of the container, as the query of an address."""
        value = self.word("", 43)
        self.signatures[value] = self.now() + timedelta(seconds=life_s)
        return f"sv=2024-11-04&sr=c&sp=racwl&sig={value}"


def blob_key(world: World, container: str, path: str) -> str:
    """What a blob goes by in the world: the container of the data is not named."""
    return path if container == world.container else f"{container}:{path}"


SIZES = {
    "Standard_NC24ads_A100_v4": ("standardNCADSA100v4Family", 24, 1, 3.673),
    "Standard_NC96ads_A100_v4": ("standardNCADSA100v4Family", 96, 4, 14.692),
    "Standard_NC6s_v3": ("standardNCSv3Family", 6, 1, 3.06),
    "Standard_E4s_v3": ("standardESv3Family", 4, 0, 0.252),
}
"""Machines of the emulated region: family, cores, GPUs, and an invented price an hour."""
