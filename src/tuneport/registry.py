"""The job registry: one SQLite file that knows every job and every intent, whatever happens to the processes that write it.

WAL with synchronous=FULL: a committed row survives kill -9 and a power cut. Every change is one transaction begun with BEGIN IMMEDIATE,
so any number of processes may write.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from tuneport.clock import Clock, SystemClock
from tuneport.errors import RegistryError
from tuneport.intent import OPEN, Intent, Phase
from tuneport.job import Job, JobState, Snapshot
from tuneport.redaction import without_secrets
from tuneport.registry_schema import open_database
from tuneport.uploaded_file import UploadedFile

_JOB_FIELDS = tuple(field.name for field in fields(Job))
_TIMES = frozenset({"created_at", "finished_at", "last_heard_at", "missing_since"})
_OVER = tuple(state.value for state in JobState if state.terminal)
_SAVE_JOB = (
    f"INSERT INTO jobs ({', '.join(_JOB_FIELDS)}) VALUES ({', '.join('?' for _ in _JOB_FIELDS)})"
    f" ON CONFLICT (uri) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _JOB_FIELDS if name != 'uri')}"
)
"""Updates in place: a row that is replaced gets a new rowid, and with it another place among jobs of the same time."""


class JobRegistry:
    """Opens (and creates or migrates) the registry in the folder `home`. Raises RegistryError and changes nothing if it cannot be used."""

    def __init__(self, home: Path, *, clock: Clock | None = None) -> None:
        self.home = home
        self._clock = clock or SystemClock()
        self._db = open_database(home)

    def close(self) -> None:
        """Closes the connection. What was committed stays."""
        self._db.close()

    def __enter__(self) -> JobRegistry:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            try:
                self._db.execute("BEGIN IMMEDIATE")  # inside: a Ctrl-C during the wait for it comes when it has begun
                yield self._db
                self._db.commit()
            except BaseException:
                self._db.rollback()
                raise
        except sqlite3.DatabaseError as error:
            raise RegistryError(f"the registry in {self.home} cannot be written: {error}.", remedy=_remedy(error)) from error

    def _rows(self, query: str, values: Iterable[Any] = ()) -> list[sqlite3.Row]:
        try:
            return self._db.execute(query, tuple(values)).fetchall()
        except sqlite3.DatabaseError as error:
            raise RegistryError(f"the registry in {self.home} cannot be read: {error}.", remedy=_remedy(error)) from error

    # intents

    def begin(self, intent: Intent) -> Intent:
        """Writes a new intent. Raises RegistryError if an open one of the same scope and plan exists (the database sees to it)."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO intents"
                " (client_id, provider, scope, plan_fingerprint, phase, created_at, plan, recipe, files, reason, job_uri)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    intent.client_id,
                    intent.provider,
                    intent.scope,
                    intent.plan_fingerprint,
                    intent.phase.value,
                    intent.created_at.isoformat(),
                    json.dumps(intent.plan, default=str),
                    json.dumps(intent.recipe, default=str),
                    json.dumps(intent.files),
                    intent.reason,
                    intent.job_uri,
                ),
            )
        return intent

    def advance(self, intent: Intent, phase: Phase, *, files: Mapping[str, str] | None = None, reason: str = "") -> Intent:
        """Moves an intent to `phase` and returns it as it is now. A `reason` may quote a provider, and is kept without secrets."""
        reason = without_secrets(reason)
        moved = replace(intent, phase=phase, files=dict(files) if files is not None else intent.files, reason=reason)
        with self._transaction() as db:
            db.execute(
                "UPDATE intents SET phase = ?, files = ?, reason = ? WHERE client_id = ? AND phase != 'created'",
                (phase.value, json.dumps(moved.files), reason, intent.client_id),
            )
        return moved

    def adopt(self, intent: Intent, snapshot: Snapshot, *, note: str = "") -> Job:
        """Records the job that `intent` led to: the job row and the intent's end in one transaction."""
        now = self._clock.now()
        with self._transaction() as db:
            uri = f"{intent.provider}:{snapshot.provider_id}"
            known = _job_in(db, uri)
            job = (known or _blank(uri, intent.provider, snapshot, intent.scope)).heard(snapshot, now)
            plan = intent.plan
            job = replace(
                job,
                client_id=intent.client_id,
                created_at=job.created_at or intent.created_at,
                base=plan.get("base") or job.base,
                method=plan.get("method") or job.method,
                plan_fingerprint=intent.plan_fingerprint,
                recipe_fingerprint=plan.get("recipe_fingerprint") or job.recipe_fingerprint,
                dataset_fingerprint=plan.get("dataset_fingerprint") or job.dataset_fingerprint,
                note=note or job.note,
            )
            _save(db, job)
            db.execute("UPDATE intents SET phase = 'created', job_uri = ?, reason = '' WHERE client_id = ?", (uri, intent.client_id))
        return job

    def open_intent(self, scope: str, plan_fingerprint: str) -> Intent | None:
        """The one open intent for this plan in this scope, if any."""
        where = f"scope = ? AND plan_fingerprint = ? AND phase IN ({_marks(OPEN)})"
        rows = self._rows(f"SELECT * FROM intents WHERE {where}", (scope, plan_fingerprint, *OPEN))
        return _intent(rows[0]) if rows else None

    def intent(self, client_id: str) -> Intent | None:
        """The intent with that client id."""
        rows = self._rows("SELECT * FROM intents WHERE client_id = ?", (client_id,))
        return _intent(rows[0]) if rows else None

    def intents(self, *, phases: Iterable[Phase] | None = None, provider: str | None = None) -> list[Intent]:
        """Intents, oldest first."""
        wanted = tuple(Phase if phases is None else phases)
        where = f"phase IN ({_marks(wanted)}) AND provider = coalesce(?, provider)"
        return [_intent(row) for row in self._rows(f"SELECT * FROM intents WHERE {where} ORDER BY created_at, rowid", (*wanted, provider))]

    def providers(self) -> set[str]:
        """Every provider that a job or an intent names."""
        return {row["provider"] for row in self._rows("SELECT provider FROM jobs UNION SELECT provider FROM intents")}

    # jobs

    def job(self, uri: str) -> Job | None:
        """The job with exactly that URI."""
        rows = self._rows("SELECT * FROM jobs WHERE uri = ?", (uri,))
        return _job(rows[0]) if rows else None

    def match(self, prefix: str) -> list[Job]:
        """Jobs whose URI, provider id or client id begins with `prefix`. A provider's name, with or without its colon, is no beginning:
        else nothing at all would name the only job there is."""
        _, colon, rest = prefix.partition(":")
        if not (rest if colon else prefix):
            return []
        like = prefix.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        columns = ("uri", "provider_id", "client_id") if colon else ("provider_id", "client_id")
        where = " OR ".join(f"{column} LIKE ? ESCAPE '\\'" for column in columns)
        return [_job(row) for row in self._rows(f"SELECT * FROM jobs WHERE {where}", [like] * len(columns))]

    def jobs(self, *, provider: str | None = None, live_only: bool = False) -> list[Job]:
        """Jobs, newest first."""
        over = _OVER if live_only else ()
        where = f"state NOT IN ({_marks(over)}) AND provider = coalesce(?, provider)"
        return [_job(row) for row in self._rows(f"SELECT * FROM jobs WHERE {where} {_NEWEST_FIRST}", (*over, provider))]

    def live_jobs(self, scope: str, plan_fingerprint: str) -> list[Job]:
        """The jobs of this plan in this scope that have not ended, newest first. A missing one counts: it may only be out of sight."""
        where = f"scope = ? AND plan_fingerprint = ? AND state NOT IN ({_marks(_OVER)})"
        return [_job(row) for row in self._rows(f"SELECT * FROM jobs WHERE {where} {_NEWEST_FIRST}", (scope, plan_fingerprint, *_OVER))]

    def add(self, provider: str, scope: str, snapshot: Snapshot) -> Job:
        """Records a job that was not submitted from here (or updates the one we have)."""
        now = self._clock.now()
        uri = f"{provider}:{snapshot.provider_id}"
        with self._transaction() as db:
            known = _job_in(db, uri) or replace(
                _blank(uri, provider, snapshot, scope), client_id=snapshot.client_id, plan_fingerprint=snapshot.plan_fingerprint
            )
            job = known.heard(snapshot, now)
            _save(db, job)
        return job

    def record(self, provider: str, asked: Iterable[str], snapshots: Mapping[str, Snapshot]) -> list[Job]:
        """Writes down what a provider answered about the jobs with the ids `asked`; an id without a snapshot is one it does not know.

        Returns the jobs as they are now, in the order asked. Ids that the registry does not know are passed over.
        """
        now = self._clock.now()

        def after(job: Job) -> Job:
            snapshot = snapshots.get(job.provider_id or "")
            return job.heard(snapshot, now) if snapshot else job.unheard(now)

        return self._change([f"{provider}:{provider_id}" for provider_id in asked], after)

    def update(self, uri: str, change: Callable[[Job], Job]) -> Job | None:
        """Applies `change` to one job inside a transaction; a terminal state stays whatever `change` says."""
        changed = self._change([uri], change)
        return changed[0] if changed else None

    def _change(self, uris: list[str], change: Callable[[Job], Job]) -> list[Job]:
        changed: list[Job] = []
        with self._transaction() as db:
            known = _jobs_in(db, uris)
            for uri in uris:
                if (job := known.get(uri)) is not None:
                    new = change(job)
                    changed.append(replace(new, state=job.state, provider_state=job.provider_state) if job.state.terminal else new)
            db.executemany(_SAVE_JOB, [_values(job) for job in changed if job != known[job.uri]])
        return changed

    # files

    def file(self, scope: str, purpose: str, sha256: str) -> tuple[bool, str | None]:
        """(whether an upload was ever begun, the provider's id if it is known)."""
        rows = self._rows("SELECT file_id FROM files WHERE scope = ? AND purpose = ? AND sha256 = ?", (scope, purpose, sha256))
        return (True, rows[0]["file_id"]) if rows else (False, None)

    def remember_file(self, scope: str, purpose: str, sha256: str, *, file_id: str | None) -> None:
        """Notes that an upload begins (`file_id` None) or that it has that id."""
        with self._transaction() as db:
            db.execute(
                "INSERT INTO files (scope, purpose, sha256, file_id, at) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT (scope, purpose, sha256) DO UPDATE SET file_id = excluded.file_id, at = excluded.at",
                (scope, purpose, sha256, file_id, self._clock.now().isoformat()),
            )

    def uploads(self, scope: str) -> list[UploadedFile]:
        """The uploads into that scope, the longest unused first."""
        rows = self._rows("SELECT * FROM files WHERE scope = ? ORDER BY at, rowid", (scope,))
        return [
            UploadedFile(scope, row["purpose"], row["sha256"], file_id=row["file_id"], used_at=datetime.fromisoformat(row["at"]))
            for row in rows
        ]

    def forget_upload(self, upload: UploadedFile) -> None:
        """Forgets an upload that is no longer there, unless it has been uploaded anew meanwhile."""
        with self._transaction() as db:
            db.execute(
                "DELETE FROM files WHERE scope = ? AND purpose = ? AND sha256 = ? AND file_id IS ?",
                (upload.scope, upload.purpose, upload.sha256, upload.file_id),
            )


