"""What tracking tools are told of a job, by a process beside the worker: everything once, to the end, and no step waits for it."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.jobs.home import Jobs
from tuneport_local.jobs.launch import claim
from tuneport_local.plans import planning
from tuneport_local.tracking import tools

from tuneport.errors import RecipeError, Unsupported
from tuneport.job import JobState
from tuneport.recipe import SFT, Recipe

KEY = "key-of-nobody-1234567890"
STAND_IN = '''
"""A tool that writes down what it is told, and goes wrong as its environment says."""
import json, os, time
from enum import Enum
from pathlib import Path

FOLDER = Path(os.environ["STAND_IN"])

class AlertLevel(Enum):
    INFO = "info"
    ERROR = "error"

def _say(**what):
    with (FOLDER / "said.jsonl").open("a") as file:
        file.write(json.dumps(what) + "\\n")

def _trouble():
    if (FOLDER / "down").exists():
        raise ConnectionError("https://me:secret-word@tracking.example refused key " + os.environ["TRACKIO_KEY"])
    if (FOLDER / "hangs").exists():
        time.sleep(600)
    if (FOLDER / "dies").exists():
        os._exit(9)

class Run:
    def __init__(self, name, project):
        self.name, self.project = name, project
    def log(self, metrics, step):
        _trouble()
        _say(step=step, metrics=metrics)
    def alert(self, title, level):
        _trouble()
        _say(end=title, level=level.value)
    def finish(self):
        _say(finished=True)

def init(project, name, config, resume, embed, auto_log_gpu, auto_log_cpu):
    _trouble()
    _say(project=project, name=name, config=config, resume=resume)
    return Run(name, project)
'''


class Bench:
    """A job under a worker that the test plays, and the processes that follow it."""

    def __init__(self, folder: Path, tool: str, **environ: str) -> None:
        self.folder, self.tool = folder, tool
        data = folder / "rows.jsonl"
        data.write_text('{"messages": ["a secret of the rows"]}\n')
        recipe = {
            "base": "tiny",
            "method": "sft",
            "suffix": "cards",
            "home": str(folder / "home"),
            "hyperparameters": {"device": "cpu", "learning_rate": 0.001, "lora": {"rank": 8}, "track": [tool]},
        }
        self.job, _ = Jobs(folder / "home").make("0123456789abcdef", recipe, {"train": data})
        self.environ = {**os.environ, "TRACKIO_KEY": KEY, "STAND_IN": str(folder), **environ}
        self.environ.setdefault("PYTHONPATH", "")
        self._lock: int | None = None
        self.followers: list[subprocess.Popen[bytes]] = []

    def starts(self) -> None:
        """A worker takes the job."""
        self._lock = claim(self.job)
        assert self._lock is not None
        self.job.phase(JobState.RUNNING)

    def resumes(self) -> None:
        self.job.write_status(replace(self.job.status(), state=JobState.CREATED, attempt=self.job.status().attempt + 1))
        self.job = JobFolder(self.job.path)
        self.starts()

    def dies(self) -> None:
        """The worker is gone, as after kill -9."""
        assert self._lock is not None
        os.close(self._lock)
        self._lock = None

    def ends(self, state: JobState) -> None:
        self.job.phase(state)
        self.dies()

    def follow(self, *, patience_s: float = 30.0) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-P", "-m", "tuneport_local.tracking.follower", str(self.job.path), self.tool]
        with (self.folder / "follower.log").open("ab") as log:
            process = subprocess.Popen([*command, "--patience-s", str(patience_s)], env=self.environ, stdout=log, stderr=log)
        self.followers.append(process)
        return process

    def told(self, process: subprocess.Popen[bytes], *, within_s: float = 120.0) -> int:
        """Waits until that follower has left; its exit code."""
        return process.wait(within_s)

    def warnings(self) -> list[str]:
        return [event.message for event in self.job.events() if event.level == "warning"]

    def until(self, true: Callable[[], bool], *, within_s: float = 60.0) -> None:
        end = time.monotonic() + within_s
        while not true():
            assert self.followers[-1].poll() is None, (self.folder / "follower.log").read_text()
            assert time.monotonic() < end, (self.folder / "follower.log").read_text()
            time.sleep(0.05)


@contextmanager
def bench(folder: Path, tool: str, **environ: str) -> Iterator[Bench]:
    made = Bench(folder, tool, **environ)
    try:
        yield made
    finally:
        for process in made.followers:
            process.kill()
            process.wait()


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[Bench]:
    """A bench whose trackio is the stand-in."""
    package = tmp_path / "packages"
    package.mkdir()
    (package / "trackio.py").write_text(STAND_IN)
    with bench(tmp_path, "trackio") as made:
        made.environ["PYTHONPATH"] = os.pathsep.join([str(package), made.environ["PYTHONPATH"]])
        yield made


def said(made: Bench) -> list[dict[str, Any]]:
    path = made.folder / "said.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def steps(made: Bench) -> list[int]:
    return [line["step"] for line in said(made) if "step" in line]


def test_a_tool_hears_settings_readings_and_the_end_and_a_resumed_job_goes_on_with_the_same_run(stand_in: Bench) -> None:
    stand_in.starts()
    first = stand_in.follow()
    for step in (1, 2, 3):
        stand_in.job.metric(step, {"loss": 1.0 / step, "eta_s": 3.0})
    stand_in.until(lambda: steps(stand_in) == [1, 2, 3])  # while it trains
    stand_in.ends(JobState.PAUSED)
    assert stand_in.told(first) == 0
    stand_in.resumes()
    second = stand_in.follow()
    for step in (3, 4):
        stand_in.job.metric(step, {"loss": 9.0})  # step 3 was trained again
    stand_in.job.metric(4, {"eval_loss": 0.5})
    stand_in.ends(JobState.SUCCEEDED)
    assert stand_in.told(second) == 0
    begun = [line for line in said(stand_in) if "project" in line]
    assert [(line["project"], line["name"], line["resume"]) for line in begun] == [("tuneport", "cards-01234567", "allow")] * 2
    assert begun[0]["config"]["lora.rank"] == 8
    assert steps(stand_in) == [1, 2, 3, 4, 4]
    assert said(stand_in)[-3]["metrics"] == {"validation/loss": 0.5}
    assert [line["end"] for line in said(stand_in) if "end" in line] == ["paused", "succeeded"]
    assert stand_in.warnings() == []
    assert "secret of the rows" not in json.dumps(said(stand_in))
    assert str(stand_in.folder) not in json.dumps(said(stand_in))


def test_a_worker_that_is_killed_is_told_of(stand_in: Bench) -> None:
    stand_in.starts()
    follower = stand_in.follow()
    stand_in.job.metric(1, {"loss": 1.0})
    stand_in.until(lambda: steps(stand_in) == [1])
    stand_in.dies()
    assert stand_in.told(follower) == 0
    assert [line["end"] for line in said(stand_in) if "end" in line] == ["killed"]
    assert stand_in.job.status().state is JobState.RUNNING  # which is for a client to settle


def test_a_tool_that_cannot_be_reached_costs_one_warning_and_hears_everything_once_it_answers(stand_in: Bench) -> None:
    down = stand_in.folder / "down"
    down.touch()
    stand_in.starts()
    follower = stand_in.follow()
    for step in (1, 2):
        stand_in.job.metric(step, {"loss": 1.0})
    stand_in.until(lambda: bool(stand_in.warnings()))
    down.unlink()
    stand_in.job.metric(3, {"loss": 1.0})
    stand_in.ends(JobState.SUCCEEDED)
    assert stand_in.told(follower) == 0
    assert steps(stand_in) == [1, 2, 3]
    (warning,) = stand_in.warnings()
    assert "trackio cannot be told (ConnectionError: https://tracking.example refused" in warning
    everything = b"".join(path.read_bytes() for path in stand_in.job.path.rglob("*") if path.is_file())
    assert KEY.encode() not in everything
    assert b"secret-word" not in everything


@pytest.mark.parametrize("trouble", ["down", "hangs"])
def test_a_tool_that_never_answers_is_left_after_a_while_and_the_next_attempt_tells_it_all(stand_in: Bench, trouble: str) -> None:
    (stand_in.folder / trouble).touch()
    stand_in.starts()
    follower = stand_in.follow(patience_s=0.5)
    stand_in.job.metric(1, {"loss": 1.0})
    stand_in.ends(JobState.PAUSED)
    assert stand_in.told(follower) == 1
    assert "was not told everything" in stand_in.warnings()[-1]
    (stand_in.folder / trouble).unlink()
    stand_in.resumes()
    again = stand_in.follow()
    stand_in.job.metric(2, {"loss": 0.5})
    stand_in.ends(JobState.SUCCEEDED)
    assert stand_in.told(again) == 0
    assert steps(stand_in) == [1, 2]


def test_a_tool_that_is_not_installed_is_refused_before_anything_runs_with_the_command_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from .tiny import write_chats

    rows = write_chats(tmp_path / "chats.jsonl")
    monkeypatch.setattr(tools, "find_spec", lambda name: None)
    recipe = Recipe(base="smollm2-135m-instruct", train=rows, options={"local": {"track": ["wandb"]}})
    with pytest.raises(Unsupported, match=r"Weights & Biases is not installed\. pip install wandb"):
        planning.plan(recipe, provider="local", scope="here", base="tiny")
    with pytest.raises(RecipeError, match="mlflow"):
        planning.options_of(Recipe(base="x", train=rows, options={"local": {"track": ["tensorbord"]}}), provider="local")


def test_a_recipe_without_tracking_has_the_plan_that_it_had(tmp_path: Path) -> None:
    from .tiny import write_chats

    recipe = Recipe(base="x", train=write_chats(tmp_path / "chats.jsonl"), method=SFT())
    assert "track" not in planning.hyperparameters(recipe, provider="local")


# --- the tools themselves, where they are installed --------------------------------------------------------------------------------------


def real(tool: str, folder: Path, **environ: str) -> tuple[Bench, list[str]]:
    """A job that is paused, resumed, fails, followed by the tool itself; and its warnings."""
    if find_spec(tool) is None:
        pytest.skip(f"{tool} is not installed")
    with bench(folder, tool, **environ) as made:
        for state in (JobState.PAUSED, JobState.FAILED):
            made.resumes() if made.job.metrics() else made.starts()
            follower = made.follow()
            for step in range(len(made.job.metrics()) + 1, len(made.job.metrics()) + 4):
                made.job.metric(step, {"loss": 1.0 / step})
            made.ends(state)
            assert made.told(follower) == 0, (folder / "follower.log").read_text()
        return made, made.warnings()


@pytest.mark.filterwarnings("ignore")  # those of its own store
def test_mlflow_itself_has_one_run_with_each_step_and_its_end(tmp_path: Path) -> None:
    _, warnings = real("mlflow", tmp_path)
    assert warnings == []
    from mlflow.tracking import MlflowClient

    client = MlflowClient(f"sqlite:///{tmp_path}/home/local/tracking/mlflow.db")
    experiment = client.get_experiment_by_name("tuneport")
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.run_name, run.info.status) == ("cards-01234567", "FAILED")
    assert run.data.params["lora.rank"] == "8"
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert [(each.step, each.value) for each in history] == [(step, 1.0 / step) for step in range(1, 7)]


def test_wandb_itself_writes_its_offline_runs(tmp_path: Path) -> None:
    made, warnings = real("wandb", tmp_path, WANDB_MODE="offline")
    assert warnings == []
    told, ends = [], []
    for path in sorted(made.job.path.glob("tracking/wandb/offline-run-*/*.wandb")):
        for record in wandb_records(path):
            kind = record.WhichOneof("record_type")
            if kind == "run":
                assert (record.run.run_id, record.run.display_name) == ("0123456789abcdef", "cards-01234567")
            if kind == "history":
                items = {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
                told.append((items["step"], items["train/loss"]))
            if kind == "exit":
                ends.append(record.exit.exit_code)
    assert told == [(step, pytest.approx(1.0 / step)) for step in range(1, 7)]
    assert ends == [1, 1]
    assert not list(made.job.path.rglob("requirements.txt"))  # what else is installed is nobody's business


def wandb_records(path: Path) -> Iterator[Any]:
    """The records of a small offline file: a head of 7 bytes, then checksum, length and kind before each record."""
    from wandb.proto import wandb_internal_pb2

    data, place = path.read_bytes(), 7
    assert data.startswith(b":W&B")
    while place + 7 <= len(data):
        (size,) = struct.unpack_from("<H", data, place + 4)
        assert data[place + 6] == 1
        yield wandb_internal_pb2.Record.FromString(data[place + 7 : place + 7 + size])
        place += 7 + size


def test_trackio_itself_keeps_one_run_with_each_step(tmp_path: Path) -> None:
    _, warnings = real("trackio", tmp_path, TRACKIO_DIR=str(tmp_path / "trackio"))
    assert warnings == []
    import sqlite3

    (path,) = (tmp_path / "trackio").glob("tuneport*.db")
    with sqlite3.connect(path) as db:
        found = db.execute("select step, metrics from metrics order by step").fetchall()
        runs = {name for (name,) in db.execute("select run_name from metrics")}
        alerts = [title for (title,) in db.execute("select title from alerts order by id")]
    assert [(step, json.loads(told)["train/loss"]) for step, told in found] == [(step, pytest.approx(1.0 / step)) for step in range(1, 7)]
    assert runs == {"cards-01234567"}
    assert alerts == ["paused", "failed"]
