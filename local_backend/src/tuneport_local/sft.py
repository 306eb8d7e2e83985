"""trl's SFTTrainer over rows that are already rendered and masked, made faster, stoppable and exactly repeatable.

Of trl's trainer we keep the loop, the optimizer, accelerate and peft. Replaced are: the loss (only the learned positions go through the
output layer: trl 1.16 projects all of them off CUDA), validation (per token, stoppable), what a checkpoint holds and how it is written, the
order of the rows, and the log (the job's). Nothing is sent anywhere: trl's usage ping is off.
"""

from __future__ import annotations

import inspect
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch.nn.functional import cross_entropy
from transformers import PrinterCallback
from trl.trainer.sft_trainer import SFTTrainer

from tuneport.errors import JobFailed
from tuneport_local.attention import Segments
from tuneport_local.batches import IGNORED, EpochOrder

LOGITS_AT_MOST_BYTES = 1 << 30
_LOGIT_BYTES = 14
"""Per logit: itself, in fp32, its softmax and their gradients."""

Collate = Callable[[Sequence[dict[str, Any]]], dict[str, Any]]


class Stopped(Exception):
    """The client wants the training to end here. `wish` is pause or cancel."""

    def __init__(self, wish: str) -> None:
        super().__init__(wish)
        self.wish = wish


class Watcher(Protocol):
    """Hears of what the trainer does, and decides what is done after a step."""

    def look(self) -> None:
        """Called before every part of a batch. Raises Stopped when the training shall end."""

    def look_in_validation(self) -> None:
        """The same before every batch of a validation."""

    def logged(self, step: int, values: dict[str, float]) -> None: ...

    def counted(self, tokens: int) -> None: ...

    def evaluated(self, step: int, loss: float, seconds: float) -> None: ...

    def save(self, trainer: PortTrainer, *, evaluation_due: bool = False) -> None: ...


class PortTrainer(SFTTrainer):  # type: ignore[misc]
    """See the module. `watcher` is whoever runs the job; `collate` makes batches of rows, `validation` are batches already made."""

    loss_is_scaled_for_ga = True

    def __init__(
        self,
        *,
        model: Any,
        arguments: Any,
        rows: Any,
        tokenizer: Any,
        collate: Collate,
        validation: Sequence[dict[str, Any]],
        watcher: Watcher,
        callback: Any,
    ) -> None:
        self._watcher = watcher
        self._validation = validation
        super().__init__(
            model=model, args=arguments, train_dataset=rows, processing_class=tokenizer, data_collator=collate, callbacks=[callback]
        )
        self.remove_callback(PrinterCallback)
        self.model_accepts_loss_kwargs = True  # so that the learned tokens of a whole batch are counted, whatever the model
        self._vocabulary = int(self._base().config.get_text_config().vocab_size)
        self._can_choose_positions = "logits_to_keep" in inspect.signature(type(self._base()).forward).parameters

    # --- one step ------------------------------------------------------------------------------------------------------------------

    def training_step(self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None) -> Any:
        self._watcher.look()
        self._watcher.counted(int(inputs["lengths"].sum()))
        loss = super().training_step(model, inputs, num_items_in_batch)
        if not torch.isfinite(loss):
            raise self._not_finite("loss", float(loss))
        return loss

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
        if self._can_choose_positions:
            return model(**_seen(inputs), logits_to_keep=positions).logits
        return model(**_seen(inputs)).logits[:, positions]

    def _loss_in_chunks(self, model: Any, inputs: dict[str, Any]) -> tuple[Any, int]:
        """The same through trl's output layer, which keeps a small part of the logits at a time: for long answers."""
        answer = model(**_seen(inputs), labels=inputs["labels"], fused_lm_head=True)
        return -answer.log_probs.sum(), int(answer.label_mask.sum())

    def _get_grad_norm(self, model: Any, grad_norm: Any = None) -> Any:
        norm = super()._get_grad_norm(model, grad_norm=grad_norm)
        if norm is not None and not math.isfinite(float(norm)) and self.accelerator.scaler is None:
            raise self._not_finite("gradient", float(norm))
        return norm

    def _not_finite(self, what: str, value: float) -> JobFailed:
        step = self.state.global_step + (what != "validation loss")
        return JobFailed(
            f"the {what} became {value} at step {step}; the training was stopped there.",
            remedy="Lower learning_rate, or look for broken rows with: tuneport data check",
        )

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Not counted: it walks over all parameters at every step."""
        return 0

    # --- validation and log --------------------------------------------------------------------------------------------------------

    def evaluate(self, eval_dataset: Any = None, ignore_keys: Any = None, metric_key_prefix: str = "eval") -> dict[str, float]:
        """The mean loss per learned token over the validation rows. A pause in the middle leaves a checkpoint that says so."""
        self.control.should_evaluate = False
        begun = time.monotonic()
        try:
            loss = self._validation_loss(self._validation)
        except Stopped as stopped:
            if stopped.wish == "pause":
                self._watcher.save(self, evaluation_due=True)
            raise
        if not math.isfinite(loss):
            raise self._not_finite("validation loss", loss)
        self._watcher.evaluated(self.state.global_step, loss, time.monotonic() - begun)
        return {"eval_loss": loss}

    def _validation_loss(self, batches: Sequence[dict[str, Any]]) -> float:
        self.model.eval()
        total, tokens = 0.0, 0
        with torch.no_grad():
            for batch in batches:
                self._watcher.look_in_validation()
                part, count = self.loss_sum(self.model, self._prepare_inputs(batch))
                total, tokens = total + float(part), tokens + count
        self.model.train()
        return total / max(tokens, 1)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """To the job. The summary that Trainer logs at the end has no step's loss and is not a reading."""
        self.control.should_log = False
        if "loss" in logs:
            self._watcher.logged(self.state.global_step, {**logs, "epoch": float(self.state.epoch or 0.0)})

    # --- order and checkpoints -----------------------------------------------------------------------------------------------------

    def _get_train_sampler(self, train_dataset: Any = None) -> EpochOrder:
        return EpochOrder(len(self.train_dataset), seed=self.args.seed)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        self._watcher.save(self)

    def save_parts(self, folder: Path) -> None:
        """Everything `train(resume_from_checkpoint=…)` reads, into `folder`."""
        self.model.save_pretrained(folder, save_embedding_layers=False)  # "auto" would ask the hub about the base
        (folder / "README.md").unlink(missing_ok=True)
        self._save_optimizer_and_scheduler(str(folder))
        self._save_scaler(str(folder))
        self._save_rng_state(str(folder))
        self.state.save_to_json(str(folder / "trainer_state.json"))

    def _send_telemetry(self) -> None:
        """trl would tell its makers the model's kind and the hardware. We tell nobody."""

    def _base(self) -> Any:
        return self.model.get_base_model() if hasattr(self.model, "get_base_model") else self.model


def _seen(inputs: dict[str, Any]) -> dict[str, Any]:
    """What the model sees of a batch."""
    seen = {"input_ids": inputs["input_ids"], "use_cache": False}
    if "position_ids" in inputs:
        return {**seen, "position_ids": inputs["position_ids"], "segments": Segments(tuple(inputs["lengths"].tolist()))}
    return {**seen, "attention_mask": inputs["attention_mask"]}


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
