"""Custom jobs that really run: a process with the bucket mounted, started again when its machine is taken away, ended when told to."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.engines.launcher import Order, Rented, Seen
from tuneport_vertex.emulator.containers import Machines, Run
from tuneport_vertex.launching.launcher import VertexLauncher

from .vertex_machines import SMALL, Rental, bundle, running

COUNTS = """
import os, pathlib, signal, sys, time
place = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
starts = int((place / "starts").read_text()) + 1 if (place / "starts").is_file() else 1
(place / "starts").write_text(str(starts))
print("start", starts, "launch", sys.argv[3], flush=True)
(place / "seen.txt").write_text("\\n".join(sorted(os.environ)))
while not (place / "go").is_file():
    time.sleep(0.01)
(place / "adapter").mkdir(exist_ok=True)
(place / "adapter" / "weights.bin").write_bytes((place / "data" / "rows.jsonl").read_bytes() * starts)
"""
FAILS = "import pathlib, sys\nwith open(pathlib.Path(sys.argv[1]) / 'starts', 'a') as file: file.write('x')\nsys.exit(3)\n"


def until(done: Callable[[], Any], *, seconds: float = 20.0) -> Any:
    """What `done` returns once it is anything; real processes take their time."""
    end = time.monotonic() + seconds
    while not (found := done()):
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.02)
    return found


class Life:
    """One job of that program."""

    def __init__(self, rental: Rental, machines: Machines, program: str, **options: Any) -> None:
        self.launcher: VertexLauncher = rental.launcher()
        settings = self.launcher.read({**SMALL, **options})
        self.order = Order("one", "tuneport-one-1", settings, bundle(rental.home, program), "ab" * 32, {})
        self.place = self.launcher.place(settings, "one")
        self.place.write("data/rows.jsonl", b"a row\n")
        self.rented: Rented = self.launcher.launch(self.order)
        self._machines, self.rental = machines, rental

    @property
    def run(self) -> Run:
        return self._machines.runs[self.rented.id.rpartition("/")[2]]

    def look(self) -> Seen:
        return self.launcher.look(self.rented, self.order.settings)

    def over(self) -> Seen:
        return until(lambda: seen if (seen := self.look()).state not in ("waiting", "running") else None)

    def starts(self) -> int:
        return int(self.place.read("starts") or 0)


@pytest.fixture
def rented(tmp_path: Path) -> Iterator[tuple[Rental, Machines]]:
    with running(tmp_path, grace_s=5.0) as found:
        yield found


def test_a_job_reads_and_writes_the_bucket_as_a_folder_in_an_environment_of_its_own(
    rented: tuple[Rental, Machines], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SECRET_TOKEN", "not for there")
    job = Life(*rented, COUNTS)
    assert until(job.starts) == 1
    assert job.look().state == "running"
    job.place.write("go", b"")
    assert job.over().state == "succeeded"
    assert job.place.read("adapter/weights.bin") == b"a row\n"
    assert b"MY_SECRET_TOKEN" not in (job.place.read("seen.txt") or b"")
    assert job.run.printed == "start 1 launch tuneport-one-1\n"


def test_a_job_whose_machine_is_taken_away_is_started_again_and_ends(rented: tuple[Rental, Machines]) -> None:
    job = Life(*rented, COUNTS, spot=True)
    assert until(job.starts) == 1
    job.run.preempt()
    assert until(lambda: job.starts() == 2)
    assert job.look().state == "running"
    job.place.write("go", b"")
    assert job.over().state == "succeeded"
    assert job.place.read("adapter/weights.bin") == b"a row\n" * 2
    assert (job.run.starts, job.run.preemptions) == (2, 1)


def test_a_job_whose_machine_is_away_waits_until_there_is_another(rented: tuple[Rental, Machines]) -> None:
    job = Life(*rented, COUNTS, spot=True)
    until(job.starts)
    job.run.preempt(comes_back=False)
    assert until(lambda: seen if (seen := job.look()).state == "waiting" else None).word == "JOB_STATE_PENDING"
    assert job.starts() == 1
    job.run.come_back()
    assert until(lambda: job.starts() == 2)
    assert job.look().state == "running"


def test_a_job_that_waits_for_a_machine_is_cancelled_without_one(rented: tuple[Rental, Machines]) -> None:
    job = Life(*rented, COUNTS, spot=True)
    until(job.starts)
    job.run.preempt(comes_back=False)
    until(lambda: job.look().state == "waiting")
    job.launcher.cancel(job.rented, job.order.settings)
    assert job.over().state == "cancelled"
    assert job.run.starts == 1


def test_machines_are_taken_away_six_times_and_then_the_job_has_failed(rented: tuple[Rental, Machines]) -> None:
    job = Life(*rented, COUNTS, spot=True)
    for number in range(1, 8):
        until(lambda number=number: job.starts() == number)  # type: ignore[misc]
        job.run.preempt()
    seen = job.over()
    assert (seen.state, job.run.starts) == ("failed", 7)
    assert seen.reason.startswith("STOCKOUT: Resources are insufficient in the region.")
    assert seen.reason.endswith("Resume later, or name another machine_type or region.")


def test_a_job_that_is_cancelled_ends(rented: tuple[Rental, Machines]) -> None:
    job = Life(*rented, COUNTS)
    until(job.starts)
    job.launcher.cancel(job.rented, job.order.settings)
    assert job.look().state == "running" or job.look().state == "cancelled"
    assert job.over().state == "cancelled"
    assert job.run.over


def test_a_job_whose_time_is_over_is_ended_and_has_failed(rented: tuple[Rental, Machines]) -> None:
    job = Life(*rented, COUNTS, max_hours=1 / 3600)
    seen = job.over()
    assert (seen.state, seen.word) == ("failed", "JOB_STATE_CANCELLED")
    assert "max_hours" in seen.reason


def test_a_program_that_fails_is_started_again_five_times(rented: tuple[Rental, Machines]) -> None:
    job = Life(*rented, FAILS)
    seen = job.over()
    assert (seen.state, seen.reason) == ("failed", "The replica workerpool0-0 exited with a non-zero status of 3.")
    assert job.place.read("starts") == b"x" * 6


def test_an_image_that_is_not_there_is_said_and_nothing_runs(rented: tuple[Rental, Machines]) -> None:
    job = Life(*rented, COUNTS, image="us-docker.pkg.dev/my-project/tuning/nothing.py312:1")
    seen = job.over()
    assert seen.state == "failed"
    assert seen.reason.startswith("The image us-docker.pkg.dev/my-project/tuning/nothing.py312:1 could not be pulled")
    assert seen.reason.endswith("Look at image: it has to be there, and the job's service account has to be let in.")
    assert job.starts() == 0
