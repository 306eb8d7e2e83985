"""Deleting at the providers what was uploaded from here and no live job uses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from tuneport.clock import Clock
from tuneport.errors import NotFound, TuneportError, Unreachable, Unsupported
from tuneport.intent import OPEN
from tuneport.plan import PlannedFile
from tuneport.provider import CleansFiles
from tuneport.registry import JobRegistry
from tuneport.retry import reading
from tuneport.uploaded_file import UploadedFile

if TYPE_CHECKING:
    from tuneport.provider import Trainer


@dataclass(frozen=True, slots=True)
class IdleFile:
    """An uploaded file that no live job uses. `size_bytes` is None where it is not known here; `age` is since it was last used.

    `uploads` are the registry's rows of it: a file can serve several purposes.
    """

    provider: str
    file_id: str
    name: str
    size_bytes: int | None
    age: timedelta
    uploads: tuple[UploadedFile, ...]


@dataclass(frozen=True, slots=True)
class Deletion:
    """What became of one file. Without `error` it is gone; `was_gone`: it had been before."""

    file: IdleFile
    was_gone: bool = False
    error: TuneportError | None = None


def idle_files(provider: str, trainer: Trainer, *, registry: JobRegistry, clock: Clock, older_than: timedelta) -> list[IdleFile]:
    """The files uploaded from here that no live job uses and that were last used longer than `older_than` ago, the oldest first.

    The provider is asked for live jobs too: those of another machine may use the same files. Raises Unsupported where files cannot be
    deleted, and what the provider's refusal or silence is.
    """
    if not isinstance(trainer, CleansFiles):
        raise Unsupported(f"{provider} has no way to delete uploaded files from here.")
    scope, now = trainer.scope(), clock.now()
    sizes, busy = _planned_sizes(registry, provider), _in_use_here(registry, scope)
    found: dict[str, IdleFile] = {}
    for upload in registry.uploads(scope):
        if upload.sha256 in busy or (file_id := _id_of(upload, trainer, sizes, clock)) is None:
            continue
        one = IdleFile(provider, file_id, upload.name, sizes.get(upload.sha256), now - upload.used_at, (upload,))
        if (same := found.get(file_id)) is not None:
            one = replace(one, age=min(one.age, same.age), uploads=(*same.uploads, upload))
        found[file_id] = one
    used = (busy | _in_use_there(trainer, clock)) if found else busy
    idle = [each for each in found.values() if each.file_id not in used and each.age >= older_than]
    return sorted(idle, key=lambda each: each.age, reverse=True)


def _planned_sizes(registry: JobRegistry, provider: str) -> dict[str, int]:
    """Bytes of the files of every submit from here, by their sha256."""
    plans = (intent.plan for intent in registry.intents(provider=provider))
    return {each["sha256"]: int(each["size_bytes"]) for plan in plans for each in plan.get("files", ())}


def _in_use_here(registry: JobRegistry, scope: str) -> set[str]:
    """Ids and digests of the files of live jobs and of submits that are not settled."""
    live = {job.client_id for job in registry.jobs(live_only=True)}
    used: set[str] = set()
    for intent in registry.intents():
        if intent.scope == scope and (intent.client_id in live or intent.phase in OPEN):
            used |= {*intent.files.values(), *(each["sha256"] for each in intent.plan.get("files", ()))}
    return used


def _in_use_there(trainer: Trainer, clock: Clock) -> set[str]:
    jobs = reading(lambda: list(trainer.list()), clock=clock)
    return {file_id for job in jobs if not job.state.terminal for file_id in job.files.values()}


def _id_of(upload: UploadedFile, trainer: Trainer, sizes: dict[str, int], clock: Clock) -> str | None:
    """The file's id; one whose upload got no answer is looked for by its name and size."""
    if upload.file_id is not None or upload.sha256 not in sizes:
        return upload.file_id
    file = PlannedFile(upload.purpose, upload.sha256, sizes[upload.sha256], 0, chunks=lambda: iter(()))
    return reading(lambda: trainer.find_file(file), clock=clock)


def delete_files(files: list[IdleFile], *, trainer: Callable[[str], Trainer], registry: JobRegistry) -> Iterator[Deletion]:
    """Deletes the files one by one and forgets them. A provider that gives no answer is asked no more; its other files stay."""
    silent: dict[str, TuneportError] = {}
    for file in files:
        done = Deletion(file, error=silent[file.provider]) if file.provider in silent else _delete(file, trainer)
        if isinstance(done.error, Unreachable):
            silent[file.provider] = done.error
        if done.error is None:
            for upload in file.uploads:
                registry.forget_upload(upload)
        yield done


def _delete(file: IdleFile, trainer: Callable[[str], Trainer]) -> Deletion:
    try:
        cleaner = trainer(file.provider)
        assert isinstance(cleaner, CleansFiles)  # `idle_files` lists none of others
        cleaner.delete_file(file.file_id)
    except NotFound:
        return Deletion(file, was_gone=True)
    except TuneportError as error:
        return Deletion(file, error=error)
    return Deletion(file)
