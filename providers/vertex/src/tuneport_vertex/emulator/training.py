"""How much training a request comes to: epochs, steps, and the checkpoints at the end of each epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

from tuneport_vertex.emulator.bases import REINFORCEMENT
from tuneport_vertex.emulator.tuning_requests import TuningRequest

BATCH = 16


@dataclass(frozen=True, slots=True)
class Training:
    """`rows` are those that are trained on."""

    rows: int
    epochs: int
    batch: int

    @classmethod
    def of(cls, request: TuningRequest, *, rows: int) -> Self:
        """Without a number of epochs the service chooses one by the number of rows; how is not published."""
        chosen = 1 if request.method == REINFORCEMENT else max(1, min(20, math.ceil(1000 / max(1, rows))))
        return cls(rows, request.whole("epochCount") or chosen, request.whole("batchSize") or min(BATCH, max(1, rows // 4)))

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(self.rows / self.batch)

    @property
    def steps(self) -> int:
        return self.steps_per_epoch * self.epochs
