"""Archiving one job: what is recorded here first, then what its provider still says and gives, piece by piece.

A piece that cannot be had is named with its reason, and the others are taken. A provider that does not answer is asked nothing more.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneport.archive.answers import Asking, take_answers
from tuneport.archive.bundle import Bundle
from tuneport.archive.plain import document, lines
from tuneport.archive.rows import RowsOfJob, sent_files
from tuneport.clock import Clock
from tuneport.errors import (
    ConfigError,
    CredentialsRefused,
    NotFound,
    Refused,
    TuneportError,
    Unreachable,
    Unsupported,
    worst_exit_code,
)
from tuneport.intent import Intent
from tuneport.job import Job
from tuneport.provider import ReturnsFiles
from tuneport.registry import JobRegistry
from tuneport.retry import reading

if TYPE_CHECKING:
    from tuneport.provider import Server, Trainer

ATTEMPTS = 4
_RECORD, _MODEL, _HERE = "record.json", "model.json", "the registry"


@dataclass(frozen=True, slots=True)
class Origins:
    """Where the pieces of an archive come from. `trainer` and `server` open a provider by its name."""

    registry: JobRegistry
    trainer: Callable[[str], Trainer]
    server: Callable[[str], Server]
    clock: Clock


@dataclass(frozen=True, slots=True)
class Archived:
    """What became of one job's archive: the pieces taken now, those that were there, what is missing and why, and what went wrong."""

    job: Job
    folder: Path
    taken: tuple[str, ...]
    kept: tuple[str, ...]
    missing: dict[str, str]
    errors: tuple[TuneportError, ...]

    @property
    def exit_code(self) -> int:
        """0 also where something is missing for good: what the vendor does not give is nobody's failure."""
        return worst_exit_code(error.exit_code for error in self.errors)


def archive_job(job: Job, to: Path, *, origins: Origins, asking: Asking | None = None, attempts: int = ATTEMPTS) -> Archived:
    """Writes or completes the bundle of `job` in the folder `to`. `attempts` is how often a provider that gives no answer is asked.

    Failures of the provider are among the result's `errors`. Raises ConfigError where nothing can be written.
    """
    with _writing(to):
        work = _Work(Bundle(to, job, now=origins.clock.now), job, origins, attempts)
        try:
            _recorded(work)
            _from_provider(work, asking)
        finally:
            work.bundle.finish()
    missing = dict(work.bundle.missing)
    return Archived(job, work.bundle.folder, tuple(work.taken), tuple(work.kept), missing, tuple(work.errors))


@contextmanager
def _writing(to: Path) -> Iterator[None]:
    try:
        yield
    except TuneportError:  # some of ours are also OSErrors
        raise
    except OSError as error:
        raise ConfigError(
            f"the archive in {to} cannot be written: {error.strerror or error}.",
            remedy="Free some space or rights there; it can be resumed.",
        ) from None


@dataclass(slots=True)
class _Work:
    bundle: Bundle
    job: Job
    origins: Origins
    attempts: int
    taken: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    errors: list[TuneportError] = field(default_factory=list)
    silent: TuneportError | None = None

    @property
    def intent(self) -> Intent | None:
        """The submit that the job came of, where it was made here."""
        return self.origins.registry.intent(self.job.client_id) if self.job.client_id else None

    def piece(self, name: str, take: Callable[[], object], *, asks: bool = True) -> None:
        """Takes a piece unless it is there for good. `take` puts it into the bundle, or raises why it cannot be had; one that `asks` the
        provider is left out once that gives no answer."""
        if self.bundle.has(name):
            self.kept.append(name)
            return
        try:
            if asks and self.silent is not None:
                raise self.silent
            reading(take, clock=self.origins.clock, attempts=self.attempts if asks else 1)
        except TuneportError as error:
            self.bundle.lacks(name, error.message)
            self._note(error)
        else:
            self.taken.append(name)

    def _note(self, error: TuneportError) -> None:
        if error is self.silent or isinstance(error, Unsupported | NotFound):
            return
        if isinstance(error, Refused) and not isinstance(error, CredentialsRefused):
            return
        self.errors.append(error)
        if isinstance(error, Unreachable):
            self.silent = error

    def put(self, name: str, file: str, value: Any, *, origin: str, final: bool = True) -> None:
        """One JSON document as a piece."""
        self.bundle.put(name, file, (document(value),), origin=origin, final=final)


