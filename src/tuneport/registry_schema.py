"""The registry's file: where it may lie, its tables, and how an older one becomes today's."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tuneport.errors import RegistryError

FILE_NAME = "registry.sqlite3"
APPLICATION_ID = 0x54504F52  # 'TPOR': tells our file from any other SQLite database
NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "fuse.sshfs", "fuse.s3fs", "fuse.gcsfuse", "fuse.blobfuse", "lustre", "ceph"}
)

_MIGRATIONS: tuple[str, ...] = (
    """
    CREATE TABLE intents (
        client_id TEXT PRIMARY KEY, provider TEXT NOT NULL, scope TEXT NOT NULL, plan_fingerprint TEXT NOT NULL,
        phase TEXT NOT NULL, created_at TEXT NOT NULL, plan TEXT NOT NULL, recipe TEXT NOT NULL, files TEXT NOT NULL,
        reason TEXT NOT NULL DEFAULT '', job_uri TEXT
    );
    CREATE UNIQUE INDEX one_open_intent ON intents (scope, plan_fingerprint) WHERE phase IN ('intended', 'creating', 'uncertain');
    CREATE TABLE jobs (
        uri TEXT PRIMARY KEY, provider TEXT NOT NULL, provider_id TEXT, state TEXT NOT NULL, provider_state TEXT NOT NULL,
        detail TEXT NOT NULL, client_id TEXT, scope TEXT NOT NULL, created_at TEXT, finished_at TEXT, last_heard_at TEXT,
        missing_since TEXT, base TEXT, method TEXT, model TEXT, cost TEXT, error TEXT, partial INTEGER NOT NULL, attempt INTEGER NOT NULL,
        plan_fingerprint TEXT, recipe_fingerprint TEXT, dataset_fingerprint TEXT, note TEXT NOT NULL
    );
    CREATE INDEX jobs_by_plan ON jobs (scope, plan_fingerprint);
    CREATE INDEX jobs_by_client ON jobs (client_id);
    CREATE TABLE files (
        scope TEXT NOT NULL, purpose TEXT NOT NULL, sha256 TEXT NOT NULL, file_id TEXT, at TEXT NOT NULL,
        PRIMARY KEY (scope, purpose, sha256)
    );
    """,
)
"""Step n takes a file from version n to n + 1. Steps are only ever added."""

VERSION = len(_MIGRATIONS)


def open_database(home: Path, *, busy_timeout_s: float = 30.0) -> sqlite3.Connection:
    """A connection to the registry in `home`, made or migrated if need be.

    Raises RegistryError, having changed nothing, when the folder cannot be written, lies on a network file system (SQLite's locks do not
    hold there), or when the file is not a registry, is damaged, or was written by a newer version.
    """
    path = home / FILE_NAME
    _make_folder(home)
    kind = file_system(home)
    if kind in NETWORK_FILE_SYSTEMS:
        raise RegistryError(
            f"{home} is on a network file system ({kind}), where SQLite's locks do not hold.", remedy="Set TUNEPORT_HOME to a local folder."
        )
    try:
        db = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    except sqlite3.DatabaseError as error:
        raise RegistryError(f"{path} cannot be opened: {error}.", remedy="Set TUNEPORT_HOME to a folder you can write to.") from error
    try:
        db.row_factory = sqlite3.Row
        _prepare(db, path, timeout_s=busy_timeout_s)
    except sqlite3.DatabaseError as error:
        db.close()
        raise RegistryError(
            f"{path} cannot be used: {error}.", remedy="It was left as it is; restore it from a copy or move it away."
        ) from error
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path, *, timeout_s: float) -> None:
    """Makes today's tables. One process at a time: the change to WAL needs the file for itself and does not wait for it."""
    new = not path.stat().st_size
    if new or _version(db, path) < VERSION or not _in_wal_mode(db):
        with _making(path, timeout_s=timeout_s):
            if not _in_wal_mode(db):
                db.execute("PRAGMA journal_mode = WAL")
            if _version(db, path) < VERSION:
                _migrate(db, path)
    db.execute("PRAGMA synchronous = FULL")


def _in_wal_mode(db: sqlite3.Connection) -> bool:
    return str(db.execute("PRAGMA journal_mode").fetchone()[0]) == "wal"


@contextmanager
def _making(path: Path, *, timeout_s: float) -> Iterator[None]:
    from filelock import FileLock, Timeout

    lock = FileLock(path.with_name("registry.lock"), timeout=timeout_s, is_singleton=False)
    try:
        lock.acquire()
    except Timeout:
        raise RegistryError(f"another process has been preparing {path} for {timeout_s:.0f} s.", remedy="Try again.") from None
    try:
        yield
    finally:
        lock.release()


def _version(db: sqlite3.Connection, path: Path) -> int:
    """The version, read in one transaction: between two reads of their own another process may have made the tables."""
    own = not db.in_transaction
    if own:
        db.execute("BEGIN")
    try:
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        owner = int(db.execute("PRAGMA application_id").fetchone()[0])
        empty = not db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    finally:
        if own:
            db.rollback()
    if owner != APPLICATION_ID and not empty:
        raise RegistryError(f"{path} is an SQLite database of something else.", remedy="Move it away or set TUNEPORT_HOME.")
    if version > VERSION:
        raise RegistryError(
            f"{path} was written by a newer Tuneport (registry version {version}, this one reads up to {VERSION}).",
            remedy="Upgrade: pip install --upgrade tuneport",
        )
    return version


def _migrate(db: sqlite3.Connection, path: Path) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        version = _version(db, path)  # another process may have been first
        for step in range(version, VERSION):
            for statement in filter(str.strip, _MIGRATIONS[step].split(";")):
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {VERSION}")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    except BaseException:
        db.rollback()
        raise
    db.commit()


def _make_folder(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise RegistryError(
            f"the state folder {home} cannot be made: {error.strerror}.", remedy="Set TUNEPORT_HOME to a folder you can write to."
        ) from None
    if not os.access(home, os.W_OK | os.X_OK):
        raise RegistryError(f"the state folder {home} is not writable.", remedy="Set TUNEPORT_HOME to a folder you can write to.")


def file_system(path: Path, *, mounts: Path = Path("/proc/mounts")) -> str | None:
    """The type of the file system that holds `path` (Linux), or None where it cannot be told."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    target = str(path.resolve())
    best = ("", "")
    for parts in (line.split(" ") for line in lines):
        if len(parts) > 2:
            folder = parts[1].replace("\\040", " ")
            inside = target == folder or target.startswith(folder.rstrip("/") + "/")
            if inside and len(folder) >= len(best[0]):
                best = (folder, parts[2])
    return best[1] or None
