"""Whatever goes wrong between a client and Azure: never two jobs for one submit, and never a lost one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pytest
from faulty_life import Broken, Lived, in_all, quiet
from harbour import in_memory
from tuneport_azure.adapter.trainer import AzureTrainer

from tuneport.errors import Unreachable
from tuneport.job import Snapshot
from tuneport.plan import Plan

from .azure_life import live

SEEDS, BLOCK = 300, 20


def lived(seed: int, kind: type[AzureTrainer] = AzureTrainer) -> Lived:
    """In a folder in memory where there is one: the registry syncs every commit to its disk."""
    with in_memory() as home, quiet():
        return live(seed, home, kind=kind)


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_no_schedule_of_faults_makes_two_jobs_at_azure_or_loses_one(first: int) -> None:
    in_all([lived(seed) for seed in range(first, first + BLOCK)])


class Repeating(AzureTrainer):
    """Creates again where no answer came, as the SDK would by itself."""

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        try:
            return super().create(plan, client_id, files)
        except Unreachable:
            return super().create(plan, client_id, files)


class Denying(AzureTrainer):
    """Takes a lost answer for a refusal: looks for nothing."""

    def matching(self, plan: Plan, *, since: datetime) -> tuple[Snapshot, ...]:
        return ()


@pytest.mark.parametrize("kind", [Repeating, Denying])
def test_the_schedules_find_a_trainer_of_azure_that_breaks_the_promise(kind: type[AzureTrainer]) -> None:
    found = next((seed for seed in range(200) if not keeps_its_promise(seed, kind)), None)
    assert found is not None, f"{kind.__name__} was not found out"


def keeps_its_promise(seed: int, kind: type[AzureTrainer]) -> bool:
    try:
        lived(seed, kind)
    except Broken:
        return False
    return True
