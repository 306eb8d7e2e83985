"""transformers' Trainer over labelled rows: the network, the optimizer and the loop are its own; ours are the loss in whole batches,
weighted by label where that is asked for, and what is measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any

import torch
from torch.nn.functional import cross_entropy, mse_loss
from torch.nn.modules.batchnorm import _BatchNorm
from transformers import TrainingArguments

from tuneport.errors import Unsupported
from tuneport_local.bases.divided import Gathered
from tuneport_local.heads.batches import Batches, pictures, texts
from tuneport_local.heads.head import Head
from tuneport_local.heads.labelled_rows import LabelledRow
from tuneport_local.heads.measures import measured
from tuneport_local.methods.batches import IGNORED, EpochOrder, LengthOrder
from tuneport_local.methods.shares import Counted, counting
from tuneport_local.training.assembly import Parts, adapted, settings
from tuneport_local.training.group import dealt
from tuneport_local.training.watched import ROWS, Batch, Collate, Watched

_TEXTS_AT_ONCE = 16
"""On a CPU, where padding costs as much as words: for questions of 16 tokens on average a step of 32 takes two thirds of the time in two
parts of like length, and no less in four (MiniLM, EPYC with AVX-512 BF16, 2026-11-21)."""


def assemble(parts: Parts[LabelledRow]) -> HeadTrainer:
    """The trainer of a job."""
    assert parts.answer is not None, "this trainer is for models with a head"
    _refuse_statistics_of_shares(parts)
    head = parts.answer
    collate = partial(pictures, processor=parts.tokenizer) if head.medium == "image" else partial(texts, padding=_padding(parts.model))
    rows = sorted(parts.validation.rows, key=lambda row: len(row.text.input_ids) if row.text else 0) if parts.validation else ()
    if head.medium == "text" and parts.machine.device == "cpu" and parts.spec.batch_size // parts.group.size % _TEXTS_AT_ONCE == 0:
        parts = replace(parts, fit=replace(parts.fit, micro_batch=min(parts.fit.micro_batch, _TEXTS_AT_ONCE)))
    return HeadTrainer(
        model=adapted(parts),
        arguments=TrainingArguments(**settings(parts)),
        rows=parts.rows.rows,
        tokenizer=parts.tokenizer,
        collate=partial(collate, head=head),
        validation=Batches(rows, size=parts.fit.micro_batch, collate=partial(collate, head=head)),
        watcher=parts.run,
        callback=parts.run,
        group=parts.group,
    ).learning(head, weights=label_weights(parts.rows.rows, head) if parts.spec.own.get("label_weights") == "balanced" else None)


def _refuse_statistics_of_shares(parts: Parts[LabelledRow]) -> None:
    """Raises Unsupported for several processes that would each normalise by its own share of a step."""
    if parts.group.size > 1 and any(isinstance(module, _BatchNorm) for module in parts.model.modules()):
        raise Unsupported(
            f"{parts.spec.base} normalises by the rows that are computed together (batch normalisation), and {parts.group.size} workers "
            "compute them apart.",
            remedy="Leave options.local.engine out, or choose a base such as ViT.",
        )


def _padding(model: Any) -> int:
    return int(model.config.get_text_config().pad_token_id)


def label_weights(rows: Sequence[LabelledRow], head: Head) -> torch.Tensor:
    """(labels,): so that every label weighs the same in all rows together, and a row 1 on average."""
    counts = Counter(row.said for row in rows)
    return torch.tensor([len(rows) / (len(head.labels) * counts[label]) for label in head.labels])


def _learning(rows: Sequence[tuple[LabelledRow, bool]], *, collate: Collate) -> Batch:
    """A batch of rows that all are learned from, or of one that only fills a share."""
    batch = counting(rows, collate=collate)
    return {**batch, "labels": batch["labels"] if batch.pop(ROWS) else torch.full_like(batch["labels"], IGNORED)}


class HeadTrainer(Watched):
    """See the module."""

    head: Head
    _weights: torch.Tensor | None = None

    def learning(self, head: Head, *, weights: torch.Tensor | None) -> HeadTrainer:
        """Itself, for this head; `weights` are those of its labels."""
        self.head, self._weights = head, None if weights is None else weights.to(self.args.device)
        self._right, self._seen = 0, 0
        self.compute_loss_func = self._loss
        return self

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochOrder:
        batch = self._rows_in_step()
        lengths = [len(row.text.input_ids) if row.text else 0 for row in self.train_dataset]
        return LengthOrder(lengths, seed=self.args.seed, batch=batch)

    def shared_rows(self) -> tuple[Any, Collate]:
        return Counted(self.train_dataset), partial(_learning, collate=self.data_collator)

    def tokens_in(self, batch: Batch) -> int:
        """Those of texts; pictures have none."""
        return int(batch["attention_mask"].sum()) if "attention_mask" in batch else 0

    def _loss(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        """The mean over the rows of a whole batch. outputs.logits: (rows, outputs)"""
        given = outputs.logits.float()
        total = self.summed(given, labels)
        if self.head.labels:
            self._right += int((given.argmax(-1) == labels).sum())
        self._seen += int((labels != IGNORED).sum())
        return total / (len(labels) if num_items_in_batch is None else num_items_in_batch)

    def summed(self, given: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
        """The loss of some rows together: cross entropy, or squared error in units of the scores' spread."""
        if self.head.labels:
            return cross_entropy(given, wanted, weight=self._weights, reduction="sum")
        counts = wanted != IGNORED
        return mse_loss(given[:, 0] * counts, wanted * counts, reduction="sum")

    def readings(self) -> dict[str, float]:
        """The share of rows labelled right while they were learned, since it was last asked."""
        (right, seen), self._right, self._seen = self._group.added(self._right, self._seen), 0, 0
        return {"accuracy": right / seen} if self.head.labels and seen else {}

    def measured(self, batches: Sequence[Batch]) -> dict[str, float]:
        """The mean loss over the rows, and what is measured of labels or scores."""
        found: list[tuple[Any, Any]] = []
        for batch, counts in dealt(batches, self._group):
            ready = self.ready(batch)
            labels = ready.pop("labels")
            with self.compute_loss_context_manager():
                given = self.model(**ready).logits.float()
            found += [(given, labels)] if counts else []
        outputs, right = (torch.cat(each) for each in zip(*self._in_order(found), strict=True))
        loss = float(self.summed(outputs, right)) / len(right)
        return {"loss": loss, **measured(self.head, outputs.cpu(), right.cpu())}

    def _in_order(self, mine: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
        """The answers and labels of all batches, from those of this process."""
        if self._group.size == 1:
            return mine
        told = self._group.told([(given.cpu(), labels.cpu()) for given, labels in mine])
        return [pair for turn in zip_longest(*told) for pair in turn if pair is not None]

    def save_parts(self, folder: Path, found: Gathered | None) -> None:
        """With what the head answers."""
        super().save_parts(folder, found)
        self.head.write(folder)
