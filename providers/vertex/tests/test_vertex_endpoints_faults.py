"""Whatever goes wrong between a client and Vertex AI: never two machines for one model, and none that is forgotten."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tuneport_vertex.adapter.server import VertexServer

from tuneport.deploying import begin, follow
from tuneport.errors import NotFound, Refused, Unreachable
from tuneport.examples import Message
from tuneport.model import Deployment, Model
from tuneport.provider import Generation

from .vertex_served import LLAMA, Served, served

SEEDS, BLOCK = 60, 20


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """What has no answer is warned of, as it should be, some hundred times."""
    logging.getLogger("tuneport").setLevel(logging.CRITICAL)
    yield
    logging.getLogger("tuneport").setLevel(logging.NOTSET)


@pytest.mark.parametrize("first", range(0, SEEDS, BLOCK))
def test_no_schedule_of_faults_rents_machines_twice_or_forgets_one(tmp_path: Path, first: int) -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(first, first + BLOCK):
        with served(tmp_path, seed=seed) as stage:
            outcomes[live(stage, seed)] += 1
            outcomes["faults"] += stage.emulator.faults.counts.total()
    assert outcomes["faults"] > BLOCK, "next to nothing went wrong in these runs"
    assert outcomes["lived"] > BLOCK / 2, "next to nothing was deployed in these runs"


def live(stage: Served, seed: int) -> str:
    """Deploys while things go wrong, asks, and ends it; between, what is really there is counted."""
    model = stage.tuned(LLAMA)
    plan, server = stage.emulator.faults, stage.server()
    plan.chance, plan.share = random.Random(f"deployment faults {seed}"), 0.25
    made = attempt(server, model, stage)
    plan.share = 0.0
    stage.clock.sleep(60)
    there = names(stage)
    assert len(there) <= 1, there
    if made is None and not there:
        return "not made"
    again = begin(server, model, options={}, clock=stage.clock)
    assert made is None or made.id == again.id
    plan.share = 0.25
    with suppress(Unreachable):
        followed(server, again, model, stage)
    plan.share = 0.0
    assert follow(server, again, clock=stage.clock, timeout_s=7200).phase == "ready"
    assert names(stage) == [again.id.rpartition("/")[2]]
    plan.share = 0.25
    ended = finish(server, again)
    plan.share = 0.0
    if not ended:
        assert finish(server, again)
    assert names(stage) == []
    return "lived"


def attempt(server: VertexServer, model: Model, stage: Served) -> Deployment | None:
    """None where nobody could tell whether it was begun."""
    try:
        return begin(server, model, options={}, clock=stage.clock)
    except Unreachable:
        return None


def followed(server: VertexServer, begun: Deployment, model: Model, stage: Served) -> None:
    ready = follow(server, begun, clock=stage.clock, timeout_s=7200)
    assert (ready.phase, ready.model) == ("ready", model.id)
    with suppress(Unreachable, Refused):  # an answer that broke off, or none; a refusal that is cut off does not say which
        assert "".join(server.chat(ready, [Message("user", "My card number 3 is blocked")], generation=Generation(max_tokens=8))).strip()


def finish(server: VertexServer, ready: Deployment) -> bool:
    """Whether it is known to be gone."""
    try:
        server.undeploy(ready.id)
    except NotFound:
        return True
    except Unreachable:
        return False
    return True


def names(stage: Served) -> list[str]:
    """What is really there of machines, or is to be."""
    stage.emulator.settle()
    return [each.id for each in stage.emulator.world.endpoints.values() if not each.shared]
