"""Workers that wait for a device: real processes, in order, cheap, and gone without a trace when they are killed."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tuneport_local.adapter import LocalTrainer
from tuneport_local.jobs.devices import DeviceQueue
from tuneport_local.jobs.home import Jobs
from tuneport_local.plans import planning

from tuneport.dataset import Dataset
from tuneport.errors import Refused
from tuneport.examples import ChatExample, Message
from tuneport.job import JobState
from tuneport.plan import Plan
from tuneport.recipe import Recipe

from .workers import folder_of, kill, kill_workers, open_trainer, seen, until, worker_of


@pytest.fixture
def trainer(tmp_path: Path) -> Iterator[LocalTrainer]:
    yield open_trainer(tmp_path)
    kill_workers(tmp_path)


@pytest.fixture
def busy_device(tmp_path: Path) -> Iterator[DeviceQueue]:
    """The device, taken by somebody else, so that every job has to wait and none loads torch."""
    queue = DeviceQueue(tmp_path / "local" / "devices", "cpu")
    queue.lock.parent.mkdir(parents=True)
    assert queue.take()
    yield queue
    queue.give_back()


def a_plan(trainer: LocalTrainer, *, seed: int = 0) -> Plan:
    rows = Dataset.from_examples([ChatExample((Message("user", f"question {n}"), Message("assistant", "yes"))) for n in range(12)])
    recipe = Recipe(base="tiny", train=rows, seed=seed, options={"local": {"device": "cpu"}})
    return planning.plan(recipe, provider="local", scope=trainer.scope(), base="tiny")


def submitted(trainer: LocalTrainer, *, seed: int = 0, job_id: str | None = None) -> str:
    plan = a_plan(trainer, seed=seed)
    files = {file.purpose: trainer.upload(file) for file in plan.files}
    return trainer.create(plan, job_id or uuid.uuid4().hex, files).provider_id


def waiting(trainer: LocalTrainer, job_id: str, *, behind: int) -> Callable[[], bool]:
    wanted = f"behind {behind} {'job' if behind == 1 else 'jobs'}"
    return lambda: seen(trainer, job_id).detail == wanted


def test_jobs_wait_for_a_busy_device_in_the_order_they_were_created(trainer: LocalTrainer, busy_device: DeviceQueue) -> None:
    jobs = [submitted(trainer, seed=seed) for seed in range(3)]
    for place, job_id in enumerate(jobs):
        until(waiting(trainer, job_id, behind=max(place, 1)))
    assert [seen(trainer, job_id).state for job_id in jobs] == [JobState.QUEUED] * 3


def test_a_waiting_worker_has_not_loaded_torch(trainer: LocalTrainer, busy_device: DeviceQueue, tmp_path: Path) -> None:
    job_id = submitted(trainer)
    until(waiting(trainer, job_id, behind=1))
    worker = worker_of(tmp_path, job_id)
    assert worker.memory_info().rss < 60e6
    assert not any("libtorch" in library.path for library in worker.memory_maps())


def test_a_killed_waiting_worker_does_not_block_the_queue_and_its_job_can_be_resumed(
    trainer: LocalTrainer, busy_device: DeviceQueue, tmp_path: Path
) -> None:
    first, second = submitted(trainer, seed=1), submitted(trainer, seed=2)
    third = submitted(trainer, seed=3)
    until(waiting(trainer, third, behind=2))
    kill(tmp_path, first)
    until(waiting(trainer, third, behind=1))
    lost = seen(trainer, first)
    assert lost.state is JobState.PAUSED
    assert "worker_lost" in lost.detail
    assert trainer.resume(first).attempt == 2
    until(waiting(trainer, first, behind=2))
    assert seen(trainer, second).state is JobState.QUEUED


def test_the_worker_is_nobodys_child_and_in_a_session_of_its_own(trainer: LocalTrainer, busy_device: DeviceQueue, tmp_path: Path) -> None:
    job_id = submitted(trainer)
    until(waiting(trainer, job_id, behind=1))
    worker = worker_of(tmp_path, job_id)
    assert worker.ppid() != os.getpid()
    assert os.getsid(worker.pid) != os.getsid(0)
    assert worker.cwd() == "/"


@pytest.mark.parametrize(("ask", "end"), [("cancel", JobState.CANCELLED), ("pause", JobState.PAUSED)])
def test_a_waiting_job_follows_a_wish_within_two_seconds(
    trainer: LocalTrainer, busy_device: DeviceQueue, tmp_path: Path, ask: str, end: JobState
) -> None:
    job_id = submitted(trainer)
    until(waiting(trainer, job_id, behind=1))
    worker = worker_of(tmp_path, job_id)
    asked = time.monotonic()
    said = trainer.cancel(job_id) if ask == "cancel" else trainer.pause(job_id)
    assert said.state in (JobState.CANCELLING, JobState.PAUSING, end)
    until(lambda: seen(trainer, job_id).state is end)
    assert time.monotonic() - asked < 2.0
    until(lambda: not worker.is_running())


def test_a_paused_waiting_job_goes_to_the_end_of_the_queue_when_it_is_resumed(trainer: LocalTrainer, busy_device: DeviceQueue) -> None:
    first, second = submitted(trainer, seed=1), submitted(trainer, seed=2)
    until(waiting(trainer, second, behind=1))
    trainer.pause(first)
    until(lambda: seen(trainer, first).state is JobState.PAUSED)
    third = submitted(trainer, seed=3)
    trainer.resume(first)
    until(waiting(trainer, first, behind=2))
    until(waiting(trainer, third, behind=1))


def test_a_waiting_job_cannot_be_resumed_or_deleted(trainer: LocalTrainer, busy_device: DeviceQueue) -> None:
    job_id = submitted(trainer)
    with pytest.raises(Refused, match="only a paused job can be resumed"):
        trainer.resume(job_id)
    with pytest.raises(Refused, match="cannot be deleted"):
        trainer.delete(job_id)
    assert seen(trainer, job_id).client_id == job_id


def test_cancelling_a_paused_job_is_settled_on_the_spot(trainer: LocalTrainer, busy_device: DeviceQueue, tmp_path: Path) -> None:
    job_id = submitted(trainer)
    until(waiting(trainer, job_id, behind=1))
    kill(tmp_path, job_id)
    assert seen(trainer, job_id).state is JobState.PAUSED
    assert trainer.cancel(job_id).state is JobState.CANCELLED
    assert trainer.cancel(job_id).state is JobState.CANCELLED
    trainer.delete(job_id)
    assert trainer.fetch([job_id]) == {}


def test_a_stopped_worker_that_ignores_a_cancel_does_not_hold_the_job(
    trainer: LocalTrainer, busy_device: DeviceQueue, tmp_path: Path
) -> None:
    job_id = submitted(trainer)
    until(waiting(trainer, job_id, behind=1))
    worker = worker_of(tmp_path, job_id)
    worker.suspend()
    trainer.cancel(job_id)
    long_ago = time.time() - 60
    os.utime(tmp_path / "local" / "jobs" / job_id / "wish", (long_ago, long_ago))
    until(lambda: seen(trainer, job_id).state is JobState.CANCELLED)
    until(lambda: not worker.is_running())


def test_a_job_whose_client_died_before_starting_its_worker_is_started_by_the_next_look_and_only_once(
    trainer: LocalTrainer, busy_device: DeviceQueue, tmp_path: Path
) -> None:
    plan = a_plan(trainer)
    files = {file.purpose: trainer.upload(file) for file in plan.files}
    made_from = {**planning.body_of(plan), "client_id": "orphan", "plan_fingerprint": plan.fingerprint, "home": str(tmp_path)}
    jobs = Jobs(tmp_path)
    jobs.make("orphan", made_from, {purpose: jobs.files / name for purpose, name in files.items()})
    looks = [trainer.find("orphan"), trainer.fetch(["orphan"])["orphan"], *trainer.list()]
    until(waiting(trainer, "orphan", behind=1))
    assert {look.client_id for look in looks if look} == {"orphan"}
    assert folder_of(tmp_path, "orphan").status().launches == 1


def test_creating_the_same_job_twice_starts_one_worker(trainer: LocalTrainer, busy_device: DeviceQueue, tmp_path: Path) -> None:
    submitted(trainer, job_id="twice")
    submitted(trainer, job_id="twice")
    until(waiting(trainer, "twice", behind=1))
    assert folder_of(tmp_path, "twice").status().launches == 1
    with pytest.raises(Refused, match="made from another plan"):
        submitted(trainer, seed=99, job_id="twice")


def test_a_process_with_the_number_of_a_dead_worker_is_not_taken_for_it(
    trainer: LocalTrainer, busy_device: DeviceQueue, tmp_path: Path
) -> None:
    job_id = submitted(trainer)
    until(waiting(trainer, job_id, behind=1))
    kill(tmp_path, job_id)
    folder = folder_of(tmp_path, job_id)
    folder.write_status(replace(folder.status(), pid=os.getpid()))
    assert seen(trainer, job_id).state is JobState.PAUSED


def test_a_job_resumed_while_it_is_still_pausing_goes_on(trainer: LocalTrainer, busy_device: DeviceQueue, tmp_path: Path) -> None:
    job_id = submitted(trainer)
    until(waiting(trainer, job_id, behind=1))
    worker = worker_of(tmp_path, job_id)
    worker.suspend()
    assert trainer.pause(job_id).state is JobState.PAUSING
    assert trainer.resume(job_id).state is JobState.QUEUED
    worker.resume()
    until(waiting(trainer, job_id, behind=1))
    assert trainer.pause(job_id).state is JobState.PAUSING
    until(lambda: seen(trainer, job_id).state is JobState.PAUSED)
