"""What the machines of one launch say to each other, and whom they blame: nothing is trained here."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from tuneport_local.engines.reports import Report, cleared
from tuneport_local.engines.restarting import Lost
from tuneport_local.jobs.failures import MachineGaveOut
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.remote import helping, leading
from tuneport_local.remote.crew import Crew
from tuneport_local.remote.helping import Helper
from tuneport_local.storage.ended import leave
from tuneport_local.storage.place import Place
from tuneport_local.training.spec import TrainingSpec

from .workers import until

pytestmark = pytest.mark.train
line = pytest.importorskip("tuneport_local.remote.line", reason="torch is not installed")


@pytest.fixture
def crew() -> Crew:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return Crew(0, 2, "127.0.0.1", int(free.getsockname()[1]))


@pytest.fixture
def ends(crew: Crew) -> tuple[object, object]:
    first = line.Line(crew)
    return first, line.Line(Crew(1, 2, crew.address, crew.port))


@pytest.fixture
def folder(tmp_path: Path) -> JobFolder:
    (tmp_path / "one" / "checkpoints").mkdir(parents=True)
    cleared(tmp_path / "one")
    return JobFolder(tmp_path / "one")


def a_spec(folder: JobFolder) -> TrainingSpec:
    values = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-3, "warmup_ratio": 0.0, "schedule": "constant", "weight_decay": 0.0}
    values |= {"max_grad_norm": 1.0, "max_length": 64, "too_long": "refuse", "seed": 0, "workers": 4, "machines": 2}
    values |= {"lora": {"rank": 4, "alpha": 8, "dropout": 0.0, "targets": "all-linear"}}
    return TrainingSpec.from_dict({"base": "acme/base", "method": "sft", "hyperparameters": values, "files": {"train": str(folder.path)}})


def test_what_one_says_the_others_hear_and_a_sign_of_life_is_counted(ends: tuple) -> None:  # type: ignore[type-arg]
    first, second = ends
    assert second.heard("round") is None
    first.say("round", {"run": "a", "checkpoint": "step-00000010"})
    until(lambda: second.heard("round") == {"run": "a", "checkpoint": "step-00000010"})
    assert first.beats(1) == 0
    second.beat()
    assert first.beats(1) == 1


def test_nobody_is_reachable_before_the_first_has_opened_its_line(crew: Crew) -> None:
    assert not line.reachable(crew)
    kept = line.Line(crew)
    assert line.reachable(crew)
    del kept


def test_how_a_round_went_comes_through_as_it_was_said() -> None:
    reports, lost = [Report(2, "error", "a connection was closed"), Report(3, "memory", "no room")], Lost(2, 4711, -9)
    assert line.hear_told(json.loads(json.dumps(line.told(reports, lost)))) == (reports, lost)
    assert line.hear_told(json.loads(json.dumps(line.told([], None)))) == ([], None)


def test_of_those_that_are_lost_the_one_that_said_nothing_is_blamed(crew: Crew, ends: tuple, folder: JobFolder) -> None:  # type: ignore[type-arg]
    first, second = ends
    Report(0, "error", "connection closed by peer").write(folder.path)
    second.say("told/a/1", line.told([Report(2, "error", "connection closed by peer")], Lost(3, 4711, -9)))
    others = leading._others(folder, a_spec(folder), crew, first, run="a")
    assert leading._blamed(folder, [Lost(0, 17, 1), *others]) == Lost(3, 4711, -9)


def test_a_machine_that_says_nothing_is_the_one_that_was_lost(
    crew: Crew,
    ends: tuple,  # type: ignore[type-arg]
    folder: JobFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leading, "_TOLD_S", 0.0)
    assert leading._others(folder, a_spec(folder), crew, ends[0], run="a") == [Lost(2)]


def test_machines_that_do_not_come_end_the_wait_with_how_many_are_there(
    crew: Crew,
    ends: tuple,  # type: ignore[type-arg]
    folder: JobFolder,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leading, "GATHER_S", -1.0)
    with pytest.raises(MachineGaveOut, match="1 of 2 machines are there after"):
        leading._gathered(folder, crew, ends[0], run="a")


def test_what_another_machine_cannot_do_ends_the_wait_with_its_sentence(crew: Crew, ends: tuple, folder: JobFolder) -> None:  # type: ignore[type-arg]
    first, second = ends
    second.say("told/a/1", line.told([Report(1, "machine", "the container has no CUDA.")], None))
    with pytest.raises(MachineGaveOut, match="the container has no CUDA"):
        leading._gathered(folder, crew, first, run="a")


def test_a_machine_ends_as_the_job_has_ended_without_a_first_one(tmp_path: Path, crew: Crew) -> None:
    for kind, code in (("succeeded", 0), ("paused", 0), ("refused", 1)):
        place = Place(str(tmp_path / kind))
        leave(place, Report(0, kind, "a word"), launch="launch-1")  # type: ignore[arg-type]
        assert Helper(place, crew, launch="launch-1", copied=lambda: pytest.fail("copied")).helped() == code


def test_a_machine_whose_first_one_never_comes_ends_with_a_sentence(
    tmp_path: Path, crew: Crew, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(helping, "PATIENCE_S", -1.0)
    assert Helper(Place(str(tmp_path)), crew, launch="launch-1", copied=lambda: pytest.fail("copied")).helped() == 1
    assert "the first machine did not begin within" in capsys.readouterr().out


def test_a_machine_hears_that_the_job_is_over(tmp_path: Path, crew: Crew, ends: tuple) -> None:  # type: ignore[type-arg]
    ends[0].say("over", {"kind": "succeeded"})
    second = Crew(1, 2, crew.address, crew.port)
    assert Helper(Place(str(tmp_path)), second, launch="launch-1", copied=lambda: pytest.fail("copied")).helped() == 0
