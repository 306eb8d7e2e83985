"""trl's SFTTrainer over rows that are already rendered and masked, made faster.

Beside what all trainers get from `watched`, the loss is replaced: only the learned positions go through the output layer (trl 1.16 projects
all of them off CUDA), and validation is per token.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.functional import cross_entropy
from trl.trainer.sft_config import SFTConfig
from trl.trainer.sft_trainer import SFTTrainer

from tuneport_local.adapters.trainable import is_adapted
from tuneport_local.methods import attention
from tuneport_local.methods.attention import Segments
from tuneport_local.methods.batches import IGNORED, Collated, as_dataset, columns, labels, packed, padded
from tuneport_local.methods.beginnings import beginning_once, common_beginning, sharing_is_exact
from tuneport_local.rows.rendering import RenderedRow
from tuneport_local.training.assembly import Parts, adapted, settings
from tuneport_local.training.group import dealt
from tuneport_local.training.watched import Batch, Collate, Watched

if TYPE_CHECKING:
    from tuneport_local.machine.hardware import Hardware
    from tuneport_local.training.joblog import JobLog

_LOOKED_AT = 8
LOGITS_AT_MOST_BYTES = 1 << 30
_LOGIT_BYTES = 14
"""Per logit: itself, in fp32, its softmax and their gradients."""


def assemble(parts: Parts[RenderedRow]) -> PortTrainer:
    """The trainer of a job."""
    rows = parts.rows.rows
    collate = seeing_collator(parts) if _pictured(parts) else collator(parts.job, parts.model, rows, parts.machine)
    if parts.spec.share_beginning:
        collate = _sharing(parts, collate)
    return PortTrainer(
        model=adapted(parts),
        arguments=SFTConfig(
            **settings(parts),
            max_length=None,
            packing=False,
            dataset_kwargs={"skip_prepare_dataset": True},
        ),
        rows=as_dataset(rows),
        tokenizer=parts.tokenizer,
        collate=collate,
        validation=_validation_batches(parts, collate),
        watcher=parts.run,
        callback=parts.run,
        group=parts.group,
    )


def _sharing(parts: Parts[RenderedRow], collate: Collate) -> Collate:
    """Batches whose common beginning goes through the model once, where that gives the same; the job is told."""
    if reason := _why_not_shared(parts, collate):
        parts.job.event("warning", f"share_beginning: {reason}; every row goes through the model with its own beginning")
        return collate
    shared = common_beginning([columns(row) for row in parts.rows.rows[:_LOOKED_AT]])
    parts.job.event("info", f"what the rows of a batch begin with is computed once ({shared} tokens of each of the first rows)")
    return beginning_once


def _why_not_shared(parts: Parts[RenderedRow], collate: Collate) -> str:
    if collate is not packed:
        return "batches are padded"
    if parts.spec.lora.dropout or getattr(parts.model.config.get_text_config(), "attention_dropout", 0):
        return "dropout is another for each row"
    probe = [columns(row) for row in parts.rows.rows[:3]]
    return "" if sharing_is_exact(parts.model, probe) else "the model does not give rows that begin alike the same"


def _validation_batches(parts: Parts[RenderedRow], collate: Collate) -> Sequence[Batch]:
    ordered = sorted(parts.validation.rows, key=lambda row: len(row.input_ids)) if parts.validation else []
    listed = [columns(row) for row in ordered]
    batches = [listed[start : start + parts.fit.micro_batch] for start in range(0, len(listed), parts.fit.micro_batch)]
    return Collated(batches, collate) if _pictured(parts) else [collate(batch) for batch in batches]


def _pictured(parts: Parts[RenderedRow]) -> int:
    """How many rows have pictures."""
    return parts.rows.pictured + (parts.validation.pictured if parts.validation else 0)


def seeing_collator(parts: Parts[RenderedRow]) -> Collate:
    """Padded batches with what the model gets of their pictures, which are opened when their batch comes up."""
    eyes, dtype = parts.eyes, parts.model.dtype
    assert eyes is not None  # nobody else renders rows with pictures

    def collate(rows: Sequence[Batch]) -> Batch:
        batch = padded(rows)
        seen = eyes.inputs([picture for row in rows for picture in row.get("pictures") or ()], dtype=dtype)
        return {**batch, "seen": {**seen, **eyes.kinds(batch["input_ids"])}}

    return collate


class PortTrainer(Watched, SFTTrainer):  # type: ignore[misc]
    """See the module."""

    loss_is_scaled_for_ga = True

    def built(self) -> None:
        self.model_accepts_loss_kwargs = True  # so that the learned tokens of a whole batch are counted, whatever the model
        self._before = self._positions_before()
        self._vocabulary = int(self._base().config.get_text_config().vocab_size)
        self._can_choose_positions = "logits_to_keep" in inspect.signature(type(self._base()).forward).parameters

    def tokens_in(self, batch: Batch) -> int:
        return int(batch["lengths"].sum())

    def compute_loss(self, model: Any, inputs: dict[str, Any], return_outputs: bool = False, num_items_in_batch: Any = None) -> Any:
        total, tokens = self.loss_sum(model, inputs)
        if num_items_in_batch is None:
            return total / max(tokens, 1)
        return total / num_items_in_batch * self.accelerator.num_processes  # the gradients are averaged over the processes

    def loss_sum(self, model: Any, inputs: dict[str, Any]) -> tuple[Any, int]:
        """The sum of the negative log-likelihoods of the learned tokens, and their number."""
        targets = inputs["labels"][:, 1:]
        positions = (targets != IGNORED).any(0).nonzero().flatten()
        if len(positions) * len(targets) * self._vocabulary * _LOGIT_BYTES > LOGITS_AT_MOST_BYTES:
            return self._loss_in_chunks(model, inputs)
        logits = self._logits(model, inputs, positions)
        chosen = targets[:, positions]
        total = cross_entropy(logits.float().flatten(0, 1), chosen.flatten(), ignore_index=IGNORED, reduction="sum")
        return total, int((chosen != IGNORED).sum())

    def _logits(self, model: Any, inputs: dict[str, Any], positions: Any) -> Any:
        """(rows, positions, vocabulary). The output layer is the dearest of a small model, so it sees the learned positions only."""
        positions = positions + self._before
        if self._can_choose_positions:
            return model(**_seen(inputs), logits_to_keep=positions).logits
        return model(**_seen(inputs)).logits[:, positions]

    def _positions_before(self) -> int:
        """Of learned tokens that go through the model with each row."""
        config = self.model.active_peft_config if is_adapted(self.model) else None
        return int(config.num_virtual_tokens) if config is not None and config.peft_type == "PROMPT_TUNING" else 0

    def _loss_in_chunks(self, model: Any, inputs: dict[str, Any]) -> tuple[Any, int]:
        """The same through trl's output layer, which keeps a small part of the logits at a time: for long answers."""
        answer = model(**_seen(inputs), labels=inputs["labels"], fused_lm_head=True)
        return -answer.log_probs.sum(), int(answer.label_mask.sum())

    def measured(self, batches: Sequence[Batch]) -> dict[str, float]:
        """The mean loss per learned token."""
        total, tokens = 0.0, 0
        for batch, counts in dealt(batches, self._group):
            part, count = self.loss_sum(self.model, self.ready(batch))
            if counts:
                total, tokens = total + float(part), tokens + count
        total, learned = self._group.added(total, tokens)
        return {"loss": total / max(learned, 1)}

    def _base(self) -> Any:
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model


