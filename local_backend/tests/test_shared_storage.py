"""A job's folder on storage that several machines share: what one of them writes is there for the others, once and in order."""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from pathlib import Path

import pytest
from tuneport_local.jobs.folder import JobFolder, JobStatus
from tuneport_local.jobs.home import Jobs
from tuneport_local.storage.followed import Followed
from tuneport_local.storage.place import Place, place_of
from tuneport_local.storage.sent import Sending, fetched, sending

from tuneport.errors import ConfigError
from tuneport.job import JobState


@pytest.fixture(params=["file", "memory", "folder"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    folder = tmp_path / "shared"
    return {"file": f"file://{folder}", "memory": f"memory://{uuid.uuid4().hex}", "folder": str(folder)}[request.param]


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"messages": []}\n')
    recipe = {"base": "tiny", "hyperparameters": {"device": "cpu"}, "home": str(tmp_path)}
    folder, _ = Jobs(tmp_path / "home").make("one", recipe, {"train": rows})
    folder.event("info", "created here")
    return folder


def a_checkpoint(folder: Path, step: int) -> None:
    place = folder / "checkpoints" / f"step-{step:08d}"
    place.mkdir(parents=True)
    (place / "adapter.bin").write_bytes(bytes([step]))
    (place / "complete.json").write_text("{}")


def messages(folder: JobFolder) -> list[str]:
    return [event.message for event in folder.events()]


def test_files_come_back_from_a_place_as_they_were_put_there(storage: str, tmp_path: Path) -> None:
    place = place_of(storage, "one")
    assert place.read("wish") is None
    place.write("wish", b"pause")
    assert place.read("wish") == b"pause"
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "file").write_bytes(b"1")
    (tmp_path / "deep" / "complete.json").write_bytes(b"2")
    place.put(tmp_path / "deep", "kept")
    assert place.names("kept") == ["complete.json", "er/file"]
    place.take("kept", tmp_path / "back")
    assert (tmp_path / "back" / "er" / "file").read_bytes() == b"1"
    place.remove("kept")
    place.remove("kept")
    assert place.names("kept") == []


def test_a_machine_that_trains_finds_the_rows_and_the_newest_checkpoints(storage: str, job: JobFolder, tmp_path: Path) -> None:
    a_checkpoint(job.path, 6)
    place = place_of(storage, job.id)
    Followed(job, place).send()
    copy = JobFolder(fetched(place, home=tmp_path / "there"))
    recipe = copy.recipe()
    assert copy.id == job.id
    assert Path(recipe["files"]["train"]).read_text() == '{"messages": []}\n'
    assert Path(recipe["files"]["train"]).is_relative_to(copy.path)
    assert recipe["files"]["validation"] is None
    assert recipe["home"] == str(tmp_path / "there")
    assert messages(copy) == ["created here"]
    assert (copy.path / "checkpoints" / "step-00000006" / "adapter.bin").read_bytes() == bytes([6])


def test_what_is_trained_there_arrives_here_once_and_in_order(storage: str, job: JobFolder, tmp_path: Path) -> None:
    place = place_of(storage, job.id)
    here = Followed(job, place)
    here.send()
    copy = JobFolder(fetched(place, home=tmp_path))
    there, heard = Sending(copy.path, place), []
    job.hearing.append(lambda step, values: heard.append((step, dict(values))))

    copy.phase(JobState.RUNNING, "step 0 of 9")
    copy.event("info", "two workers")
    copy.metric(1, {"loss": 2.0})
    there.send(all_of_it=True)
    here.keep_up()
    job.event("info", "pause requested")
    copy.metric(2, {"loss": 1.0})
    copy.event("info", "checkpoint step-00000002")
    there.send(all_of_it=True)
    here.keep_up()
    here.keep_up()

    assert messages(job) == ["created here", "two workers", "pause requested", "checkpoint step-00000002"]
    assert [(metric.step, metric.values["loss"]) for metric in job.metrics()] == [(1, 2.0), (2, 1.0)]
    assert heard == [(1, {"loss": 2.0}), (2, {"loss": 1.0})]
    assert (job.status().state, job.status().detail) == (JobState.RUNNING, "step 0 of 9")


def test_whoever_hears_of_a_step_here_sees_that_the_job_runs(storage: str, job: JobFolder, tmp_path: Path) -> None:
    place = place_of(storage, job.id)
    here = Followed(job, place)
    here.send()
    copy = JobFolder(fetched(place, home=tmp_path))
    there, states = Sending(copy.path, place), list[JobState]()
    job.hearing.append(lambda step, values: states.append(job.status().state))
    copy.phase(JobState.RUNNING, "step 0 of 9")
    copy.metric(1, {"loss": 2.0})
    there.send(all_of_it=True)
    here.keep_up()
    assert states == [JobState.RUNNING]


