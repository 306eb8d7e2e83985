"""Labelled rows into batches of tensors: texts padded to the longest, pictures as the model's image processor makes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import torch

from tuneport_local.heads.head import Head
from tuneport_local.heads.labelled_rows import LabelledRow, target_of

Batch = dict[str, Any]


def texts(rows: Sequence[LabelledRow], *, head: Head, padding: int) -> Batch:
    """`input_ids` and `attention_mask`: (rows, longest), padded on the right; `labels`: (rows,)."""
    return {**padded([row.text.input_ids for row in rows if row.text is not None], padding=padding), "labels": _targets(rows, head)}


def padded(sequences: Sequence[Sequence[int]], *, padding: int) -> Batch:
    """(rows, longest) each, padded on the right."""
    lengths = torch.tensor([len(each) for each in sequences])
    longest = int(lengths.max())
    return {
        "input_ids": torch.tensor([[*each, *[padding] * (longest - len(each))] for each in sequences]),
        "attention_mask": (torch.arange(longest)[None] < lengths[:, None]).long(),
    }


def pictures(rows: Sequence[LabelledRow], *, head: Head, processor: Any) -> Batch:
    """`pixel_values`: (rows, channels, height, width); `labels`: (rows,)."""
    return {**pixels([row.picture for row in rows], processor=processor), "labels": _targets(rows, head)}


def pixels(files: Sequence[bytes], *, processor: Any) -> Batch:
    """(rows, channels, height, width)"""
    from tuneport_local.rows.pictures import opened

    return {"pixel_values": processor(images=[opened(file) for file in files], return_tensors="pt")["pixel_values"]}


def _targets(rows: Sequence[LabelledRow], head: Head) -> Any:
    return torch.tensor([target_of(row, head) for row in rows], dtype=torch.long if head.labels else torch.float32)


class Batches(Sequence[Batch]):
    """Batches of the rows in their order, each made when it is wanted: pixels of all pictures at once would be too much."""

    def __init__(self, rows: Sequence[LabelledRow], *, size: int, collate: Callable[[Sequence[LabelledRow]], Batch]) -> None:
        self._rows = rows
        self._size = size
        self._collate = collate

    def __len__(self) -> int:
        return math.ceil(len(self._rows) / self._size)

    def __iter__(self) -> Iterator[Batch]:
        return (self[number] for number in range(len(self)))

    @overload
    def __getitem__(self, number: int) -> Batch: ...
    @overload
    def __getitem__(self, number: slice) -> Sequence[Batch]: ...
    def __getitem__(self, number: int | slice) -> Batch | Sequence[Batch]:
        if isinstance(number, slice):
            return [self[each] for each in range(len(self))[number]]
        return self._collate(self._rows[number * self._size : (number + 1) * self._size])