_NEWEST_FIRST = "ORDER BY created_at DESC, rowid DESC"


def _marks(values: Sequence[object]) -> str:
    """A placeholder for each value of an SQL list."""
    return ", ".join("?" for _ in values)


def _remedy(error: sqlite3.DatabaseError) -> str:
    if "locked" in str(error) or "busy" in str(error):
        return "Another process holds it; try again."
    if "full" in str(error):
        return "Free some disk space."
    return "It was left as it is; restore it from a copy or move it away."


def _when(value: str | None) -> datetime | None:
    return datetime.fromisoformat(value) if value else None


def _intent(row: sqlite3.Row) -> Intent:
    return Intent(
        client_id=row["client_id"],
        provider=row["provider"],
        scope=row["scope"],
        plan_fingerprint=row["plan_fingerprint"],
        phase=Phase(row["phase"]),
        created_at=datetime.fromisoformat(row["created_at"]),
        plan=json.loads(row["plan"]),
        recipe=json.loads(row["recipe"]),
        files=json.loads(row["files"]),
        reason=row["reason"],
        job_uri=row["job_uri"],
    )


def _job(row: sqlite3.Row) -> Job:
    values = {name: row[name] for name in _JOB_FIELDS}
    values |= {name: _when(values[name]) for name in _TIMES}
    values["state"] = JobState(values["state"])
    values["partial"] = bool(values["partial"])
    return Job(**values)


def _values(job: Job) -> tuple[Any, ...]:
    values = ((name, getattr(job, name)) for name in _JOB_FIELDS)
    return tuple(value.isoformat() if name in _TIMES and value else value for name, value in values)


def _save(db: sqlite3.Connection, job: Job) -> None:
    db.execute(_SAVE_JOB, _values(job))


def _job_in(db: sqlite3.Connection, uri: str) -> Job | None:
    return _jobs_in(db, [uri]).get(uri)


def _jobs_in(db: sqlite3.Connection, uris: list[str]) -> dict[str, Job]:
    found: dict[str, Job] = {}
    for start in range(0, len(uris), 500):
        some = uris[start : start + 500]
        query = f"SELECT * FROM jobs WHERE uri IN ({_marks(some)})"
        found |= {row["uri"]: _job(row) for row in db.execute(query, some)}
    return found


def _blank(uri: str, provider: str, snapshot: Snapshot, scope: str) -> Job:
    return Job(uri=uri, provider=provider, provider_id=snapshot.provider_id, state=JobState.CREATED, scope=scope)
