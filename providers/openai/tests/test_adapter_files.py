"""Files on their way: in one request or in parts, found again, looked at, and never more of one in memory than a part."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import Any

import pytest
from tuneport_openai.adapter.files import ONE_REQUEST_BYTES, PART_BYTES
from tuneport_openai.adapter.sends import sends
from tuneport_openai.profile import endpoint_of

from tuneport.errors import Ambiguous, DatasetError, NotFound, Unreachable
from tuneport.plan import PlannedFile
from tuneport.provider import FileState
from tuneport.testing.emulator.faults import Fault, MissingField, Reset, ServerError

from .canned import Canned
from .stage import NEBIUS, Stage, recipe, staged

FILES = "POST /v1/files"
PARTS = "POST /v1/uploads/{upload_id}/parts"
COMPLETE = "POST /v1/uploads/{upload_id}/complete"
CANCEL = "POST /v1/uploads/{upload_id}/cancel"
ROW = b'{"messages":[{"role":"user","content":"' + b"x" * 960 + b'"},{"role":"assistant","content":"y"}]}\n'


def planned(size: int) -> PlannedFile:
    """A file of rows of about that size, made while it is read."""
    rows = size // len(ROW) + 1
    blocks = [1000] * (rows // 1000) + [rows % 1000]
    return PlannedFile.from_chunks(lambda: (ROW * block for block in blocks), purpose="train", rows=rows)


@pytest.fixture(scope="module")
def large() -> PlannedFile:
    return planned(ONE_REQUEST_BYTES)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    with staged(tmp_path) as stage:
        yield stage


def stored(stage: Stage) -> list[tuple[str, int]]:
    return [(file.filename, file.blob.size_bytes) for file in stage.emulator.world.files.values()]


def test_a_small_file_goes_in_one_request(stage: Stage) -> None:
    file = planned(200_000)
    file_id = stage.trainer().upload(file)
    assert stored(stage) == [(file.name, file.size_bytes)]
    assert stage.emulator.world.files[file_id].blob.sha256 == file.sha256
    assert stage.emulator.log.count() == 1


def test_a_plan_says_of_a_large_file_how_many_parts_it_sends(stage: Stage, large: PlannedFile) -> None:
    plan = replace(stage.trainer().plan(recipe()), files=(large,))
    begin, parts, complete, _ = sends(plan, endpoint_of(stage.settings()))
    assert (begin.call, begin.body["bytes"]) == ("POST /uploads", large.size_bytes)
    assert parts.call == "POST /uploads/{upload}/parts, 9 times"
    assert complete.call == "POST /uploads/{upload}/complete"
    elsewhere = endpoint_of(stage.settings("nebius", profile={**NEBIUS, "quirks": ["no_uploads"]}))
    assert [request.call for request in sends(plan, elsewhere)] == ["POST /files", "POST /fine_tuning/jobs"]


def test_a_large_file_goes_in_parts(stage: Stage, large: PlannedFile) -> None:
    file_id = stage.trainer().upload(large)
    assert stage.emulator.world.files[file_id].blob.sha256 == large.sha256
    assert stage.emulator.log.count(PARTS) == -(-large.size_bytes // PART_BYTES)
    assert stage.trainer().find_file(large) == file_id


def test_an_endpoint_without_uploads_gets_a_large_file_in_one_request(stage: Stage, large: PlannedFile) -> None:
    stage.elsewhere("no_uploads").upload(large)
    assert stage.emulator.log.count() == 1


def test_a_part_that_is_lost_is_sent_again(stage: Stage, large: PlannedFile) -> None:
    for fault in (Reset(), ServerError(502, after_effect=True)):
        stage.emulator.faults.once(fault, on=PARTS, after=2)
    file_id = stage.trainer().upload(large)
    assert stage.emulator.world.files[file_id].blob.sha256 == large.sha256


def test_an_upload_that_is_cut_in_the_middle_is_cancelled_and_begins_again_cleanly(stage: Stage, large: PlannedFile) -> None:
    stage.emulator.faults.times(4, Reset(after_bytes=1_000_000), on=PARTS, after=3)
    with pytest.raises(Unreachable) as cut:
        stage.trainer().upload(large)
    assert not isinstance(cut.value, Ambiguous)
    assert stored(stage) == []
    assert stage.emulator.log.effects(CANCEL) == 1
    file_id = stage.trainer().upload(large)
    assert stage.emulator.world.files[file_id].blob.sha256 == large.sha256
    assert len(stored(stage)) == 1


@pytest.mark.parametrize("route", [FILES, COMPLETE])
@pytest.mark.parametrize("fault", [Reset(after_effect=True), ServerError(500, after_effect=True)])
def test_an_upload_whose_answer_is_lost_may_have_arrived_and_is_found(stage: Stage, large: PlannedFile, route: str, fault: Fault) -> None:
    file = large if route == COMPLETE else planned(1000)
    trainer = stage.trainer()
    stage.emulator.faults.once(fault, on=route)
    with pytest.raises(Ambiguous):
        trainer.upload(file)
    found = trainer.find_file(file)
    assert found is not None
    assert stage.emulator.world.files[found].blob.sha256 == file.sha256


@pytest.mark.parametrize("size", [1000, ONE_REQUEST_BYTES])
def test_rows_that_changed_since_the_plan_are_not_sent_as_a_whole_file(stage: Stage, size: int) -> None:
    turn = count()
    rows = size // len(ROW) + 1

    def changing() -> Iterator[bytes]:
        return chain([ROW] * (rows - 1), [ROW.replace(b"y", b"z") if next(turn) else ROW])

    file = PlannedFile.from_chunks(changing, purpose="train", rows=rows)
    with pytest.raises(DatasetError, match="changed"):
        stage.trainer().upload(file)
    assert stored(stage) == []


def test_a_file_is_found_on_any_page_by_name_and_size(tmp_path: Path) -> None:
    file = planned(1000)

    def listed(file_id: str, **changes: Any) -> dict[str, Any]:
        return {"id": file_id, "filename": file.name, "bytes": file.size_bytes, "status": "processed"} | changes

    others = [listed(f"file-{n}", filename=f"other-{n}.jsonl") for n in range(5)]
    vendor = Canned({"/files": [listed("file-short", bytes=1), listed("file-bad", status="error"), *others, listed("file-ours")]}, page=2)
    assert vendor.trainer(tmp_path).find_file(file) == "file-ours"
    assert vendor.trainer(tmp_path).find_file(planned(2000)) is None


@pytest.mark.parametrize(
    ("row", "quirks", "wanted"),
    [
        ({"status": "processed"}, [], FileState("ready")),
        ({"status": "uploaded"}, [], FileState("pending", "uploaded")),
        ({"status": "pending"}, [], FileState("pending", "pending")),
        ({"status": "error", "status_details": "line 3 is no JSON"}, [], FileState("error", "line 3 is no JSON")),
        ({"status": "deleted"}, [], FileState("gone", "it is being deleted")),
        ({}, [], FileState("ready")),
        ({"status": "uploaded"}, ["no_validation_wait"], FileState("ready")),
        ({"status": "error"}, ["no_validation_wait"], FileState("error")),
    ],
)
def test_what_is_said_of_a_file(tmp_path: Path, row: dict[str, Any], quirks: list[str], wanted: FileState) -> None:
    vendor = Canned({"/files": [{"id": "file-1", **row}]})
    assert vendor.trainer(tmp_path, quirks=quirks).file_state("file-1") == wanted


def test_an_upload_without_an_id_in_its_answer_may_have_arrived(stage: Stage) -> None:
    stage.emulator.faults.once(MissingField("id"), on=FILES)
    with pytest.raises(Ambiguous):
        stage.trainer().upload(planned(1000))


_CHILD = """
import resource, sys
from pathlib import Path
from tuneport.plan import PlannedFile
from tuneport.provider import ProviderSettings
from tuneport_openai.adapter.trainer import OpenAITrainer
url, key, size = sys.argv[1], sys.argv[2], int(sys.argv[3])
block = b"x" * 999_999 + b"\\n"
file = PlannedFile.from_chunks(lambda: (block for _ in range(size // len(block))), purpose="train", rows=1)
trainer = OpenAITrainer(ProviderSettings(name="openai", home=Path("home"), environ={"OPENAI_API_KEY": key, "OPENAI_BASE_URL": url}))
assert trainer.find_file(file) is None
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
trainer.upload(file)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start) * (1 if sys.platform == "darwin" else 1024))
"""


@pytest.mark.parametrize("size", [60_000_000, 160_000_000])
def test_an_upload_holds_next_to_nothing_of_the_file(stage: Stage, size: int) -> None:
    words = [sys.executable, "-c", _CHILD, stage.emulator.base_url, stage.emulator.open_key, str(size)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 50_000_000


def test_a_file_comes_back_as_it_was_sent_and_is_gone_when_it_is_deleted(stage: Stage) -> None:
    file, trainer = planned(200_000), stage.trainer()
    file_id = trainer.upload(file)
    chunks = list(trainer.file_content(file_id))
    assert b"".join(chunks) == b"".join(file.chunks())
    assert max(map(len, chunks)) <= 1 << 16
    trainer.delete_file(file_id)
    assert trainer.file_state(file_id).state == "gone"
    with pytest.raises(NotFound):
        list(trainer.file_content(file_id))
    with pytest.raises(NotFound):
        trainer.delete_file(file_id)
