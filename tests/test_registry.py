"""The registry keeps what was committed, for many processes, through crashes, and refuses what it cannot read."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tuneport.errors import RegistryError
from tuneport.intent import Intent, Phase
from tuneport.job import JobState, Snapshot
from tuneport.registry import JobRegistry
from tuneport.registry_schema import FILE_NAME, file_system

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def intent(client_id: str = "c1", *, fingerprint: str = "f" * 64, phase: Phase = Phase.INTENDED) -> Intent:
    plan = {"base": "tiny", "method": "sft", "recipe_fingerprint": "r", "dataset_fingerprint": "d"}
    return Intent(client_id, "fake", "fake:account", fingerprint, phase, NOW, plan=plan)


def snapshot(state: JobState = JobState.RUNNING, provider_id: str = "job-1", **more: object) -> Snapshot:
    return replace(Snapshot(provider_id, state, state.value), **more)  # type: ignore[arg-type]


@pytest.fixture
def registry(tmp_path: Path) -> JobRegistry:
    with JobRegistry(tmp_path) as opened:
        yield opened  # type: ignore[misc]


def test_an_adopted_intent_becomes_a_job_with_the_plans_lineage(registry: JobRegistry) -> None:
    registry.begin(intent())
    job = registry.adopt(intent(), snapshot())
    assert (job.uri, job.client_id, job.base, job.dataset_fingerprint) == ("fake:job-1", "c1", "tiny", "d")
    assert registry.job("fake:job-1") == job
    assert registry.intent("c1").phase is Phase.CREATED  # type: ignore[union-attr]
    assert registry.open_intent("fake:account", "f" * 64) is None


def test_the_database_itself_refuses_a_second_open_intent_of_one_plan(registry: JobRegistry) -> None:
    registry.begin(intent("c1"))
    with pytest.raises(RegistryError, match="cannot be written"):
        registry.begin(intent("c2"))
    registry.begin(intent("c3", fingerprint="e" * 64))
    registry.advance(intent("c1"), Phase.FAILED, reason="refused")
    registry.begin(intent("c2"))
    assert [found.client_id for found in registry.intents(phases=[Phase.INTENDED])] == ["c3", "c2"]


def test_an_intent_that_has_its_job_is_never_moved_back(registry: JobRegistry) -> None:
    registry.begin(intent())
    registry.adopt(intent(), snapshot())
    registry.advance(intent(), Phase.FAILED, reason="late")
    assert registry.intent("c1").phase is Phase.CREATED  # type: ignore[union-attr]


def test_a_terminal_state_is_completed_but_never_overwritten(registry: JobRegistry) -> None:
    registry.add("fake", "fake:account", snapshot(JobState.SUCCEEDED))
    (job,) = registry.record("fake", ["job-1"], {"job-1": snapshot(JobState.RUNNING, model="m-1")})
    assert (job.state, job.model) == (JobState.SUCCEEDED, "fake:m-1")
    changed = registry.update("fake:job-1", lambda known: replace(known, state=JobState.FAILED, cost="1.20"))
    assert changed is not None
    assert (changed.state, changed.cost) == (JobState.SUCCEEDED, "1.20")


def test_a_job_the_provider_denies_keeps_its_state_and_says_since_when(registry: JobRegistry) -> None:
    registry.add("fake", "fake:account", snapshot())
    (job,) = registry.record("fake", ["job-1"], {})
    assert job.state is JobState.RUNNING
    first = job.missing_since
    assert first is not None
    assert registry.record("fake", ["job-1"], {})[0].missing_since == first
    assert registry.record("fake", ["job-1"], {"job-1": snapshot()})[0].missing_since is None


def test_jobs_are_found_by_the_beginning_of_any_of_their_ids(registry: JobRegistry) -> None:
    registry.begin(intent("abcdef01"))
    registry.adopt(intent("abcdef01"), snapshot(provider_id="ftjob-9"))
    for prefix in ("fake:ftjob", "ftjob-9", "abcd"):
        assert [job.uri for job in registry.match(prefix)] == ["fake:ftjob-9"]
    assert registry.match("ft_ob") == []


def test_times_come_back_with_their_zone(registry: JobRegistry) -> None:
    made = NOW - timedelta(hours=3)
    registry.add("fake", "s", snapshot(created_at=made))
    assert registry.jobs()[0].created_at == made
    assert registry.jobs()[0].last_heard_at.tzinfo is not None  # type: ignore[union-attr]


def test_files_remember_an_upload_that_began(registry: JobRegistry) -> None:
    assert registry.file("s", "train", "a" * 64) == (False, None)
    registry.remember_file("s", "train", "a" * 64, file_id=None)
    assert registry.file("s", "train", "a" * 64) == (True, None)
    registry.remember_file("s", "train", "a" * 64, file_id="file-1")
    assert registry.file("s", "train", "a" * 64) == (True, "file-1")


def test_the_file_is_in_wal_mode_and_syncs_every_commit(registry: JobRegistry, tmp_path: Path) -> None:
    assert registry._db.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert registry._db.execute("PRAGMA synchronous").fetchone()[0] == 2


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to look at" * 40, b"SQLite format 3\x00" + b"\xff" * 4096])
def test_an_unreadable_registry_is_refused_with_a_sentence_and_left_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)
    with pytest.raises(RegistryError, match="left as it is"):
        JobRegistry(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE_NAME]


def test_a_registry_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    JobRegistry(tmp_path).close()
    with sqlite3.connect(tmp_path / FILE_NAME) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    before = (tmp_path / FILE_NAME).read_bytes()
    with pytest.raises(RegistryError, match="newer Tuneport"):
        JobRegistry(tmp_path)
    assert (tmp_path / FILE_NAME).read_bytes() == before


def test_somebody_elses_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE_NAME) as db:
        db.execute("CREATE TABLE theirs (x)")
    db.close()
    with pytest.raises(RegistryError, match="something else"):
        JobRegistry(tmp_path)


def test_a_home_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RegistryError, match="cannot be made"):
        JobRegistry(tmp_path / "file" / "home")


def test_a_network_file_system_is_recognised(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"server:/x {tmp_path} nfs4 rw 0 0\n/dev/sda / ext4 rw 0 0\n")
    assert file_system(tmp_path / "home", mounts=mounts) == "nfs4"
    assert file_system(Path("/etc"), mounts=mounts) == "ext4"


WRITER = """
    import sys
    from pathlib import Path
    from datetime import UTC, datetime
    from tuneport.intent import Intent, Phase
    from tuneport.job import JobState, Snapshot
    from tuneport.registry import JobRegistry

    home, name, count = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    registry = JobRegistry(home)
    for number in range(count):
        key = f"{name}-{number}"
        intent = registry.begin(Intent(key, "fake", "s", key, Phase.INTENDED, datetime.now(UTC)))
        registry.adopt(intent, Snapshot(key, JobState.RUNNING, "running"))
        print(key, flush=True)
