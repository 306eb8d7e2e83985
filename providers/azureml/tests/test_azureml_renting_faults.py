"""300 lives of workers that rent machines of the emulated workspace while requests go wrong and they are killed; and that such lives find a
launcher that is broken. The jobs stand by their courses; those that really run are in test_azureml_machines.py."""

from __future__ import annotations

import pytest
from harbour import in_memory
from tuneport_azureml.renting import jobs
from tuneport_azureml.renting.launcher import AzureMLLauncher
from tuneport_local.engines.launcher import Order, Rented

from tuneport.errors import Ambiguous

from .azureml_renting_life import Broken, live

SEEDS, BLOCK, AT_ONCE = 300, 20, 20
"""`make test` plays the first of them, `make test-slow` the others."""
BLOCKS = [pytest.param(first, marks=[pytest.mark.slow] if first >= AT_ONCE else []) for first in range(0, SEEDS, BLOCK)]


def lived(seed: int, kind: type[AzureMLLauncher] = AzureMLLauncher) -> int:
    with in_memory() as home:
        return live(seed, home, kind=kind)


@pytest.mark.parametrize("first", BLOCKS)
def test_no_schedule_of_faults_rents_two_machines_for_a_launch_or_loses_one(first: int) -> None:
    killed = sum(lived(seed) for seed in range(first, first + BLOCK))
    assert killed > 0, "no worker was killed, so that these lives try nothing of it"


class Renaming(AzureMLLauncher):
    """Launches again under another name where no answer came."""

    def launch(self, order: Order) -> Rented:
        try:
            return super().launch(order)
        except Ambiguous:
            again = Order(order.job_id, f"{order.name}-2", order.settings, order.bundle, order.bundle_sha256, order.labels)
            return super().launch(again)


class Forgetful(AzureMLLauncher):
    """Puts without a look."""

    def launch(self, order: Order) -> Rented:
        found, jobs.find = jobs.find, lambda connection, name: None
        try:
            return super().launch(order)
        finally:
            jobs.find = found

    def find(self, order: Order) -> Rented | None:
        return None


@pytest.mark.parametrize("kind", [Renaming, Forgetful])
def test_the_schedules_find_a_launcher_that_breaks_the_promise(kind: type[AzureMLLauncher]) -> None:
    found = next((seed for seed in range(200) if not keeps_its_promise(seed, kind)), None)
    assert found is not None, f"{kind.__name__} was not found out"


def keeps_its_promise(seed: int, kind: type[AzureMLLauncher]) -> bool:
    try:
        lived(seed, kind)
    except Broken:
        return False
    return True
