"""Whatever goes wrong between a client and the management plane: never two deployments, never another's, and none that is forgotten."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tuneport_azure.adapter.server import AzureServer

from tuneport.deploying import begin, follow
from tuneport.errors import NotFound, Refused, Unreachable
from tuneport.examples import Message
from tuneport.model import Deployment
from tuneport.provider import Generation

from .azure_emulated import management, put
from .azure_served import Served, served

SEEDS, BLOCK = 60, 20
OTHER = {"sku": {"name": "GlobalStandard", "capacity": 1}, "properties": {"model": {"format": "OpenAI", "name": "gpt-4.1-mini"}}}


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Unknown words and long waits are warned of, as they should be, some hundred times."""
    logging.getLogger("tuneport").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("tuneport").setLevel(logging.NOTSET)


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_no_schedule_of_faults_makes_two_deployments_or_forgets_one(tmp_path: Path, first: int) -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(first, first + BLOCK):
        with served(tmp_path, seed=seed) as stage:
            outcomes[live(stage, seed)] += 1
            outcomes["faults"] += stage.emulator.faults.counts.total()
    assert outcomes["faults"] > BLOCK, "next to nothing went wrong in these runs"
    assert outcomes["lived"] > 0, "nothing was deployed in these runs"


def live(stage: Served, seed: int) -> str:
    """Deploys while things go wrong, asks, and ends it; between, what is really there is counted."""
    put(management(stage.emulator), "others", OTHER)
    stage.clock.sleep(600)
    plan, server = stage.emulator.faults, stage.server()
    plan.chance, plan.share = random.Random(f"deployment faults {seed}"), 0.25
    made = attempt(server, stage)
    plan.share = 0.0
    there = names(stage)
    assert len(there) <= 1, there
    if made is None and not there:
        return "not made"
    again = begin(server, stage.model, options={}, clock=stage.clock)
    assert names(stage) == [again.id.rpartition("/")[2]]
    assert made is None or made.id == again.id
    plan.share = 0.25
    ready = followed(server, again, stage)
    ended = finish(server, ready, stage)
    plan.share = 0.0
    assert not ended or names(stage) == []
    assert "others" in stage.emulator.resource().deployments
    return "lived"


def attempt(server: AzureServer, stage: Served) -> Deployment | None:
    """None where nobody could tell whether it was made."""
    try:
        return begin(server, stage.model, options={}, clock=stage.clock)
    except Unreachable:
        return None


def followed(server: AzureServer, begun: Deployment, stage: Served) -> Deployment:
    ready = follow(server, begun, clock=stage.clock)
    assert ready.phase == "ready"
    assert ready.model == stage.model.id
    with suppress(Unreachable, Refused):  # an answer that broke off, or none; a refusal that is cut off does not say which
        assert "".join(server.chat(ready, [Message("user", "Is card 3 blocked?")], generation=Generation(max_tokens=8))).strip()
    return ready


def finish(server: AzureServer, ready: Deployment, stage: Served) -> bool:
    """Whether it is known to be gone."""
    try:
        server.undeploy(ready.id)
    except NotFound:
        return True
    except Unreachable:
        return False
    return True


def names(stage: Served) -> list[str]:
    """What is really there of the tuned model."""
    stage.emulator.settle()
    there = stage.emulator.resource().deployments.values()
    return [each.name for each in there if each.tuned is not None and each.deleting_since is None]