"""


def _writer(home: Path, name: str, count: int) -> subprocess.Popen[str]:
    code = textwrap.dedent(WRITER)
    return subprocess.Popen([sys.executable, "-c", code, str(home), name, str(count)], stdout=subprocess.PIPE, text=True)


def test_many_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    writers = [_writer(tmp_path, name, 25) for name in "abcd"]
    for writer in writers:
        writer.communicate(timeout=60)
        assert writer.returncode == 0
    with JobRegistry(tmp_path) as registry:
        assert len(registry.jobs()) == 100
        assert {found.phase for found in registry.intents()} == {Phase.CREATED}


def test_what_was_committed_survives_kill_9_of_the_writer(tmp_path: Path) -> None:
    with _writer(tmp_path, "k", 100_000) as writer:
        assert writer.stdout is not None
        reported = [writer.stdout.readline().strip() for _ in range(15)]
        os.kill(writer.pid, signal.SIGKILL)
        reported += writer.stdout.read().split()
    with JobRegistry(tmp_path) as registry:
        known = {job.provider_id for job in registry.jobs()}
        assert set(reported) <= known
        assert registry._db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


OPENER = """
    import sys
    from pathlib import Path
    from tuneport.registry import JobRegistry

    print("ready", flush=True)
    for home in sys.stdin:
        try:
            JobRegistry(Path(home.strip())).close()
            print("opened", flush=True)
        except Exception as error:
            print(type(error).__name__, error, flush=True)