def _recorded(work: _Work) -> None:
    """What this registry knows, which needs no provider."""
    job, intent = work.job, work.intent
    known = {"recipe": intent.recipe, "plan": intent.plan} if intent else {}
    work.piece("job", lambda: work.put("job", "job.json", job, origin=_HERE, final=job.state.terminal), asks=False)
    for name in ("recipe", "plan"):
        work.piece(name, lambda: _put_known(work, name, known.get(name)), asks=False)  # noqa: B023 - called at once
    if intent:
        work.piece("hyperparameters", lambda: _put_known(work, "hyperparameters", intent.plan.get("hyperparameters")), asks=False)


def _put_known(work: _Work, name: str, value: Any) -> None:
    if value is None:
        raise NotFound("the job was not submitted from here, so it is not known.")
    work.put(name, f"{name}.json", value, origin=_HERE)


def _from_provider(work: _Work, asking: Asking | None) -> None:
    """What the provider says and gives. Where it cannot even be opened, each piece says so."""
    there = _Provider(work)
    work.piece("record", there.record)
    work.piece("model", there.model)
    if work.intent is None:
        work.piece("hyperparameters", there.hyperparameters, asks=False)
    work.piece("events", lambda: there.lines_of("events", there.trainer.events(there.job_id)))
    work.piece("metrics", lambda: there.lines_of("metrics", there.trainer.metrics(there.job_id)))
    there.rows()
    work.piece("download", there.download)
    if asking is not None:
        there.answers(asking)


class _Provider:
    """The job's provider, as the source of pieces."""

    def __init__(self, work: _Work) -> None:
        self.work = work
        self.name, self.job_id = work.job.provider, work.job.provider_id or ""
        self.final = work.job.state.terminal
        try:
            self.trainer = self._opened()
        except TuneportError as error:
            work.silent = error
            work.errors.append(error)

    def _opened(self) -> Trainer:
        from tuneport.poll import wrong_scope

        trainer = self.work.origins.trainer(self.name)
        if (elsewhere := wrong_scope(self.work.job, trainer.scope())) is not None:
            raise elsewhere
        return trainer

    def record(self) -> None:
        found = self.trainer.fetch([self.job_id]).get(self.job_id)
        if found is None:
            raise NotFound(f"{self.name} no longer knows this job.")
        self.work.put("record", _RECORD, found, origin=self.name, final=self.final)

    def model(self) -> None:
        self.work.put("model", _MODEL, self.trainer.result(self.job_id), origin=self.name, final=self.final)

    def hyperparameters(self) -> None:
        """As the provider tells them of the tuned model."""
        found = self._taken("model", _MODEL).get("details", {}).get("hyperparameters")
        if not found:
            raise NotFound(f"the job was not submitted from here, and {self.name} does not say them.")
        self.work.put("hyperparameters", "hyperparameters.json", found, origin=self.name, final=self.final)

    def lines_of(self, name: str, values: Iterable[Any]) -> None:
        self.work.bundle.put(name, f"{name}.jsonl", lines(values), origin=self.name, final=self.final)

    def download(self) -> None:
        def fill(folder: Path) -> None:
            self.trainer.download(self.job_id, folder)

        self.work.bundle.put_folder("download", "download", fill, origin=self.name, final=self.final)

    def rows(self) -> None:
        work, content = self.work, None
        why_not = f"{self.name} does not give uploaded files back."
        if work.silent is not None:
            why_not = work.silent.message
        elif isinstance(self.trainer, ReturnsFiles):
            content = self.trainer.file_content
        source = RowsOfJob(
            work.job, work.intent, content, why_not, lambda take: reading(take, clock=work.origins.clock, attempts=work.attempts)
        )
        for file in sent_files(work.intent, self._file_ids()):
            work.piece(file.purpose, lambda: source.take(file, into=work.bundle), asks=False)  # noqa: B023 - called at once

    def _file_ids(self) -> Mapping[str, str]:
        """The provider's ids of the job's files, as its record has them."""
        return dict(self._taken("record", _RECORD).get("files") or {})

    def _taken(self, piece: str, file: str) -> Mapping[str, Any]:
        """What was taken of the provider before, now or in an earlier run; nothing where it could not be had."""
        path = self.work.bundle.folder / file
        return dict(json.loads(path.read_bytes())) if self.work.bundle.entries(piece) and path.is_file() else {}

    def answers(self, asking: Asking) -> None:
        def ask() -> None:
            model = self.trainer.result(self.job_id)
            take_answers(asking, model, server=self.work.origins.server(model.provider), into=self.work.bundle)

        if self.work.job.model is None:
            self.work.bundle.lacks(asking.piece, "there is no tuned model to ask.")
        else:
            self.work.piece(asking.piece, ask)
