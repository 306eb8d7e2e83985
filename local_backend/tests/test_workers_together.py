"""Two processes on the CPU that train one job together: as one would, whatever becomes of one of them."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from tuneport_local.adapter import LocalTrainer
from tuneport_local.engines.reports import process_of
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.training.train import TrainingSpec, train

from tuneport.job import Event, JobState, Metric
from tuneport.recipe import Recipe

from .joblog import MemoryJob
from .tiny import save_tiny, write_chats
from .workers import folder_of, kill_workers, open_trainer, seen, until

pytestmark = pytest.mark.train
STARTUP_S = 600.0
RAY = importlib.util.find_spec("ray") is not None
ROWS, EPOCHS, STEPS, LONG = 9, 30, 90, 100
"""Three steps an epoch, of which the last has one row: nothing for the second worker. LONG: epochs that no test waits for."""


@dataclass(frozen=True)
class Scene:
    """A base with rows, and what one process makes of them."""

    base: Path
    files: dict[str, str]
    alone: MemoryJob

    def recipe(self, *, epochs: int = EPOCHS, **options: object) -> Recipe:
        """Of which any number of epochs begins with the same steps."""
        rate = {"learning_rate": 0.001, "schedule": "constant", "warmup_ratio": 0.0}
        method = {"kind": "sft", "epochs": epochs, "batch_size": 4, "lora": {"rank": 4}, **rate}
        usual = {"device": "cpu", "precision": "fp32", "checkpoint_every": 3, "eval_every": 15}
        return Recipe.parse({"base": str(self.base), "method": method, **self.files, "options": {"local": {**usual, **options}}})


def submitted(trainer: LocalTrainer, recipe: Recipe) -> str:
    plan = trainer.plan(recipe)
    return trainer.create(plan, uuid.uuid4().hex, {file.purpose: trainer.upload(file) for file in plan.files}).provider_id


def members(folder: JobFolder, said: dict[str, object]) -> list[psutil.Process]:
    """The processes that train a job, by their numbers."""
    place = Path(str(said["storage"])) / folder.id if "storage" in said else folder.path
    found = [process_of(place, rank=rank) for rank in range(2)]
    return [psutil.Process(pid) for pid in found if pid is not None]


def trained_steps(folder: JobFolder) -> int:
    return len(folder.metrics())


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    folder = tmp_path_factory.mktemp("scene")
    files = {
        "train": str(write_chats(folder / "train.jsonl", ROWS)),
        "validation": str(write_chats(folder / "validation.jsonl", 3)),
    }
    scene = Scene(save_tiny(folder / "base"), files, MemoryJob(folder / "alone"))
    scene.alone.path.mkdir()
    home = folder / "home"
    trainer = open_trainer(home)
    plan = trainer.plan(scene.recipe())
    body = json.loads(json.dumps(plan.requests[0].body))
    train(scene.alone, spec=TrainingSpec.from_dict({**body, "files": files}), home=home)
    return scene


@dataclass(frozen=True)
class Broken:
    """A job of two workers, the second of which was killed."""

    engine: str
    said: dict[str, object]
    folder: JobFolder
    home: Path
    state: JobState
    killed: int
    left_over: list[psutil.Process]

    @property
    def events(self) -> list[Event]:
        return list(self.folder.events())

    @property
    def metrics(self) -> list[Metric]:
        return self.folder.metrics()


SLOW = [pytest.mark.slow, pytest.mark.skipif(not RAY, reason="Ray is not installed: pip install 'tuneport-local[ray]'")]
ENGINES = (
    "accelerate",
    pytest.param("divided", marks=pytest.mark.slow),
    pytest.param("ray", marks=SLOW),
    pytest.param("ray divided", marks=SLOW),
    pytest.param("cluster", marks=SLOW),
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A Ray cluster of one node, and storage that it shares with us."""
    port, dashboard = free_port(), free_port()
    place = Path(tempfile.mkdtemp(prefix="ray-"))  # short: sockets lie in it
    paths = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])  # the cluster's python is this one
    environ = {**os.environ, "PATH": paths, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"}
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    start = [*ray, "start", "--head", f"--port={port}", f"--dashboard-port={dashboard}", f"--temp-dir={place}", "--num-cpus=3"]
    subprocess.run([*start, f"--object-store-memory={80 << 20}"], env=environ, check=True, capture_output=True, timeout=STARTUP_S)
    head = [process for process in psutil.process_iter(["cmdline"]) if any(str(place) in word for word in process.info["cmdline"] or ())]
    yield {"address": f"http://127.0.0.1:{dashboard}", "storage": str(tmp_path_factory.mktemp("shared"))}
    for process in head:
        with suppress(psutil.Error):
            process.kill()
    shutil.rmtree(place, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def said_of(engine: str, request: pytest.FixtureRequest) -> dict[str, object]:
    """What a recipe says of an engine, and of a base that is divided."""
    if engine.endswith("divided"):
        return {"engine": "ray" if engine.startswith("ray") else "accelerate", "workers": 2, "sharding": "full"}
    if engine != "cluster":
        return {"engine": engine, "workers": 2}
    return {"engine": "ray", "workers": 2, **request.getfixturevalue("cluster")}


@pytest.fixture(scope="module", params=ENGINES)
def broken(scene: Scene, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Broken]:
    home = tmp_path_factory.mktemp("broken")
    trainer = open_trainer(home)
    try:
        said = said_of(request.param, request)
        job_id = submitted(trainer, scene.recipe(**said))
        folder = folder_of(home, job_id)
        until(lambda: trained_steps(folder) >= 8 or folder.status().state.terminal, within_s=STARTUP_S)
        first = members(folder, said)
        first[1].kill()
        until(lambda: folder.status().attempt == 2, within_s=STARTUP_S)
        until(lambda: seen(trainer, job_id).state.terminal, within_s=STARTUP_S)
        left_over = [process for process in first if process.is_running()]
        yield Broken(request.param, said, folder, home, seen(trainer, job_id).state, first[1].pid, left_over)
    finally:
        kill_workers(home)


def test_a_job_ends_although_one_of_its_workers_was_killed(broken: Broken) -> None:
    assert broken.state is JobState.SUCCEEDED, broken.folder.log_end()
    assert (broken.folder.adapter / "adapter_model.safetensors").is_file()
    assert not broken.left_over
    (told,) = [event for event in broken.events if event.data.get("reason") == "worker_lost"]
    how = "was ended by SIGKILL" if broken.said["engine"] == "accelerate" else "was lost"
    assert told.message.startswith(f"worker 1 (process {broken.killed}) {how}; the group begins again from step-000000")
    assert told.message.endswith("(1 of 3 times at most)")


def test_two_workers_learn_what_one_learns_from_the_same_batches(scene: Scene, broken: Broken) -> None:
    alone = scene.alone.losses()
    found = {
        (metric.step, name): metric.values[name] for metric in broken.metrics for name in ("loss", "eval_loss") if name in metric.values
    }
    assert found.keys() == alone.keys()
    for place, loss in alone.items():
        assert found[place] == pytest.approx(loss, rel=0.01), place


def test_events_and_metrics_of_two_workers_arrive_once_and_in_order(broken: Broken) -> None:
    steps = [metric.step for metric in broken.metrics]
    assert steps == list(range(1, STEPS + 1))
    readings = [(line["attempt"], line["step"], "loss" in line) for _, line in broken.folder.readings()]
    assert len(readings) == len({*readings})
    assert readings == sorted(readings, key=lambda one: (one[0], one[1], not one[2]))
    for attempt in (1, 2):
        said = [event.message for event in broken.events if event.message == "2 workers: each learns from 2 of the 4 rows of a step"]
        assert len(said) == 2, attempt
    saved = [event.message for event in broken.events if event.message.startswith("checkpoint ")]
    assert len(saved) == len({*saved})


def test_a_checkpoint_keeps_the_random_states_of_every_worker(broken: Broken) -> None:
    last = max(broken.folder.checkpoints.glob("step-*"))
    assert {path.name for path in last.glob("rng_state*")} == {"rng_state_0.pth", "rng_state_1.pth"}


def test_what_two_workers_did_makes_the_next_quote_of_two_workers(scene: Scene, broken: Broken) -> None:
    trainer = open_trainer(broken.home)
    (line, *_) = trainer.estimate(scene.recipe(**broken.said)).lines
    assert f"(job {broken.folder.id[:8]})" in line.note
    assert line.confidence == "measured"
    assert trainer.estimate(scene.recipe()).lines[0].amount is None


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
def test_two_workers_pause_go_on_and_are_cancelled_at_the_same_step(
    scene: Scene, tmp_path: Path, engine: str, request: pytest.FixtureRequest
) -> None:
    trainer = open_trainer(tmp_path)
    try:
        job_id = submitted(trainer, scene.recipe(epochs=LONG, **said_of(engine, request)))
        folder = folder_of(tmp_path, job_id)
        until(lambda: trained_steps(folder) >= 4 or folder.status().state.terminal, within_s=STARTUP_S)
        trainer.pause(job_id)
        until(lambda: seen(trainer, job_id).state in (JobState.PAUSED, JobState.FAILED, JobState.SUCCEEDED), within_s=STARTUP_S)
        paused_at = folder.metrics()[-1].step
        assert seen(trainer, job_id).detail == f"on request, at step-{paused_at:08d}"
        until(lambda: not [one for one in psutil.process_iter(["cmdline"]) if str(folder.path) in (one.info["cmdline"] or ())])
        trainer.resume(job_id)
        until(lambda: trained_steps(folder) >= paused_at + 4 or folder.status().state.terminal, within_s=STARTUP_S)
        assert f"resuming at step {paused_at} of {3 * LONG}" in [event.message for event in folder.events()]
        trainer.cancel(job_id)
        until(lambda: seen(trainer, job_id).state.terminal, within_s=STARTUP_S)
        found = seen(trainer, job_id)
        assert (found.state, found.partial) == (JobState.CANCELLED, True)
        steps = [metric.step for metric in folder.metrics()]
        assert steps == list(range(1, len(steps) + 1))
        assert (folder.checkpoints / f"step-{steps[-1]:08d}" / "complete.json").is_file()
        alone = scene.alone.losses()
        for metric in folder.metrics()[:STEPS]:
            assert metric.values["loss"] == pytest.approx(alone[metric.step, "loss"], rel=0.01)
    finally:
        kill_workers(tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(not RAY, reason="Ray is not installed: pip install 'tuneport-local[ray]'")
@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"workers": 4}, r"the Ray cluster has 3 CPUs, and 4 workers were asked for\."),
        ({"storage": f"memory://{uuid.uuid4().hex}"}, r"holds no recipe\.json as .* sees it: not all machines of the cluster share it"),
    ],
)
def test_a_cluster_without_places_or_without_shared_storage_fails_the_job_with_a_sentence(
    scene: Scene, cluster: dict[str, str], tmp_path: Path, changed: dict[str, object], sentence: str
) -> None:
    trainer = open_trainer(tmp_path)
    try:
        job_id = submitted(trainer, scene.recipe(**{"engine": "ray", "workers": 2, **cluster, **changed}))
        until(lambda: seen(trainer, job_id).state.terminal, within_s=STARTUP_S)
        found = seen(trainer, job_id)
        assert found.state is JobState.FAILED
        assert re.search(sentence, str(found.error)), found.error
        assert (folder_of(tmp_path, job_id).path / "recipe.json").is_file()
    finally:
        kill_workers(tmp_path)
