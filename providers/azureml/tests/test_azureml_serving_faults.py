"""Whatever goes wrong between a client and Azure ML: never two endpoints for one model, and none that is forgotten."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from faulty_life import quiet
from tuneport_azureml.adapter.server import AzureMLServer
from tuneport_azureml.emulator import Habits, Serving

from tuneport.deploying import begin, follow
from tuneport.errors import NotFound, Refused, Unreachable
from tuneport.examples import Message
from tuneport.model import Deployment, Model
from tuneport.provider import Generation

from .azureml_served import Served, served
from .azureml_stage import recipe

SEEDS, BLOCK, AT_ONCE = 300, 20, 60
"""`make test` plays the first of them, `make test-slow` the others."""
BLOCKS = [pytest.param(first, marks=[pytest.mark.slow] if first >= AT_ONCE else []) for first in range(0, SEEDS, BLOCK)]


@pytest.mark.parametrize("first", BLOCKS)
def test_no_schedule_of_faults_makes_two_endpoints_or_forgets_one(tmp_path: Path, first: int) -> None:
    outcomes: Counter[str] = Counter()
    for seed in range(first, first + BLOCK):
        habits, serving = Habits(page=1 + seed % 3), Serving(deaf_s=float(seed % 5) * 20)
        with quiet(), served(tmp_path, seed=seed, habits=habits, serving=serving) as stage:
            outcomes.update(live(stage, seed))
            outcomes["faults"] += stage.emulator.faults.counts.total()
    assert outcomes["faults"] > BLOCK, "next to nothing went wrong in these runs"
    for each in ("lived", "fetched", "answered"):
        assert outcomes[each] > BLOCK / 2, f"next to nothing was {each} in these runs"


class Careless(AzureMLServer):
    """Asks for an end once, and takes that for the end."""

    def undeploy(self, deployment_id: str) -> None:
        self._connection.arm("DELETE", f"/{deployment_id}", doing="ending")


def test_the_schedules_find_a_server_that_forgets_what_costs(tmp_path: Path) -> None:
    with quiet(), served(tmp_path, seed=1) as stage, pytest.raises(AssertionError):
        live(stage, 1, kind=Careless)


def live(stage: Served, seed: int, *, kind: type[AzureMLServer] = AzureMLServer) -> list[str]:
    """Fetches, deploys, asks and ends while things go wrong; between, what is really there is counted. What came to its end."""
    machines = {"instance_types": ["Standard_NC24ads_A100_v4"]} if seed % 3 == 0 else {}
    model = stage.tuned(recipe(**machines))
    plan, server = stage.emulator.faults, kind(stage.settings())
    plan.chance, plan.share = random.Random(f"endpoint faults {seed}"), 0.25
    done = fetched(stage, seed)
    made = attempt(server, model, stage)
    plan.share = 0.0
    stage.clock.sleep(60)
    there = stage.endpoints()
    assert len(there) <= 1, there
    if made is None and not there:
        return done
    again = begin(server, model, options={}, clock=stage.clock)
    assert made is None or made.id == again.id
    plan.share = 0.25
    with suppress(Unreachable, Refused, NotFound):
        asked(server, again, stage)
        done.append("answered")
    plan.share = 0.0
    assert follow(server, again, clock=stage.clock, timeout_s=7200).phase == "ready"
    assert stage.endpoints() == [again.id.rpartition("/")[2]]
    plan.share = 0.25
    ended = finish(server, again)
    plan.share = 0.0
    if not ended:
        assert finish(server, again)
    assert stage.endpoints() == []
    return [*done, "lived"]


def fetched(stage: Served, seed: int) -> list[str]:
    """A fetch that is tried until it comes is whole, whatever broke off before."""
    to = stage.home / f"fetched-{seed}"
    for _ in range(20):
        with suppress(Unreachable, Refused, NotFound):
            stage.trainer().download("job-1", to)
            break
    else:
        return []
    kept = {key.partition("registered_model/")[2]: blob.read() for key, blob in stage.emulator.world.blobs.items() if "dcid" in key}
    assert {str(path.relative_to(to / "model")): path.read_bytes() for path in (to / "model").rglob("*") if path.is_file()} == kept
    return ["fetched"]


def attempt(server: AzureMLServer, model: Model, stage: Served) -> Deployment | None:
    """None where nobody could tell whether it was begun."""
    try:
        return begin(server, model, options={}, clock=stage.clock)
    except (Unreachable, NotFound):
        return None


def asked(server: AzureMLServer, begun: Deployment, stage: Served) -> None:
    ready = follow(server, begun, clock=stage.clock, timeout_s=7200)
    assert ready.phase == "ready"
    said = "".join(server.chat(ready, [Message("user", "My card number 3 is blocked")], generation=Generation(max_tokens=8)))
    assert said.strip()


def finish(server: AzureMLServer, ready: Deployment) -> bool:
    """Whether it is known to be gone."""
    try:
        server.undeploy(ready.id)
    except NotFound:
        return True
    except Unreachable:
        return False
    return True
