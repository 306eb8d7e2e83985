"""A recipe with engine "vertex" through the real command line: it trains on an emulated machine, in an environment made from the bundle
alone, and comes home as a local model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from tiny import save_tiny, write_chats
from tuneport_vertex.emulator.containers import Machines, Run

from .vertex_container import container
from .vertex_machines import IMAGE, Rental, running

pytestmark = pytest.mark.slow
WITHIN_S = 300.0
PROGRAM = "import sys; from tuneport.cli import main; sys.exit(main(sys.argv[1:]))"


@dataclass(frozen=True)
class Desk:
    """A user with a terminal, an emulated project, and rows to train on. `environ` is all that a command sees."""

    folder: Path
    rental: Rental
    machines: Machines
    environ: Mapping[str, str]
    base: Path

    def types(self, *words: object) -> subprocess.CompletedProcess[str]:
        """One command line, to its end."""
        command = [sys.executable, "-c", PROGRAM, *map(str, words)]
        return subprocess.run(
            command, env=dict(self.environ), cwd=self.folder, capture_output=True, text=True, check=False, timeout=WITHIN_S
        )

    def submits(
        self, *, epochs: int, machine: str = "n1-standard-8", image: str = IMAGE, device: str = "cpu", more: str = "", workers: int = 1
    ) -> str:
        """A recipe for the tiny base; the job's URI."""
        rows = write_chats(self.folder / "chats.jsonl")
        recipe = self.folder / "recipe.toml"
        recipe.write_text(
            f'base = "{self.base}"\ntrain = "{rows}"\n\n[method]\nkind = "sft"\nepochs = {epochs}\n\n'
            f'[options.local]\nengine = "vertex"\nprecision = "fp32"\ncheckpoint_every = 20\ndevice = "{device}"\nworkers = {workers}\n\n'
            f'[options.local.vertex]\nmachine_type = "{machine}"\nimage = "{image}"\n{more}',
            encoding="utf-8",
        )
        done = self.types("submit", recipe, "--provider", "local", "--yes", "--json")
        assert done.returncode == 0, done.stderr
        return str(json.loads(done.stdout)["uri"])

    def job(self, uri: str) -> dict[str, Any]:
        """As `jobs show` tells it."""
        done = self.types("jobs", "show", uri, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def there(self, uri: str, name: str) -> bytes:
        """A file of the job's folder in the bucket, b'' where it is not there."""
        stored = self.rental.emulator.objects().get(f"tuneport/jobs/{uri.partition(':')[2]}/{name}")
        return stored.blob.read() if stored is not None else b""

    def run(self) -> Run:
        """The only one."""
        (run,) = self.machines.runs.values()
        return run


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def desk(tmp_path: Path, base: Path) -> Iterator[Desk]:
    environments = {"TUNEPORT_ENVIRONMENTS": str(tmp_path / "environments"), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with running(tmp_path, python=container(tmp_path / "container"), environ=environments, grace_s=30.0) as (rental, machines):
        environ = {**_clean(), **rental.emulator.exports, "TUNEPORT_HOME": str(tmp_path / "home"), "PYTHONPATH": _path(tmp_path)}
        yield Desk(tmp_path, rental, machines, environ, base)
        _end_workers(tmp_path / "home")


def _clean() -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    return {**kept, "HOME": os.environ.get("HOME", "/"), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "NO_COLOR": "1"}


def _path(folder: Path) -> str:
    """Where our packages are imported from here, and the engine as pip would install it: by metadata."""
    import tuneport_local
    import tuneport_vertex

    import tuneport

    metadata = folder / "installed" / "tuneport_vertex_engine-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tuneport-vertex-engine\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text("[tuneport.engines]\nvertex = tuneport_vertex.launching:open_launcher\n", encoding="utf-8")
    packages = [Path(str(package.__file__)).parents[1] for package in (tuneport, tuneport_local, tuneport_vertex)]
    return os.pathsep.join(map(str, [metadata.parent, *packages]))


def _end_workers(home: Path) -> None:
    """Those that a test has left running."""
    for state in (home / "local" / "jobs").glob("*/state.json"):
        with suppress(psutil.Error):  # it has ended
            process = psutil.Process(json.loads(state.read_text(encoding="utf-8"))["pid"])
            if "tuneport_local.worker" in process.cmdline():
                process.kill()


def until(done: Callable[[], Any]) -> Any:
    """What it gives once it gives anything."""
    end = time.monotonic() + WITHIN_S
    while not (found := done()):
        assert time.monotonic() < end, "nothing came of it in time"
        time.sleep(0.1)
    return found


def step_there(desk: Desk, uri: str, step: int) -> Callable[[], bool]:
    """Whether the machine there has sent word of that step."""

    def reached() -> bool:
        lines = desk.there(uri, "metrics.jsonl").splitlines()
        return any(json.loads(line)["step"] >= step for line in lines)

    return reached


def test_a_job_trains_on_the_machine_is_preempted_and_comes_home_usable(desk: Desk) -> None:
    uri = desk.submits(epochs=40, more="spot = true\n")
    until(step_there(desk, uri, 25))
    desk.run().preempt()
    until(lambda: b"resuming at step" in desk.there(uri, "events.jsonl"))
    assert desk.types("jobs", "wait", uri).returncode == 0, desk.job(uri)
    assert (desk.run().starts, desk.run().preemptions, len(desk.rental.emulator.world.custom_jobs)) == (2, 1, 1)

    home = desk.folder / "home" / "local" / "jobs" / uri.partition(":")[2]
    steps = [json.loads(line)["step"] for line in (home / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert steps == sorted(set(steps))
    assert (home / "adapter" / "adapter_model.safetensors").is_file()
    question = desk.folder / "question.jsonl"
    question.write_text(json.dumps({"messages": [{"role": "user", "content": "Where is my card? 0"}]}) + "\n", encoding="utf-8")
    answered = desk.types("models", "predict", uri, question, "--yes")
    assert answered.returncode == 0, answered.stderr
    until(lambda: desk.run().over)
    desk.rental.emulator.settle()
    (job,) = desk.rental.emulator.world.custom_jobs.values()
    assert job.state == "JOB_STATE_SUCCEEDED"


def test_a_job_that_is_cancelled_ends_on_both_sides(desk: Desk) -> None:
    uri = desk.submits(epochs=100)
    until(step_there(desk, uri, 3))
    assert desk.types("jobs", "cancel", uri).returncode == 0
    until(lambda: desk.job(uri)["state"] == "cancelled")
    until(lambda: desk.run().over)


def test_a_pause_gives_the_machine_back_and_a_resume_rents_another_that_goes_on(desk: Desk) -> None:
    uri = desk.submits(epochs=100)
    until(step_there(desk, uri, 3))
    assert desk.types("jobs", "pause", uri).returncode == 0
    until(lambda: desk.job(uri)["state"] == "paused")
    until(lambda: desk.run().over)
    assert desk.types("jobs", "resume", uri).returncode == 0
    assert desk.types("jobs", "wait", uri).returncode == 0, desk.job(uri)
    desk.rental.emulator.settle()
    names = [job.body["displayName"] for job in desk.rental.emulator.world.custom_jobs.values()]
    assert [name.rpartition("-")[2] for name in names] == ["1", "2"]
    assert b"resuming at step" in desk.there(uri, "events.jsonl")


def test_a_container_without_cuda_is_one_sentence_and_the_job_has_failed(desk: Desk) -> None:
    uri = desk.submits(epochs=1, machine="g2-standard-12", device="auto")
    done = desk.types("jobs", "wait", uri)
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "the container has no CUDA" in said, said


@pytest.mark.slow
def test_two_machines_train_one_job_and_a_replica_that_is_taken_away_joins_again(desk: Desk) -> None:
    del desk.machines._environ["TUNEPORT_ENVIRONMENTS"]  # each machine makes one of its own
    uri = desk.submits(epochs=40, more="replica_count = 2\n", workers=2)
    until(lambda: b'"step":22,' in desk.there(uri, "metrics.jsonl"))
    (other,) = desk.run().beside
    other.preempt(grace_s=0.0)
    until(lambda: desk.job(uri)["state"] == "succeeded")
    assert (other.starts, desk.run().starts, len(desk.rental.emulator.world.custom_jobs)) == (2, 1, 1)
    said = desk.types("jobs", "events", uri).stdout
    assert "the group begins again from step-" in said