def collator(job: JobLog, model: Any, rows: Sequence[RenderedRow], machine: Hardware) -> Any:
    """Packed batches where the hardware wants them and the model has shown that it keeps packed rows apart, else padded ones.

    Sets the model's attention accordingly.
    """
    if not machine.packed:
        return padded
    attention.register()
    usual = model.config._attn_implementation
    probe = [
        {"input_ids": list(row.input_ids[:32]), "labels": labels(row)[:32]} for row in sorted(rows, key=lambda row: len(row.input_ids))[:3]
    ]
    reason = attention.why_windowed(model, longest=max(len(row.input_ids) for row in rows))
    try:
        if not reason:
            model.set_attn_implementation(attention.SEGMENTS)
            if packing_is_exact(model, probe, collate=packed):
                return packed
            reason = "it does not keep packed rows apart"
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        reason = f"it does not take packed rows ({type(error).__name__})"
    model.set_attn_implementation(usual)
    job.event("info", f"padded batches for this model: {reason}")
    return padded


def _seen(inputs: dict[str, Any]) -> dict[str, Any]:
    """What the model sees of a batch."""
    seen = {"input_ids": inputs["input_ids"], "use_cache": False}
    if "position_ids" in inputs:
        segments = Segments(tuple(inputs["lengths"].tolist()), shared=int(inputs.get("shared", 0)))
        return {**seen, "position_ids": inputs["position_ids"], "segments": segments}
    return {**seen, "attention_mask": inputs["attention_mask"], **inputs.get("seen", {})}


def packing_is_exact(model: Any, rows: Sequence[dict[str, Any]], *, collate: Collate) -> bool:
    """Whether `model` gives two packed rows what it gives each alone. What a model does with positions and attention is its own affair;
    this asks it. The tolerance is that of the model's precision; rows that see each other differ by far more."""
    with torch.no_grad():
        together = _answer(model, collate(rows))
        alone = torch.cat([_answer(model, collate([row])) for row in rows])
    tolerance = 1e-3 if model.dtype is torch.float32 else 0.05
    return bool((together - alone).norm() <= tolerance * alone.norm())


def _answer(model: Any, batch: dict[str, Any]) -> Any:
    device = next(model.parameters()).device
    return model(**_seen({name: value.to(device) for name, value in batch.items()})).logits[0].float()
