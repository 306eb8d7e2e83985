"""The files of a plan that names many, such as images: several at a time where the provider allows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Lock, get_ident
from typing import Any

import pytest

from tuneport.errors import Refused, Unreachable
from tuneport.plan import Plan, PlannedFile
from tuneport.provider import FileState
from tuneport.registry import JobRegistry
from tuneport.testing import SimulatedClock
from tuneport.upload import FEW, upload_files

AT_ONCE = 4


def plan(files: int) -> Plan:
    planned = (PlannedFile.from_chunks(lambda n=n: iter((b"%d" % n,)), purpose=f"media:{n}", rows=0) for n in range(files))  # type: ignore[misc]
    return Plan(provider="acme", scope="here", base="b", method="sft", requests=(), files=tuple(planned))


class Bucket:
    """A trainer as far as uploads go; `meets`: after the first file, so many uploads wait for each other."""

    def __init__(self, *, meets: int = 0) -> None:
        self.held: dict[str, str] = {}
        self.threads: set[int] = set()
        self.uploads = 0
        self.refuses = ""
        self._lock = Lock()
        self._barrier = Barrier(meets) if meets else None

    def find_file(self, file: PlannedFile) -> str | None:
        return next((file_id for file_id, name in self.held.items() if name == file.name), None)

    def file_state(self, file_id: str) -> FileState:
        return FileState("ready" if file_id in self.held else "gone")

    def upload(self, file: PlannedFile) -> str:
        with self._lock:
            self.uploads += 1
            self.threads.add(get_ident())
            first = not self.held
        if self._barrier is not None and not first:
            self._barrier.wait(timeout=10)
        if file.purpose == self.refuses:
            raise Refused("no room")
        if self.refuses == "silent":
            raise Unreachable("no answer")
        with self._lock:
            self.held[f"id-{file.purpose}"] = file.name
        return f"id-{file.purpose}"


class Wide(Bucket):
    uploads_at_once = AT_ONCE


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[JobRegistry]:
    with JobRegistry(tmp_path, clock=SimulatedClock()) as registry:
        yield registry


def uploaded(bucket: Any, registry: JobRegistry, files: int) -> dict[str, str]:
    return upload_files(plan(files), trainer=bucket, registry=registry, clock=SimulatedClock())


def test_many_files_go_several_at_a_time_and_each_is_remembered(registry: JobRegistry) -> None:
    bucket = Wide(meets=AT_ONCE)
    ids = uploaded(bucket, registry, 1 + 3 * AT_ONCE)
    assert ids == {f"media:{n}": f"id-media:{n}" for n in range(13)}
    assert len(bucket.threads) == 1 + AT_ONCE
    assert {upload.file_id for upload in registry.uploads("here")} == set(ids.values())


def test_files_that_are_there_already_are_not_sent_again(registry: JobRegistry) -> None:
    bucket = Wide()
    first = uploaded(bucket, registry, 40)
    assert uploaded(bucket, registry, 40) == first
    assert bucket.uploads == 40


@pytest.mark.parametrize(("bucket", "files"), [(Wide(), FEW), (Bucket(), 40)])
def test_few_files_and_those_of_other_providers_go_one_by_one(bucket: Bucket, files: int, registry: JobRegistry) -> None:
    uploaded(bucket, registry, files)
    assert bucket.threads == {get_ident()}


def test_one_that_is_refused_ends_the_upload_with_its_reason(registry: JobRegistry) -> None:
    bucket = Wide()
    bucket.refuses = "media:7"
    with pytest.raises(Refused, match="no room"):
        uploaded(bucket, registry, 40)
    bucket.refuses = ""
    assert len(uploaded(bucket, registry, 40)) == 40


def test_a_provider_that_is_silent_is_asked_for_the_first_file_only(registry: JobRegistry) -> None:
    bucket = Wide()
    bucket.refuses = "silent"
    with pytest.raises(Unreachable):
        uploaded(bucket, registry, 40)
    assert len(bucket.threads) == 1