def test_another_worker_follows_on_from_where_the_one_before_had_read(storage: str, job: JobFolder, tmp_path: Path) -> None:
    place = place_of(storage, job.id)
    Followed(job, place).send()
    copy = JobFolder(fetched(place, home=tmp_path))
    there = Sending(copy.path, place)
    copy.event("info", "first")
    there.send(all_of_it=True)
    Followed(job, place).keep_up()
    copy.event("info", "second")
    there.send(all_of_it=True)
    Followed(job, place).keep_up()
    assert messages(job) == ["created here", "first", "second"]


def test_what_was_read_before_is_not_fetched_again(storage: str, job: JobFolder, tmp_path: Path) -> None:
    class Counted(Place):
        fetched = 0

        def read(self, name: str, *, start: int = 0) -> bytes | None:
            found = super().read(name, start=start)
            self.fetched += len(found or b"") if name == "metrics.jsonl" else 0
            return found

    place = Counted(place_of(storage, job.id).url)
    here = Followed(job, place)
    here.send()
    copy = JobFolder(fetched(place, home=tmp_path))
    there = Sending(copy.path, place)
    for step in range(1, 9):
        copy.metric(step, {"loss": 1.0})
        there.send(all_of_it=True)
        here.keep_up()
        here.keep_up()
    assert place.fetched == (job.path / "metrics.jsonl").stat().st_size
    assert [metric.step for metric in job.metrics()] == list(range(1, 9))


def test_a_line_that_is_half_written_there_waits_until_it_is_whole(job: JobFolder, tmp_path: Path) -> None:
    place = place_of(str(tmp_path / "shared"), job.id)
    here = Followed(job, place)
    here.send()
    before = place.read("events.jsonl") or b""
    line = json.dumps({"at": job.now(), "level": "info", "message": "whole", "data": {}}).encode()
    place.write("events.jsonl", before + line[:20])
    here.keep_up()
    assert messages(job) == ["created here"]
    place.write("events.jsonl", before + line + b"\n")
    here.keep_up()
    assert messages(job) == ["created here", "whole"]


def test_a_wish_made_here_is_heard_there(storage: str, job: JobFolder, tmp_path: Path) -> None:
    place = place_of(storage, job.id)
    here = Followed(job, place)
    here.send()
    copy = JobFolder(fetched(place, home=tmp_path))
    there = Sending(copy.path, place)
    job.ask("pause")
    here.keep_up()
    there.hear_wish()
    assert copy.wish() == "pause"
    here.send()  # the next attempt begins without the wish of the last
    assert place.read("wish") is None


def test_checkpoints_and_the_result_get_there_and_back(storage: str, job: JobFolder, tmp_path: Path) -> None:
    place = place_of(storage, job.id)
    here = Followed(job, place)
    here.send()
    folder = fetched(place, home=tmp_path)
    with sending(folder, place):
        for step in (2, 4):
            a_checkpoint(folder, step)
        (folder / "adapter").mkdir()
        (folder / "adapter" / "weights").write_bytes(b"3")
        (folder / "run.json").write_text("{}")
    a_checkpoint(job.path, 1)
    here.finish()
    assert sorted(path.name for path in job.checkpoints.iterdir()) == ["step-00000002", "step-00000004"]
    assert (job.adapter / "weights").read_bytes() == b"3"
    assert (job.path / "run.json").is_file()
    here.finish()
    assert (job.adapter / "weights").read_bytes() == b"3"


def test_a_checkpoint_that_is_given_up_is_given_up_there_too(storage: str, job: JobFolder, tmp_path: Path) -> None:
    place = place_of(storage, job.id)
    Followed(job, place).send()
    folder = fetched(place, home=tmp_path)
    there = Sending(folder, place)
    a_checkpoint(folder, 2)
    there.send()
    assert place.names("checkpoints") == ["step-00000002/adapter.bin", "step-00000002/complete.json"]
    for path in (folder / "checkpoints" / "step-00000002").iterdir():
        path.unlink()
    a_checkpoint(folder, 4)
    there.send()
    assert place.names("checkpoints") == ["step-00000004/adapter.bin", "step-00000004/complete.json"]


def test_an_attempt_counted_there_counts_here(job: JobFolder, tmp_path: Path) -> None:
    place = place_of(str(tmp_path / "shared"), job.id)
    here = Followed(job, place)
    here.send()
    place.write("state.json", replace(job.status(), state=JobState.STARTING, attempt=3).to_json())
    here.keep_up()
    assert (job.status().state, job.status().attempt) == (JobState.STARTING, 3)
    place.write("state.json", JobStatus(JobState.SUCCEEDED).to_json())  # how it ended is for the worker to say
    here.keep_up()
    assert job.status().state is JobState.STARTING


def test_storage_that_is_not_shared_is_told_with_the_machine_that_does_not_see_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"holds no recipe\.json as .* sees it: not all machines of the cluster share it") as caught:
        fetched(Place(str(tmp_path / "elsewhere")), home=tmp_path)
    assert "mounted on all of them" in (caught.value.remedy or "")


def test_storage_that_cannot_be_used_is_told_with_its_address(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"options\.local\.storage nosuch://bucket/one cannot be used"):
        place_of("nosuch://bucket", "one")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"storage .*/file/one: wish cannot be written"):
        place_of(str(tmp_path / "file"), "one").write("wish", b"pause")
