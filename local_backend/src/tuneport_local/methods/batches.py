"""Rendered rows into batches of tensors: end to end, or padded to the longest."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, overload

from torch.utils.data import Dataset, Sampler

from tuneport_local.rows.pairs import RenderedPair
from tuneport_local.rows.prompts import RenderedPrompt
from tuneport_local.rows.rendering import RenderedRow

if TYPE_CHECKING:
    from tuneport_local.rows.prepared import Row

IGNORED = -100


def as_dataset(rows: Sequence[RenderedRow]) -> Any:
    """The rows as trl takes them: `input_ids`, and `labels` that are IGNORED wherever nothing is learned; `pictures` where any has some."""
    from datasets import Dataset as Table

    found: dict[str, Any] = {"input_ids": [list(row.input_ids) for row in rows], "labels": [labels(row) for row in rows]}
    if any(row.pictures for row in rows):
        found["pictures"] = [list(row.pictures) for row in rows]
    return Table.from_dict(found)


def columns(row: RenderedRow) -> dict[str, Any]:
    """One row likewise."""
    found: dict[str, Any] = {"input_ids": list(row.input_ids), "labels": labels(row)}
    return {**found, "pictures": list(row.pictures)} if row.pictures else found


class Collated(Sequence[dict[str, Any]]):
    """Batches that are made when they are looked at: with pictures, all at once would fill the memory."""

    def __init__(self, rows: Sequence[Sequence[dict[str, Any]]], collate: Callable[[Sequence[dict[str, Any]]], dict[str, Any]]) -> None:
        self._rows = rows
        self._collate = collate

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...

    @overload
    def __getitem__(self, index: slice) -> Collated: ...

    def __getitem__(self, index: int | slice) -> dict[str, Any] | Collated:
        return Collated(self._rows[index], self._collate) if isinstance(index, slice) else self._collate(self._rows[index])


def labels(row: RenderedRow) -> list[int]:
    """The row's tokens where they are learned. The first is never: nothing stands before it."""
    learned = [token if taken else IGNORED for token, taken in zip(row.input_ids, row.loss_mask, strict=True)]
    return [IGNORED, *learned[1:]]


def as_pairs(pairs: Sequence[RenderedPair]) -> Any:
    """The pairs as `padded_pairs` takes them."""
    return as_table([pair_columns(pair) for pair in pairs])


def as_table(rows: Sequence[dict[str, Any]]) -> Any:
    """The rows as the table that trl asks for."""
    from datasets import Dataset as Table

    return Table.from_list(list(rows))


def as_prompts(rows: Sequence[RenderedPrompt]) -> Any:
    """The prompts' tokens, each with the number of its row."""
    from datasets import Dataset

    return Dataset.from_dict({"prompt": [list(row.prompt.input_ids) for row in rows], "row": list(range(len(rows)))})


def pair_columns(pair: RenderedPair) -> dict[str, list[int]]:
    """Tokens of both sides, and 1 where one is learned. The first is never: nothing stands before it."""
    better, worse = ((list(side.input_ids), [0, *map(int, side.loss_mask[1:])]) for side in pair.sequences)
    return {"chosen": better[0], "chosen_learned": better[1], "rejected": worse[0], "rejected_learned": worse[1]}


def digest(rows: Sequence[Row]) -> str:
    """sha256 over tokens and masks, and what rows are beside these, in order."""
    found = hashlib.sha256()
    for row in rows:
        for sequence in row.sequences:
            found.update(repr((sequence.input_ids, sequence.loss_mask)).encode())
        found.update(row.beside)
    return found.hexdigest()


