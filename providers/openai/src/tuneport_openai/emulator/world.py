"""Everything the emulated platform remembers: organisations, files, uploads, jobs and tuned models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from tuneport.testing.emulator import Account, Blob, BlobStore, KeyRing, Request, Timepiece
from tuneport.testing.emulator.keys import bearer
from tuneport_openai.emulator import refusals
from tuneport_openai.emulator.bases import Base
from tuneport_openai.emulator.courses import Course
from tuneport_openai.emulator.habits import Habits
from tuneport_openai.emulator.ids import Ids
from tuneport_openai.emulator.organisations import Organisation

if TYPE_CHECKING:
    from tuneport_openai.emulator.jobs import Job
    from tuneport_openai.emulator.memory import Memory
    from tuneport_openai.emulator.uploads import Upload


@dataclass(slots=True)
class StoredFile:
    """A file of the Files API. `problem` is found when it is processed; None: nothing is wrong with it."""

    id: str
    owner: Account
    blob: Blob
    filename: str
    purpose: str
    created_at: datetime
    ready_at: datetime
    expires_at: datetime | None = None
    problem: str | None = None
    looked_at: bool = False


@dataclass(slots=True)
class TunedModel:
    """A model that training left behind; a checkpoint has seen only `share` of the training."""

    name: str
    job: Job
    share: float
    created_at: datetime
    memory: Memory | None = None


@dataclass(slots=True)
class World:
    """The state, and who may see what of it."""

    clock: Timepiece
    blobs: BlobStore
    bases: Mapping[str, Base]
    habits: Habits
    course_of: Callable[[int], Course]
    """The course of the n-th job, counted from 1."""
    ids: Ids
    keys: KeyRing = field(default_factory=KeyRing)
    organisations: dict[str, Organisation] = field(default_factory=dict)
    files: dict[str, StoredFile] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    models: dict[str, TunedModel] = field(default_factory=dict)
    jobs_made: int = 0

    def now(self) -> datetime:
        return self.clock.now()

    def caller(self, request: Request) -> Account:
        account = self.keys.account(bearer(request.headers) or "")
        if account is None:
            raise refusals.no_key()
        return account

    def organisation(self, account: Account) -> Organisation:
        return self.organisations[account.organisation]

    def file(self, account: Account, file_id: str) -> StoredFile | None:
        """The file, if it is there and the caller's project owns it."""
        found = self.files.get(file_id)
        if found is None or found.owner.project != account.project:
            return None
        if found.expires_at is not None and found.expires_at <= self.now():
            del self.files[file_id]
            return None
        return found

    def job(self, account: Account, job_id: str) -> Job:
        found = self.jobs.get(job_id)
        if found is None or found.owner.project != account.project:
            raise refusals.no_job(job_id)
        return found

    def tuned(self, account: Account, name: str) -> TunedModel | None:
        """The tuned model, if it is there and the caller's project owns it."""
        model = self.models.get(name)
        return model if model is not None and model.job.owner.project == account.project else None


def unix(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
