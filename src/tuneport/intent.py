"""Intents: the row that is written before anything is sent, and that outlives every crash."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Phase(StrEnum):
    """How far a submit has come.

    intended   nothing that could create a job has been sent, or the provider said that nothing was created
    creating   the create was about to be sent or has been sent: whether the job exists is not known
    uncertain  we looked for the job and did not find it; it may still appear
    created    the job is known
    failed     refused, or given up before anything was sent: there is no job
    abandoned  the user decided to create anew; should the job appear after all, `jobs sync` records it
    """

    INTENDED = "intended"
    CREATING = "creating"
    UNCERTAIN = "uncertain"
    CREATED = "created"
    FAILED = "failed"
    ABANDONED = "abandoned"

    @property
    def open(self) -> bool:
        """True while a new submit of the same plan must settle this one first."""
        return self in OPEN


OPEN = (Phase.INTENDED, Phase.CREATING, Phase.UNCERTAIN)
"""The phases in which a submit is not settled."""


@dataclass(frozen=True, slots=True)
class Intent:
    """One submit. `plan` is `Plan.to_dict()`, `files` maps purposes to the provider's file ids once they are known."""

    client_id: str
    provider: str
    scope: str
    plan_fingerprint: str
    phase: Phase
    created_at: datetime
    plan: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    job_uri: str | None = None
