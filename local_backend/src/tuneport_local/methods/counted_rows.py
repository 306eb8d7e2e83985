"""What the trainers share whose loss is the mean over the rows of a step, for a step that several processes divide among themselves.

trl takes the mean over the rows that one process has at once, and the shares of a step need not be of equal size. Here each mean counts as
its rows do among those of the whole step, so that what is learned is the mean over these, whoever had them. What trl measures beside the
loss is taken of each process alone, and added up likewise. One process by itself trains as trl does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from tuneport_local.methods.shares import Counted, counting
from tuneport_local.training.group import dealt
from tuneport_local.training.watched import ROWS, Batch, Collate, Watched


class CountedRows(Watched):
    """To be put before a trainer of trl."""

    def shared_rows(self) -> tuple[Any, Collate]:
        self.loss_is_scaled_for_ga = True
        self._rows: list[int] = []
        return Counted(self.train_dataset), partial(counting, collate=self.data_collator)

    def _get_num_items_in_batch(self, batch_samples: list[Batch], device: Any) -> Any:
        """The rows of a step, over all processes."""
        if self._group.size == 1:
            return super()._get_num_items_in_batch(batch_samples, device)
        (rows,) = self._group.added(sum(int(batch[ROWS]) for batch in batch_samples))
        return torch.tensor(rows, device=device)

    def compute_loss(self, model: Any, inputs: Batch, return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        rows = inputs.pop(ROWS, None)
        with self._by_itself():
            if rows is None:
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            mean = super().compute_loss(model, inputs)
        self._rows.append(int(rows))
        counts = int(rows) if num_items_in_batch is None else int(rows) * self._group.size / num_items_in_batch
        return mean * counts  # the gradients are averaged over the processes

    def means(self, kept: Mapping[str, Sequence[Any]]) -> dict[str, float]:
        """Of what was measured in each part since it was last asked; of all processes, each part counting as its rows do."""
        if self._group.size == 1:
            return super().means(kept)
        rows, self._rows = self._rows, []
        sums = [sum(float(value) * size for value, size in zip(values, rows, strict=True)) for values in kept.values()]
        total, *all_of_it = self._group.added(sum(rows), *sums)
        found = {name: value / max(total, 1) for name, value in zip(kept, all_of_it, strict=True)}
        ends = {name: [float(value) for value, size in zip(kept[name], rows, strict=True) if size] for name in kept if name[:4] in _ENDS}
        for name, values in ends.items():
            found[name] = _ENDS[name[:4]](value for mine in self._group.told(values) for value in mine)
        return found

    def dealt(self, batches: Sequence[Batch]) -> Iterator[tuple[Batch, int]]:
        """This process's validation batches, each with 1 where it counts and 0 where another has it as well."""
        return ((batch, int(counts)) for batch, counts in dealt(batches, self._group))

    def added_up(self, totals: Mapping[str, float], rows: int) -> dict[str, float]:
        """The means over the rows of all processes, from the sums over those of this one."""
        count, *sums = self._group.added(rows, *totals.values())
        return {name: value / count for name, value in zip(totals, sums, strict=True)}

    @contextmanager
    def _by_itself(self) -> Iterator[None]:
        """Within: trl asks no other process for its measurements, which it takes to be of as many rows as its own."""
        if self._group.size == 1:
            yield
            return
        self.accelerator.gather = self.accelerator.gather_for_metrics = _itself
        try:
            yield
        finally:
            del self.accelerator.gather, self.accelerator.gather_for_metrics


_ENDS = {"min_": min, "max_": max}
"""What of a measurement is no mean, by how its name begins."""


def _itself(values: Any) -> Any:
    return values
