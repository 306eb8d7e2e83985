"""300 lives of clients in the emulated workspace while requests go wrong; and that such lives find out a trainer that is broken."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import pytest
from faulty_life import Broken, Lived, in_all, quiet
from harbour import in_memory
from tuneport_azureml.adapter import jobs
from tuneport_azureml.adapter.trainer import AzureMLTrainer
from tuneport_azureml.wire.jobs import snapshot_of
from tuneport_azureml.wire.plans import create_body

from tuneport.errors import Ambiguous
from tuneport.job import Snapshot
from tuneport.plan import Plan

from .azureml_life import live

SEEDS, BLOCK, AT_ONCE = 300, 20, 60
"""`make test` plays the first of them, `make test-slow` the others."""
BLOCKS = [pytest.param(first, marks=[pytest.mark.slow] if first >= AT_ONCE else []) for first in range(0, SEEDS, BLOCK)]


def lived(seed: int, kind: type[AzureMLTrainer] = AzureMLTrainer) -> Lived:
    """In a folder in memory where there is one: the registry syncs every commit to its disk."""
    with in_memory() as home, quiet():
        return live(seed, home, kind=kind)


@pytest.mark.parametrize("first", BLOCKS)
def test_no_schedule_of_faults_makes_two_jobs_at_azure_ml_or_loses_one(first: int) -> None:
    in_all([lived(seed) for seed in range(first, first + BLOCK)])


class Renaming(AzureMLTrainer):
    """Creates again where no answer came, under another name."""

    def create(self, plan: Plan, client_id: str, files: Mapping[str, str]) -> Snapshot:
        try:
            return super().create(plan, client_id, files)
        except Ambiguous:
            body = create_body(plan, client_id=client_id, files=files)
            again = f"{client_id}-2"
            self._connection.arm("PUT", f"/jobs/{again}", doing="creating again", body=body, creating=True)
            return snapshot_of(jobs.job(self._connection, again))


class Denying(AzureMLTrainer):
    """Takes a lost answer for a refusal: looks for nothing."""

    def find(self, client_id: str, plan: Plan | None = None, *, since: datetime | None = None) -> Snapshot | None:
        return None


@pytest.mark.parametrize("kind", [Renaming, Denying])
def test_the_schedules_find_a_trainer_of_azure_ml_that_breaks_the_promise(kind: type[AzureMLTrainer]) -> None:
    found = next((seed for seed in range(200) if not keeps_its_promise(seed, kind)), None)
    assert found is not None, f"{kind.__name__} was not found out"


def keeps_its_promise(seed: int, kind: type[AzureMLTrainer]) -> bool:
    try:
        lived(seed, kind)
    except Broken:
        return False
    return True
