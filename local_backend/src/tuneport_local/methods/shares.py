"""The rows of a step divided among the processes that train together.

Every step goes over the same rows, in the same order of steps, however many processes there are. Where a step has too few rows for all,
the others get a row that nothing is learned from, so that they compute their part of it all the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch.utils.data import Dataset, Sampler

from tuneport_local.methods.batches import IGNORED, EpochOrder
from tuneport_local.training.group import Group
from tuneport_local.training.watched import ROWS


class Share(Sampler[list[int]]):  # type: ignore[misc]
    """The parts of batches that one process of a group goes over: `part` rows each, of steps of `step` rows. A place below zero stands for
    a row that nothing is learned from."""

    def __init__(self, order: EpochOrder, *, group: Group, step: int, part: int) -> None:
        self._order = order
        self._group = group
        self._step = step
        self._part = part

    def set_epoch(self, epoch: int) -> None:
        """Called by the training loop at the start of each epoch."""
        self._order.set_epoch(epoch)

    def __len__(self) -> int:
        whole, rest = divmod(len(self._order), self._step)
        return whole * self._parts(self._step) + self._parts(rest)

    def __iter__(self) -> Iterator[list[int]]:
        rows = list(self._order)
        for start in range(0, len(rows), self._step):
            step = rows[start : start + self._step]
            mine = step[self._group.rank :: self._group.size] or [~step[0]]
            for part in range(self._parts(len(step))):
                yield mine[part * self._part : (part + 1) * self._part] or [~step[0]]

    def _parts(self, rows: int) -> int:
        """Parts of a step of so many rows, the same for every process."""
        most = -(-rows // self._group.size)
        return -(-most // self._part)


class Teaching(Dataset):  # type: ignore[misc]
    """The rows by their places; a place below zero is the first token of that row, with nothing to be learned from it."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> dict[str, Any]:
        if place >= 0:
            return dict(self._rows[place])
        return {"input_ids": self._rows[~place]["input_ids"][:1], "labels": [IGNORED]}


class Counted(Dataset):  # type: ignore[misc]
    """The rows by their places, each with whether it counts: a place below zero is that row, which only fills a share."""

    def __init__(self, rows: Any) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> tuple[Any, bool]:
        return self._rows[place if place >= 0 else ~place], place >= 0


def counting(rows: Sequence[tuple[Any, bool]], *, collate: Callable[[Sequence[Any]], dict[str, Any]]) -> dict[str, Any]:
    """A batch of such rows, with how many of them count: all, or none."""
    return {**collate([row for row, _ in rows]), ROWS: sum(counts for _, counts in rows)}
