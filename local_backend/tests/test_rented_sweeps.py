"""Sweeps whose trials run on rented machines, and what is asked before money is spent on them. The machines are played."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tuneport_local import provider
from tuneport_local.engines.reports import Report
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.storage.ended import leave
from tuneport_local.storage.place import Place
from tuneport_local.storage.sent import Sending, fetched

from tuneport.cli import main
from tuneport.client import Client
from tuneport.clock import SystemClock
from tuneport.errors import UsageError
from tuneport.recipe import SFT, Recipe
from tuneport.settings import Settings
from tuneport.sweeping.space import Choices
from tuneport.sweeping.sweep import sweep
from tuneport.sweeping.wishes import Wishes

from . import acme_machines
from .renting import launches, vendor
from .tiny import write_chats
from .workers import kill_workers

pytest.importorskip("optuna")
__all__ = ["vendor"]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "base"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    return folder


@pytest.fixture
def recipe(tmp_path: Path, base: Path, vendor: Path) -> Recipe:
    (vendor / "no-hosts").touch()
    rows = write_chats(tmp_path / "chats.jsonl")
    options = {"local": {"engine": "acme", "acme": {"vendor": str(vendor)}}}
    return Recipe(base=str(base), train=rows, validation=rows, method=SFT(epochs=1), options=options)


class Looking(SystemClock):
    """Whoever sleeps lets the machines go on."""

    def __init__(self, machines: Machines) -> None:
        self._machines = machines

    def sleep(self, seconds: float) -> None:
        self._machines.look()
        super().sleep(min(seconds, 0.2))


@pytest.fixture
def machines(vendor: Path, tmp_path: Path) -> Machines:
    return Machines(vendor, tmp_path / "home")


@pytest.fixture
def client(tmp_path: Path, machines: Machines) -> Iterator[Client]:
    settings = Settings(home=tmp_path / "home", providers={"local": {"calibrate": False}}, environ={"OMP_NUM_THREADS": "1"})
    with Client(settings=settings, providers=[provider], clock=Looking(machines)) as opened:
        yield opened
    kill_workers(tmp_path / "home")


class Machines:
    """Trains every job that is launched, once two of them are there at the same time."""

    def __init__(self, vendor: Path, home: Path) -> None:
        self._vendor = vendor
        self._home = home
        self.together = 0

    def look(self) -> None:
        waiting = [name for name in launches(self._vendor) if acme_machines.get(self._vendor, name)["seen"]["state"] == "waiting"]
        self.together = max(self.together, len(waiting))
        if self.together < 2:
            return
        for name in waiting:
            with suppress(FileNotFoundError):
                self._train(name)

    def _train(self, name: str) -> None:
        job = acme_machines.get(self._vendor, name)
        place = Place(job["there"])
        copy = JobFolder(fetched(place, home=self._home))
        rate = copy.recipe()["hyperparameters"]["learning_rate"]
        sending = Sending(copy.path, place)
        copy.metric(1, {"loss": 1.0, "eval_loss": 1.0 / (1.0 + rate)})
        (copy.path / "adapter").mkdir()
        (copy.path / "adapter" / "adapter_model.safetensors").write_bytes(b"learned")
        (copy.path / "adapter" / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
        (copy.path / "run.json").write_text("{}")
        sending.send(all_of_it=True)
        leave(place, Report(0, "succeeded"), launch=name)
        acme_machines.put(self._vendor, name, {**job, "seen": {"state": "succeeded", "word": "DONE"}})


def a_sweep(recipe: Recipe, **more: Any) -> Wishes:
    space = {"method.learning_rate": Choices((1e-4, 1e-3))}
    return Wishes(recipe=recipe, provider="local", space=space, **{"trials": 2, "parallel": 2, **more})


def test_trials_train_beside_each_other_after_the_user_has_agreed(recipe: Recipe, client: Client, machines: Machines) -> None:
    asked: list[str] = []
    done = sweep(a_sweep(recipe), client=client, confirm=asked.append)
    assert asked == ["Up to 2 trials run on machines that a vendor bills, and nothing bounds what they cost (--max-cost)."]
    assert machines.together == 2
    assert done.best.values == {"method.learning_rate": 1e-3}


def test_nothing_is_launched_where_the_user_does_not_agree(recipe: Recipe, client: Client, vendor: Path) -> None:
    def no(sentence: str) -> None:
        raise UsageError(f"{sentence} No.")

    with pytest.raises(UsageError, match="Up to 2 trials run on machines that a vendor bills"):
        sweep(a_sweep(recipe), client=client, confirm=no)
    assert launches(vendor) == []


def test_a_budget_that_cannot_be_kept_is_refused(recipe: Recipe, client: Client, vendor: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be kept under 5 USD"):
        sweep(a_sweep(recipe, max_cost_usd=Decimal(5)), client=client, confirm=lambda _: None)
    assert launches(vendor) == []


def test_a_submit_without_a_terminal_wants_to_be_told_that_money_may_be_spent(
    recipe: Recipe, vendor: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNEPORT_HOME", str(tmp_path / "home"))
    path = tmp_path / "recipe.json"
    path.write_text(json.dumps(recipe.to_dict()))
    assert main(["submit", str(path), "--provider", "local"]) == 2
    assert "submitting to local spends money" in capsys.readouterr().err
    assert launches(vendor) == []