"""


def test_many_processes_may_open_a_new_home_at_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", textwrap.dedent(OPENER)]
    openers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) for _ in range(6)]
    assert {opener.stdout.readline().strip() for opener in openers if opener.stdout} == {"ready"}
    said = set()
    for number in range(40):
        for opener in openers:
            assert opener.stdin is not None
            opener.stdin.write(f"{tmp_path / str(number)}\n")
        said |= {opener.stdout.readline().strip() for opener in openers if opener.stdout}
    for opener in openers:
        opener.communicate(timeout=60)
    assert said == {"opened"}


class FullDisk:
    """A connection whose next commit fails, as on a full disk."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._full = True

    def __getattr__(self, name: str) -> object:
        return getattr(self._db, name)

    def commit(self) -> None:
        if self._full:
            self._full = False
            raise sqlite3.OperationalError("database or disk is full")
        self._db.commit()


def test_a_commit_that_fails_leaves_the_registry_usable_and_nothing_half_written(registry: JobRegistry) -> None:
    registry._db = FullDisk(registry._db)  # type: ignore[assignment]
    with pytest.raises(RegistryError, match="Free some disk space"):
        registry.remember_file("s", "train", "a" * 64, file_id="file-1")
    assert registry.file("s", "train", "a" * 64) == (False, None)
    registry.remember_file("s", "train", "a" * 64, file_id="file-2")
    assert registry.file("s", "train", "a" * 64) == (True, "file-2")


def test_jobs_of_one_moment_keep_their_order_when_one_is_heard_of_again(registry: JobRegistry) -> None:
    for name in ("a", "b", "c"):
        registry.add("fake", "s", snapshot(provider_id=name, created_at=NOW))
    registry.record("fake", ["a"], {"a": snapshot(JobState.PAUSED, "a", created_at=NOW)})
    assert [job.provider_id for job in registry.jobs()] == ["c", "b", "a"]


def test_jobs_and_intents_are_chosen_by_provider_and_by_whether_they_go_on(registry: JobRegistry) -> None:
    registry.add("fake", "s", snapshot(provider_id="on"))
    registry.add("fake", "s", snapshot(JobState.FAILED, "over"))
    registry.add("other", "s", snapshot(provider_id="theirs"))
    registry.begin(intent())
    assert {job.provider_id for job in registry.jobs(provider="fake")} == {"on", "over"}
    assert {job.provider_id for job in registry.jobs(live_only=True)} == {"on", "theirs"}
    assert [found.client_id for found in registry.intents(provider="fake")] == ["c1"]
    assert registry.intents(provider="other") == registry.intents(phases=[Phase.FAILED]) == []
    assert registry.providers() == {"fake", "other"}


def test_a_job_that_goes_on_after_a_failure_has_no_error_any_more(registry: JobRegistry) -> None:
    registry.add("fake", "s", snapshot(JobState.PAUSED, error="worker lost", finished_at=NOW))
    (job,) = registry.record("fake", ["job-1"], {"job-1": snapshot(JobState.RUNNING)})
    assert (job.error, job.finished_at) == (None, None)
    (job,) = registry.record("fake", ["job-1"], {"job-1": snapshot(JobState.SUCCEEDED, finished_at=NOW)})
    assert (job.state, job.error, job.finished_at) == (JobState.SUCCEEDED, None, NOW)


INTERRUPTED = """
import os, signal, sqlite3, sys, threading, time
from pathlib import Path
from tuneport.registry import JobRegistry
from tuneport.registry_schema import FILE_NAME

signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background of a shell inherits that it is ignored
home = Path(sys.argv[1])
mine = JobRegistry(home)
other = sqlite3.connect(home / FILE_NAME, isolation_level=None, check_same_thread=False)
other.execute("BEGIN IMMEDIATE")

def interrupt():
    os.kill(os.getpid(), signal.SIGINT)
    other.rollback()

try:
    threading.Timer(0.3, interrupt).start()
    mine.remember_file("scope", "train", "sha", file_id=None)
except KeyboardInterrupt:
    mine.remember_file("scope", "train", "sha", file_id="file-1")
    print(*mine.file("scope", "train", "sha"))
"""


def test_ctrl_c_while_another_process_writes_leaves_no_transaction_open(tmp_path: Path) -> None:
    run = subprocess.run([sys.executable, "-c", INTERRUPTED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert run.stdout.split() == ["True", "file-1"], run.stderr
