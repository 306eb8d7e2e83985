"""Jobs of the local backend on machines of the emulated workspace, from the command line to an adapter that answers.

The machine is a process in an environment made from the bundle alone, and its folder the workspace's blobs.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import tuneport_azureml
import tuneport_local
from commands import Run
from tiny import save_tiny, write_chats
from tuneport_azureml.emulator import AzureMLEmulator, Container, Machines
from workers import kill, kill_workers

import tuneport
from tuneport.cli import main
from tuneport.testing.emulator import RunningClock

pytestmark = pytest.mark.train
WITHIN_S = 240.0
ENGINE = "[tuneport.engines]\nazureml = tuneport_azureml.renting.launcher:launcher\n"
RECIPE = """
base = {base}
train = {rows}
[method]
kind = "sft"
epochs = {epochs}
batch_size = {batch_size}
[options.local]
engine = "azureml"
precision = "fp32"
checkpoint_every = 20
workers = {workers}
[options.local.azureml]
{machine}
{more}
"""
CPU = 'compute = "cpu-small"\ngpus = 0'
GPU = 'instance_type = "Standard_NC24ads_A100_v4"'


@dataclass(frozen=True)
class Place:
    """Where command lines are typed, and the workspace that they rent at."""

    folder: Path
    emulator: AzureMLEmulator
    machines: Machines
    capsys: pytest.CaptureFixture[str]
    base: Path
    inside: dict[str, str]

    def typed(self, *words: object) -> Run:
        self.capsys.readouterr()
        code = main([str(word) for word in words])
        return Run(code, *self.capsys.readouterr())

    def written(self, *, epochs: int = 20, batch_size: int = 8, machine: str = CPU, more: str = "", workers: int = 1) -> Path:
        """A recipe for the machines of the workspace."""
        rows = write_chats(self.folder / "chats.jsonl")
        said = {"base": json.dumps(str(self.base)), "rows": json.dumps(str(rows)), "epochs": epochs, "batch_size": batch_size}
        said |= {"workers": workers}
        recipe = self.folder / "recipe.toml"
        recipe.write_text(RECIPE.format(**said, machine=machine, more=more), encoding="utf-8")
        return recipe

    def submitted(self, **how: Any) -> Run:
        return self.typed("submit", self.written(**how), "--provider", "local", "--yes", "--json")

    def job(self, uri: str) -> dict[str, Any]:
        return dict(self.typed("jobs", "show", uri, "--json").document)

    def until(self, uri: str, reached: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        end = time.monotonic() + WITHIN_S
        while not reached(job := self.job(uri)):
            assert time.monotonic() < end, job
            assert job["state"] not in ("failed", "cancelled"), job["error"]
            time.sleep(0.3)
        return job

    def launch(self) -> str:
        """The name of the one command job."""
        (name,) = self.emulator.world.commands
        return name

    def saved(self, uri: str) -> bool:
        """Whether a checkpoint lies in the job's folder at the workspace."""
        with self.emulator.server.turn:
            head = f"tuneport/jobs/{uri.removeprefix('local:')}/checkpoints/"
            return any(path.startswith(head) and path.endswith("/complete.json") for path in self.emulator.world.blobs)

    def there(self, uri: str, name: str, words: str) -> bool:
        """Whether a file of the job's folder at the workspace says so."""
        with self.emulator.server.turn:
            blob = self.emulator.world.blobs.get(f"tuneport/jobs/{uri.removeprefix('local:')}/{name}")
            return blob is not None and words in blob.read().decode()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def place(tmp_path: Path, base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Place]:
    metadata = tmp_path / "installed" / "aaa_azureml_engine-1.0.dist-info"
    metadata.mkdir(parents=True)  # as pip would have installed it: whoever began with an older checkout has no such entry point yet
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: aaa-azureml-engine\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(ENGINE)
    ours = [str(Path(str(package.__file__)).parents[1]) for package in (tuneport, tuneport_local, tuneport_azureml)]
    monkeypatch.syspath_prepend(str(metadata.parent))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(metadata.parent), *ours]))
    monkeypatch.setenv("TUNEPORT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TUNEPORT_CONFIG", str(tmp_path / "none.toml"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    with AzureMLEmulator(clock=RunningClock()) as emulator:
        for name, value in emulator.exports.items():
            monkeypatch.setenv(name, value)
        inside = {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TUNEPORT_ENVIRONMENTS": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
        machines = emulator.run_commands(Container(Path(sys.executable), inside), tmp_path / "machines")
        yield Place(tmp_path, emulator, machines, capsys, base, inside)
        kill_workers(tmp_path / "home")


def test_a_job_trains_on_a_machine_of_the_workspace_and_its_adapter_answers_here(place: Place) -> None:
    run = place.submitted()
    assert run.code == 0, run.err
    uri = run.document["uri"]
    assert place.typed("jobs", "wait", uri).code == 0
    job = place.job(uri)
    assert (job["state"], place.emulator.world.commands[place.launch()].status(place.emulator.world.now())) == ("succeeded", "Completed")
    assert (place.folder / "home" / "local" / "jobs" / uri.removeprefix("local:") / "adapter" / "adapter_model.safetensors").is_file()
    asked = place.emulator.world.commands[place.launch()].properties
    assert asked["tags"]["tuneport_job"] == uri.removeprefix("local:")
    assert "loss" in place.typed("jobs", "metrics", uri).out
    assert f"launched as {place.launch()}" in place.typed("jobs", "events", uri).out
    questions = place.folder / "questions.jsonl"
    questions.write_text(json.dumps({"messages": [{"role": "user", "content": "Where is my card?"}]}) + "\n", encoding="utf-8")
    answers = place.typed("models", "predict", uri, questions, "--max-tokens", 4)
    assert answers.code == 0, answers.err


@pytest.mark.slow
def test_a_job_whose_machine_is_taken_away_goes_on_from_its_checkpoint_on_the_next(place: Place) -> None:
    uri = place.submitted(epochs=60).document["uri"]
    place.until(uri, lambda _: place.saved(uri))
    machine = place.machines.of(place.launch())
    machine.take_away(for_good=True)
    place.until(uri, lambda job: "waiting for a machine (Queued)" in (job.get("detail") or ""))
    machine.give_back()
    place.until(uri, lambda job: job["state"] == "succeeded")
    assert machine.starts == 2
    said = place.typed("jobs", "events", uri).out
    assert "the machine was taken away (Queued)" in said
    assert "resuming at step" in said
    assert len(place.emulator.world.commands) == 1


@pytest.mark.slow
def test_a_job_that_is_cancelled_here_ends_there(place: Place) -> None:
    uri = place.submitted(epochs=100, batch_size=2).document["uri"]
    place.until(uri, lambda _: place.there(uri, "metrics.jsonl", '"step":3,'))
    assert place.typed("jobs", "cancel", uri).code == 0
    assert place.typed("jobs", "wait", uri).code == 1
    assert place.job(uri)["state"] == "cancelled"
    end = time.monotonic() + WITHIN_S
    while (word := place.emulator.world.commands[place.launch()].status(place.emulator.world.now())) not in ("Canceled", "Completed"):
        assert time.monotonic() < end, word
        time.sleep(0.1)


@pytest.mark.slow
def test_a_pause_gives_the_machine_back_and_a_resume_rents_another(place: Place) -> None:
    uri = place.submitted(epochs=60, batch_size=2).document["uri"]
    place.until(uri, lambda _: place.saved(uri))
    assert place.typed("jobs", "pause", uri).code == 0
    place.until(uri, lambda job: job["state"] == "paused")
    (first,) = place.emulator.world.commands.values()
    place.until(uri, lambda _: first.status(place.emulator.world.now()) == "Completed")
    assert place.typed("jobs", "resume", uri).code == 0
    place.until(uri, lambda job: job["state"] == "succeeded")
    first, second = place.emulator.world.commands.values()
    assert (first.puts, second.puts) == (1, 1)
    assert second.properties["codeId"] == first.properties["codeId"]
    assert second.properties["tags"]["tuneport_job"] == first.properties["tags"]["tuneport_job"]


@pytest.mark.slow
def test_a_login_that_ends_in_the_middle_loses_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = place.submitted(epochs=30).document["uri"]
    place.until(uri, lambda _: place.saved(uri))
    place.emulator.revoke(os.environ["AZURE_MANAGEMENT_TOKEN"])
    job = place.emulator.world.commands[place.launch()]
    place.until(uri, lambda _: job.status(place.emulator.world.now()) == "Completed")
    assert not place.job(uri)["error"]
    kill(place.folder / "home", uri.removeprefix("local:"))  # whoever follows has the old token, and would ask for a day
    place.until(uri, lambda seen: seen["state"] == "paused")
    monkeypatch.setenv("AZURE_MANAGEMENT_TOKEN", place.emulator.token())
    assert place.typed("jobs", "resume", uri).code == 0
    place.until(uri, lambda seen: seen["state"] == "succeeded")
    assert len(place.emulator.world.commands) == 1


@pytest.mark.slow
def test_the_trials_of_a_sweep_each_rent_a_machine(place: Place) -> None:
    recipe = place.written(epochs=4)
    words = ("--trials", 2, "--space", "seed=1,2", "--metric", "loss", "--yes", "--out", place.folder / "best.toml")
    run = place.typed("sweep", recipe, "--provider", "local", *words)
    assert run.code == 0, run.err
    assert len(place.emulator.world.commands) == 2
    assert 'engine = "azureml"' in (place.folder / "best.toml").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("machine", "more", "said"),
    [
        (GPU, "", "the container has no CUDA"),
        (CPU, "max_hours = 0.003", "was cancelled there (Canceled)"),
    ],
)
def test_what_goes_wrong_there_is_one_sentence_here(place: Place, machine: str, more: str, said: str) -> None:
    run = place.submitted(epochs=100, batch_size=2, machine=machine, more=more)
    assert run.code == 0, run.out
    uri = run.document["uri"]
    end = time.monotonic() + WITHIN_S
    while (job := place.job(uri))["state"] not in ("failed", "paused"):
        assert time.monotonic() < end, job
        time.sleep(0.3)
    told = job["error"] or job["detail"]
    assert said in told
    assert "\n" not in told
    assert len(place.emulator.world.commands) == 1


@pytest.mark.parametrize(
    ("machine", "more", "said"),
    [
        ('compute = "gpu-h100"', "", "has no compute 'gpu-h100'"),
        (CPU, 'environment = "azureml:mine:3"', "no environment mine of version 3"),
        (GPU, "gpus = 4", "Standard_NC24ads_A100_v4 has 1 GPUs"),
    ],
)
def test_what_cannot_be_launched_is_one_sentence_before_there_is_a_job(place: Place, machine: str, more: str, said: str) -> None:
    run = place.submitted(machine=machine, more=more)
    assert run.code == 3
    assert said in run.document["error"]["message"]
    assert place.emulator.world.commands == {}
    assert not list((place.folder / "home" / "local" / "jobs").glob("*/recipe.json"))


@pytest.mark.parametrize(
    ("token", "said"),
    [({"tenant_right": False}, "another tenant"), ({"role": "reader"}, "role of this identity"), ({"life_s": 0}, "expired")],
)
def test_who_may_not_rent_is_told_so_before_there_is_a_job(
    place: Place, monkeypatch: pytest.MonkeyPatch, token: dict[str, Any], said: str
) -> None:
    monkeypatch.setenv("AZURE_MANAGEMENT_TOKEN", place.emulator.token(**token))
    run = place.submitted()
    assert run.code == 3
    assert said in run.document["error"]["message"]
    assert place.emulator.world.commands == {}


@pytest.mark.slow
def test_two_machines_of_the_workspace_train_one_job_and_begin_again_together(place: Place) -> None:
    del place.inside["TUNEPORT_ENVIRONMENTS"]  # each machine makes one of its own
    both = 'compute = "cpu-small"\ngpus = 0\ninstance_count = 2'
    submitted = place.submitted(epochs=40, machine=both, workers=2)
    assert submitted.code == 0, submitted.err
    uri = submitted.document["uri"]
    place.until(uri, lambda _: place.saved(uri))
    place.machines.of(place.launch()).take_away()
    job = place.until(uri, lambda job: job["state"] == "succeeded")
    assert place.machines.of(place.launch()).starts == 2, job
    said = place.typed("jobs", "events", uri).out
    assert "2 workers: each learns from 4 of the 8 rows of a step" in said
    assert "resuming at step" in said
    asked = place.emulator.world.commands[place.launch()].properties
    assert (asked["resources"]["instanceCount"], asked["distribution"]["processCountPerInstance"]) == (2, 1)
    assert (place.folder / "home" / "local" / "jobs" / uri.removeprefix("local:") / "adapter" / "adapter_model.safetensors").is_file()
