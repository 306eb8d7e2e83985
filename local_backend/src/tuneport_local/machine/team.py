"""The processes that train one job, as far as memory goes: how many, how many of them in one memory, whether the base is divided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tuneport_local.jobs.devices import device_of


@dataclass(frozen=True, slots=True)
class Team:
    """`size` processes, `here` of which share one memory: on GPUs each has one of its own. `divided`: each keeps a part of the base."""

    size: int = 1
    here: int = 1
    divided: bool = False

    @classmethod
    def planned(cls, values: Mapping[str, Any]) -> Team:
        """What a plan's hyperparameters say; `auto` for the sharding is decided by whoever knows the memory."""
        size = values.get("workers", 1)
        return cls(size, size if device_of(values["device"]) == "cpu" else 1, values.get("sharding") == "full")

    @property
    def alike(self) -> Team:
        """The same with the base divided."""
        return replace(self, divided=True)

    def said(self, gigabytes: str, together: str) -> str:
        """`1.2 GB in each of 2 workers, 2.4 GB together,`"""
        if self.size == 1:
            return gigabytes
        each = f"{gigabytes} in each of {self.size} workers"
        divided = f"{each} among whom the base is divided" if self.divided else each
        return f"{divided}, {together} together," if self.here > 1 else f"{divided},"


ONE = Team()