def packed(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One row of all tokens, shape (1, tokens); positions start anew with each row. `lengths`: (rows,)."""
    import torch

    lengths = [len(row["input_ids"]) for row in rows]
    return {
        "input_ids": torch.tensor([token for row in rows for token in row["input_ids"]])[None],
        "labels": torch.tensor([label for row in rows for label in (IGNORED, *row["labels"][1:])])[None],
        "position_ids": torch.cat([torch.arange(length) for length in lengths])[None],
        "lengths": torch.tensor(lengths),
    }


def padded(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Shape (rows, longest), padded on the right with token 0, which the attention mask hides. `lengths`: (rows,)."""
    import torch

    lengths = torch.tensor([len(row["input_ids"]) for row in rows])
    longest = int(lengths.max())
    return {
        "input_ids": torch.tensor([_filled(row["input_ids"], 0, longest) for row in rows]),
        "labels": torch.tensor([_filled([IGNORED, *row["labels"][1:]], IGNORED, longest) for row in rows]),
        "attention_mask": (torch.arange(longest)[None] < lengths[:, None]).long(),
        "lengths": lengths,
    }


def padded_pairs(pairs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Shape (2 * pairs, longest): the better answers, then the worse ones, as trl's DPOTrainer wants them; padded like `padded`."""
    import torch

    sides = [(pair[side], pair[f"{side}_learned"]) for side in ("chosen", "rejected") for pair in pairs]
    lengths = torch.tensor([len(tokens) for tokens, _ in sides])
    longest = int(lengths.max())
    return {
        "input_ids": torch.tensor([_filled(tokens, 0, longest) for tokens, _ in sides]),
        "attention_mask": (torch.arange(longest)[None] < lengths[:, None]).long(),
        "completion_mask": torch.tensor([_filled(learned, 0, longest) for _, learned in sides]),
    }


class Rendered(Dataset):  # type: ignore[misc]
    """Rows that are ready, for trainers that would render them: asked to be mapped, they stay what they are."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self._rows = rows

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, place: int) -> dict[str, Any]:
        return self._rows[place]

    def map(self, function: Any, **_options: Any) -> Rendered:
        """Itself."""
        return self


def pair_batches(pairs: Sequence[RenderedPair], size: int) -> list[dict[str, Any]]:
    """Padded batches of so many pairs, the shortest first."""
    ordered = sorted(pairs, key=lambda pair: max(len(side.input_ids) for side in pair.sequences))
    return [padded_pairs([pair_columns(pair) for pair in ordered[start : start + size]]) for start in range(0, len(ordered), size)]


def _filled(values: Sequence[int], filler: int, length: int) -> list[int]:
    return [*values, *[filler] * (length - len(values))]


class EpochOrder(Sampler[int]):  # type: ignore[misc]
    """The order of the rows: a permutation that depends on seed and epoch only, so that a resumed job goes on where it was."""

    def __init__(self, rows: int, *, seed: int) -> None:
        self._rows = rows
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the training loop at the start of each epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._rows

    def __iter__(self) -> Iterator[int]:
        import torch

        generator = torch.Generator().manual_seed(self._seed * 1_000_003 + self._epoch)
        yield from torch.randperm(self._rows, generator=generator).tolist()


class LengthOrder(EpochOrder):
    """The same rows in each step of `batch` rows, the short ones first: where a step goes through the model in parts, rows of like length
    then share one, and little is padded. What a step learns does not depend on the order in it."""

    def __init__(self, lengths: Sequence[int], *, seed: int, batch: int) -> None:
        super().__init__(len(lengths), seed=seed)
        self._lengths = lengths
        self._batch = batch

    def __iter__(self) -> Iterator[int]:
        order = super().__iter__()
        while step := list(itertools.islice(order, self._batch)):
            yield from sorted(step, key=self._lengths.__getitem__)


class GroupOrder(EpochOrder):
    """The same for prompts that are answered several times: so many `prompts` a step, each with its `answers` beside each other.

    trl's trainer wants the whole step again for each of the `parts` in which it goes through the model. The last step of an epoch is filled
    up with the epoch's first prompts: every one is answered, and steps are of one size.
    """

    def __init__(self, rows: int, *, seed: int, prompts: int, answers: int, parts: int) -> None:
        super().__init__(rows, seed=seed)
        self._steps = -(-rows // prompts)
        self._prompts = prompts
        self._answers = answers
        self._parts = parts

    def __len__(self) -> int:
        return self._steps * self._prompts * self._answers * self._parts

    def __iter__(self) -> Iterator[int]:
        order = itertools.cycle(super().__iter__())
        for _ in range(self._steps):
            step = [row for row in itertools.islice(order, self._prompts) for _ in range(self._answers)]
            for _ in range(self._parts):
                yield from step
