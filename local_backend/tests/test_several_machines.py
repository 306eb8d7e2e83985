"""Several rented machines for one job, before they train: what is planned, and which of them one is. Nothing here loads torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.jobs.failures import MachineGaveOut
from tuneport_local.remote.crew import Crew, crew_of, machines_of
from tuneport_local.remote.work import worked
from tuneport_local.storage.ended import ended
from tuneport_local.storage.lease import holding
from tuneport_local.storage.place import Place

from tuneport.errors import RecipeError

from .renting import vendor
from .test_rented_plans import a_recipe, base, values_of

__all__ = ["base", "vendor"]
AZURE = {"NODE_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "10.0.0.4", "MASTER_PORT": "6105"}
POOLS = {"workerpool0": ["one-0:2222"], "workerpool1": ["two-0:2222", "two-1:2222"]}


def of_vertex(kind: str, index: int) -> dict[str, str]:
    return {"CLUSTER_SPEC": json.dumps({"cluster": POOLS, "environment": "cloud", "task": {"type": kind, "index": index}})}


def a_place(folder: Path, **values: Any) -> Place:
    place = Place(str(folder))
    place.write("recipe.json", json.dumps({"hyperparameters": values}).encode())
    return place


def test_there_is_a_worker_for_each_gpu_of_all_machines(vendor: Path, base: Path) -> None:
    values = values_of(a_recipe(base, vendor, machine={"machines": 2, "gpus": 4}))
    assert (values["workers"], values["machines"], values["device"]) == (8, 2, "cuda")


def test_a_recipe_for_one_machine_says_nothing_of_machines(vendor: Path, base: Path) -> None:
    assert "machines" not in values_of(a_recipe(base, vendor, machine={"gpus": 4}))


@pytest.mark.parametrize(
    ("machine", "options", "said"),
    [
        ({"machines": 2}, {}, "the 2 machines train on their processors"),
        ({"machines": 2}, {"workers": 3}, "workers = 3 cannot be divided evenly among the 2 machines"),
        ({"machines": 2, "gpus": 2}, {"workers": 5}, "workers = 5, and the 2 machines that engine 'acme' is to rent have 4 GPUs"),
        ({"machines": 2, "gpus": 2}, {"workers": 3}, "cannot be divided evenly"),
        ({"gpus": 2}, {"workers": 3}, "workers = 3, and the machine that engine 'acme' is to rent has 2 GPUs"),
    ],
)
def test_workers_that_the_machines_cannot_share_are_refused(
    vendor: Path, base: Path, machine: dict[str, Any], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(RecipeError, match=said):
        values_of(a_recipe(base, vendor, machine=machine, **options))


@pytest.mark.parametrize(
    ("environ", "wanted", "crew"),
    [
        (AZURE, 2, Crew(1, 2, "10.0.0.4", 6105)),
        (of_vertex("workerpool0", 0), 3, Crew(0, 3, "one-0", 2222)),
        (of_vertex("workerpool1", 1), 3, Crew(2, 3, "one-0", 2222)),
        (AZURE, 1, None),
    ],
)
def test_a_machine_knows_its_number_by_what_its_vendor_says(environ: dict[str, str], wanted: int, crew: Crew | None) -> None:
    assert crew_of(environ, wanted=wanted) == crew


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "2 machines were asked for, and the environment that the vendor made here does not say which"),
        ({**AZURE, "WORLD_SIZE": "4"}, "speaks of 4"),
        ({**AZURE, "NODE_RANK": "2"}, "speaks of 2"),
        ({**AZURE, "MASTER_PORT": "none"}, "does not say which"),
        ({"CLUSTER_SPEC": "{}"}, "does not say which"),
    ],
)
def test_a_vendor_that_does_not_say_it_is_told_so(environ: dict[str, str], said: str) -> None:
    with pytest.raises(MachineGaveOut, match=said):
        crew_of(environ, wanted=2)


def test_a_machine_that_is_not_told_of_the_others_leaves_why_and_trains_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLUSTER_SPEC", *AZURE):
        monkeypatch.delenv(name, raising=False)
    place = a_place(tmp_path / "one", machines=2)
    assert machines_of(place) == 2
    assert worked(place, launch="launch-1") == 1
    report = ended(place, ["launch-1"])
    assert report is not None
    assert (report.kind, report.message[:30]) == ("machine", "2 machines were asked for, and")
    assert holding(place) is None


def test_a_recipe_that_cannot_be_read_is_one_of_one_machine(tmp_path: Path) -> None:
    assert machines_of(Place(str(tmp_path / "nothing"))) == 1
