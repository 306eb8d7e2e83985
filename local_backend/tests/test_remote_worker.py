"""What the worker on a rented machine does around the training: nothing here loads torch."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.bases import weights
from tuneport_local.engines.reports import Report
from tuneport_local.jobs.failures import MachineGaveOut
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.jobs.home import Jobs
from tuneport_local.remote.brought import base_sent, base_taken
from tuneport_local.remote.fitness import refuse_without_gpus
from tuneport_local.remote.work import _as_here, worked
from tuneport_local.storage.ended import ended, leave
from tuneport_local.storage.followed import Followed
from tuneport_local.storage.lease import NAME, Holding, holding
from tuneport_local.storage.place import Place
from tuneport_local.storage.sent import fetched

from tuneport.testing.clock import SimulatedClock


@pytest.fixture(autouse=True)
def signals_kept() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.fixture
def job(tmp_path: Path) -> JobFolder:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"messages": []}\n')
    values = {"device": "cpu", "engine": "acme", "workers": 2, "rented": {"gpus": 0}, "track": ["mlflow"], "epochs": 1}
    recipe = {"base": "acme/base", "hyperparameters": values, "home": "/home/of/the/sender", "method": "sft"}
    folder, _ = Jobs(tmp_path / "home").make("one", recipe, {"train": rows})
    return folder


@pytest.fixture
def place(job: JobFolder, tmp_path: Path) -> Place:
    found = Place(str(tmp_path / "storage" / "one"))
    Followed(job, found).send()
    return found


def test_a_job_whose_recipe_cannot_be_read_ends_with_a_sentence_and_gives_the_lease_back(place: Place) -> None:
    assert worked(place, launch="launch-1", clock=SimulatedClock()) == 1
    report = ended(place, ["launch-1"])
    assert report is not None
    assert (report.kind, report.message[:49]) == ("refused", "recipe.json does not describe a training run: 'lo")
    assert holding(place) is None


def test_a_launch_that_has_ended_is_not_made_again_by_a_vendor_that_starts_it_once_more(place: Place) -> None:
    leave(place, Report(0, "succeeded"), launch="launch-1")
    assert worked(place, launch="launch-1", clock=SimulatedClock()) == 0
    leave(place, Report(0, "refused", "no."), launch="launch-2")
    assert worked(place, launch="launch-2", clock=SimulatedClock()) == 1
    assert place.read("worker.log") is None


def test_a_second_machine_on_the_same_job_ends_with_a_word_and_trains_nothing(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    first = Holding("b" * 32, "launch-1", 0, "first.example", "another machine", 1, 0.0)
    place.write(NAME, json.dumps(asdict(first)).encode())

    class Beating(SimulatedClock):
        def sleep(self, seconds: float) -> None:
            super().sleep(seconds)
            place.write(NAME, json.dumps(asdict(replace(first, beat=1))).encode())

    assert worked(place, launch="launch-2", clock=Beating()) == 0
    assert "another machine first.example trains this job" in capsys.readouterr().out
    assert ended(place, ["launch-1", "launch-2"]) is None
    assert holding(place) == replace(first, beat=1)


def test_a_job_cancelled_before_its_machine_came_is_not_trained(place: Place) -> None:
    place.write("wish", b"cancel")
    assert worked(place, launch="launch-1", clock=SimulatedClock()) == 0
    assert ended(place, ["launch-1"]) == Report(0, "cancelled")


def test_a_place_that_is_not_mounted_there_says_so(tmp_path: Path) -> None:
    empty = Place(str(tmp_path / "empty"))
    assert worked(empty, launch="launch-1", clock=SimulatedClock()) == 1
    report = ended(empty, ["launch-1"])
    assert report is not None
    assert "holds no recipe.json" in report.message


def test_the_recipe_there_is_trained_by_what_that_machine_has_and_tells_no_tool_of_it(place: Place, tmp_path: Path) -> None:
    copy = _as_here(fetched(place, home=tmp_path), place)
    recipe = JobFolder(copy).recipe()
    assert recipe["hyperparameters"] == {"device": "cpu", "engine": "accelerate", "workers": 2, "epochs": 1}
    assert Path(recipe["home"]).is_dir()
    assert Path(recipe["home"]).parent == copy.parent
    assert Path(recipe["files"]["train"]).parent == copy / "data"


def test_a_base_that_was_sent_is_found_by_its_own_name_with_the_note_of_its_sender(place: Place, tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    (base / "config.json").write_text("{}")
    (base / "model.safetensors").write_bytes(b"weights")
    (base / ".cache").write_text("not sent")
    assert base_sent(place, str(base), home=tmp_path / "home") == 9
    assert base_sent(place, str(base), home=tmp_path / "home") == 0
    here = weights.resolve(str(base), home=tmp_path / "home")
    base.rename(tmp_path / "gone")
    base_taken(place, home=tmp_path / "there")
    found = weights.resolve(str(base), home=tmp_path / "there")
    assert (found.id, found.note, found.source) == (here.id, here.note, "folder")
    assert (Path(found.location) / "model.safetensors").read_bytes() == b"weights"
    assert not (Path(found.location) / ".cache").exists()


def test_a_base_of_the_hub_is_fetched_there(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = tmp_path / "hub" / "models--acme--base" / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        (snapshot / name).write_text("{}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    assert base_sent(place, "acme/base", home=tmp_path) == 0
    assert place.names("base") == []
    base_taken(place, home=tmp_path / "there")
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize(
    ("torch", "sentence"),
    [
        ("2.13.0+cpu None False 0", r"the container has no CUDA: its torch is 2\.13\.0\+cpu, and the job is to train on a GPU\."),
        ("2.13.0 12.8 False 0", r"torch 2\.13\.0 \(CUDA 12\.8\) sees no GPU on the machine there, and 2 are wanted\."),
        ("2.13.0 12.8 True 1", r"torch 2\.13\.0 \(CUDA 12\.8\) sees 1 GPU on the machine there, and 2 are wanted\."),
        ("", r"the container's torch does not load: ImportError: libcuda is broken\."),
    ],
)
def test_a_container_without_the_gpus_that_were_promised_is_named(
    torch: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _a_torch(tmp_path, torch)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(MachineGaveOut, match=sentence):
        refuse_without_gpus(2)


def test_one_with_them_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _a_torch(tmp_path, "2.13.0 12.8 True 2")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    refuse_without_gpus(2)


def _a_torch(folder: Path, about: str) -> None:
    """A torch that says of itself what a container's would."""
    if not about:
        (folder / "torch.py").write_text("raise ImportError('libcuda is broken')\n")
        return
    version, cuda, there, count = about.split()
    lines: dict[str, Any] = {"__version__": version, "version": f"type('V', (), dict(cuda={None if cuda == 'None' else cuda!r}))"}
    program = f"__version__ = {lines['__version__']!r}\nversion = {lines['version']}\n"
    program += f"cuda = type('C', (), dict(is_available=lambda: {there}, device_count=lambda: {count}))\n"
    (folder / "torch.py").write_text(program)


def test_what_is_printed_is_shown_and_kept_also_by_processes_that_are_started(tmp_path: Path) -> None:
    program = (
        "import subprocess, sys\nfrom pathlib import Path\nfrom tuneport_local.remote.printed import kept_in\n"
        f"with kept_in(Path({str(tmp_path / 'log')!r})):\n"
        "    print('ours')\n    subprocess.run([sys.executable, '-c', 'import sys; print(\"theirs\", file=sys.stderr)'])\nprint('after')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=os.environ)
    assert (tmp_path / "log").read_text().splitlines() == ["ours", "theirs"]
    assert (done.stdout.splitlines(), done.stderr) == (["ours", "theirs", "after"], "")
