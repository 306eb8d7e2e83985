"""A group of processes that torch.distributed connects, which their launcher has told who they are."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any, TypeVar

import torch
from torch import distributed

Value = TypeVar("Value")
_PATIENCE = timedelta(hours=2)
"""How long one waits for the others: the first alone fetches a base, and reads a text before and after."""


class Processes:
    """Implements `group.Group`. What is agreed on travels through the memory of the machine, never through a GPU's."""

    def __init__(self) -> None:
        self._talk = distributed.new_group(backend="gloo", timeout=_PATIENCE)
        self.rank = distributed.get_rank()
        self.size = distributed.get_world_size()
        self.here = int(os.environ["LOCAL_WORLD_SIZE"])
        self.seat = int(os.environ["LOCAL_RANK"])

    def agreed(self, value: Value) -> Value:
        """What the first process says."""
        box: list[Any] = [value]
        distributed.broadcast_object_list(box, src=0, group=self._talk)
        said: Value = box[0]
        return said

    def told(self, value: Value) -> list[Value]:
        """What every one of them says."""
        box: list[Any] = [None] * self.size
        distributed.all_gather_object(box, value, group=self._talk)
        return box

    def added(self, *values: float) -> tuple[float, ...]:
        """The sums over all."""
        sums = torch.tensor(values, dtype=torch.float64)
        distributed.all_reduce(sums, group=self._talk)
        return tuple(sums.tolist())


def connected(*, gpus: bool) -> Processes:
    """The processes that a launcher started with RANK, WORLD_SIZE and the address of the first in their environment."""
    if not distributed.is_initialized():  # Ray Train has done it already
        several = _among_machines() if int(os.environ.get("GROUP_WORLD_SIZE", "1")) > 1 else {}
        distributed.init_process_group("cpu:gloo,cuda:nccl" if gpus else "gloo", timeout=_PATIENCE, **several)
    if gpus:
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    return Processes()


def _among_machines() -> dict[str, Any]:
    """Where members of several machines meet: in the store that the machines speak by as well, which outlives a round of the group."""
    tcp = distributed.TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]), None, False, _PATIENCE, wait_for_workers=False)
    store = distributed.PrefixStore(f"members/{os.environ['TORCHELASTIC_RUN_ID']}", tcp)
    return {"store": store, "rank": int(os.environ["RANK"]), "world_size": int(os.environ["WORLD_SIZE"])}
