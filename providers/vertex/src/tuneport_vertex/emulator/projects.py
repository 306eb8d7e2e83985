"""Projects, and the access tokens that may do something in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

AIPLATFORM, STORAGE = "aiplatform.googleapis.com", "storage.googleapis.com"
TITLES: Mapping[str, str] = {AIPLATFORM: "Agent Platform API", STORAGE: "Cloud Storage API"}
ROLES: Mapping[str, frozenset[str]] = {
    "owner": frozenset({"aiplatform.", "storage.", "serviceusage.", "iam."}),
    "user": frozenset({"aiplatform.", "storage."}),
    "tuner": frozenset({"aiplatform.tuningJobs.", "aiplatform.models.", "aiplatform.endpoints.", "aiplatform.operations.", "storage."}),
    "viewer": frozenset(),
    "nobody": frozenset(),
}
"""Permissions by their beginnings; every role but `nobody` may look."""
LOOKS = (".get", ".list", ".getIamPolicy")


@dataclass(slots=True)
class Project:
    """A project: its id as people write it, and the number that resource names carry."""

    id: str
    number: str
    services: set[str] = field(default_factory=lambda: {AIPLATFORM, STORAGE})
    concurrent_jobs: int | None = None
    """Its own quota, where that is not the habit."""
    gpus: dict[str, int] = field(default_factory=lambda: {"NVIDIA_L4": 8, "NVIDIA_A100_80GB": 8, "NVIDIA_H100_80GB": 8})
    """How many of each accelerator may serve in one region at the same time; of others none."""
    training_gpus: dict[str, int] = field(default_factory=lambda: {"NVIDIA_TESLA_T4": 4, "NVIDIA_L4": 8, "NVIDIA_A100_80GB": 8})
    """Likewise of custom jobs."""

    def is_called(self, name: str) -> bool:
        return name in (self.id, self.number)


@dataclass(frozen=True, slots=True)
class Token:
    """An access token. `projects` None: all of them."""

    value: str
    email: str
    role: str
    expires_at: datetime
    projects: frozenset[str] | None = None
    without: frozenset[str] = frozenset()

    def may(self, permission: str, project: Project) -> bool:
        if self.role == "nobody" or (self.projects is not None and project.id not in self.projects):
            return False
        if permission in self.without:
            return False
        return permission.endswith(LOOKS) or any(permission.startswith(allowed) for allowed in ROLES[self.role])

    def lives(self, now: datetime) -> bool:
        return now < self.expires_at


@dataclass(slots=True)
class Directory:
    """The tokens that have been issued."""

    tokens: dict[str, Token] = field(default_factory=dict)

    def issue(self, token: Token) -> str:
        self.tokens[token.value] = token
        return token.value
