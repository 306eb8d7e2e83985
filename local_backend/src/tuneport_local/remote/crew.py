"""Which of the machines of one launch this one is, by what their vendor has put into its environment. Imports no torch.

Azure Machine Learning, for a job of distribution PyTorch with one process for each instance: NODE_RANK, WORLD_SIZE, MASTER_ADDR and
MASTER_PORT (learn.microsoft.com/azure/machine-learning/how-to-train-distributed-gpu). Vertex AI, for any custom job: CLUSTER_SPEC
(docs.cloud.google.com/vertex-ai/docs/training/distributed-training, and google-cloud-aiplatform 2.7.0, training_utils). Read 2026-11-22.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from tuneport_local.jobs.failures import MachineGaveOut
from tuneport_local.storage.place import Place

_POOLS = ("workerpool0", "workerpool1")


@dataclass(frozen=True, slots=True)
class Crew:
    """`number` is this machine's, and the first's is 0: it speaks for the job, and the others reach it at `address` and `port`."""

    number: int
    size: int
    address: str
    port: int


def machines_of(place: Place) -> int:
    """How many machines the recipe that lies there is to be trained by; 1 where it cannot be read."""
    try:
        return int(json.loads(place.read("recipe.json") or b"{}")["hyperparameters"].get("machines", 1))
    except (ValueError, TypeError, KeyError):
        return 1


def crew_of(environ: Mapping[str, str], *, wanted: int) -> Crew | None:
    """The place of this machine among so many; None for one alone. Raises MachineGaveOut where the environment does not say it."""
    if wanted == 1:
        return None
    try:
        found = _of_vertex(environ["CLUSTER_SPEC"]) if "CLUSTER_SPEC" in environ else _of_azure(environ)
    except (ValueError, TypeError, KeyError, IndexError):
        found = None
    if found is None or found.size != wanted or not 0 <= found.number < found.size:
        seen = f"speaks of {found.size}" if found else "does not say which of them this one is"
        raise MachineGaveOut(
            f"{wanted} machines were asked for, and the environment that the vendor made here {seen}.",
            remedy="Ask for one machine, with as many GPUs as you need.",
        )
    return found


def _of_azure(environ: Mapping[str, str]) -> Crew:
    return Crew(int(environ["NODE_RANK"]), int(environ["WORLD_SIZE"]), environ["MASTER_ADDR"], int(environ["MASTER_PORT"]))


def _of_vertex(said: str) -> Crew:
    spec = json.loads(said)
    pools = [list(spec["cluster"].get(pool, ())) for pool in _POOLS]
    before = len(pools[0]) if spec["task"]["type"] == _POOLS[1] else 0
    address, _, port = pools[0][0].rpartition(":")
    return Crew(before + int(spec["task"]["index"]), len(pools[0]) + len(pools[1]), address, int(port))
