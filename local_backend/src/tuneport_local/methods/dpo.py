"""trl's DPOTrainer over pairs that are already rendered and masked. The loss, the reference and what is measured of them are trl's own.

The reference is the base: the same model with its adapters off, so that there is one model in memory. Where all weights are trained it is
a frozen copy of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

from tuneport_local.adapters.files import base_is_reference
from tuneport_local.adapters.trainable import is_adapted
from tuneport_local.methods.batches import as_pairs, padded_pairs, pair_batches
from tuneport_local.methods.unpadded import spare_padding
from tuneport_local.rows.pairs import RenderedPair
from tuneport_local.training.assembly import Parts, adapted, settings
from tuneport_local.training.watched import Batch, Watched

_COPY = "ref"
"""What trl calls the copy of the adapters that it makes."""


def assemble(parts: Parts[RenderedPair]) -> PreferenceTrainer:
    """The trainer of a job."""
    own, model = parts.spec.own, adapted(parts)
    trainer = PreferenceTrainer(
        model=model,
        arguments=DPOConfig(
            **settings(parts),
            max_length=None,
            beta=own["beta"],
            loss_type=[own["loss"]],
            label_smoothing=own["label_smoothing"],
            disable_dropout=parts.spec.lora.dropout == 0,
        ),
        rows=as_pairs(parts.rows.rows),
        tokenizer=parts.tokenizer,
        collate=padded_pairs,
        validation=pair_batches(parts.validation.rows if parts.validation else (), parts.fit.micro_batch),
        watcher=parts.run,
        callback=parts.run,
        beside={"ref_model": None if is_adapted(model) else deepcopy(model)},
    )
    spare_padding(trainer, parts, pair_batches(parts.rows.rows[:3], 3)[0], paired=True)
    return trainer


class PreferenceTrainer(Watched, DPOTrainer):  # type: ignore[misc]
    """See the module."""

    def built(self) -> None:
        self._learned = 0
        if is_adapted(self.model) and base_is_reference(self.model):
            self.model.delete_adapter(_COPY)  # a copy of new adapters says what the base alone says, and costs memory and time

    def tokens_in(self, batch: Batch) -> int:
        return int(batch["attention_mask"].sum())

    def training_step(self, model: Any, inputs: Batch, num_items_in_batch: Any = None) -> Any:
        self._learned += int(inputs["completion_mask"].sum())
        return super().training_step(model, inputs, num_items_in_batch)

    def readings(self) -> dict[str, float]:
        """With the learned tokens of both answers since it was last asked."""
        learned, self._learned = self._learned, 0
        return {**super().readings(), "learned_tokens": float(learned)}

    def measured(self, batches: Sequence[Batch]) -> dict[str, float]:
        """The mean over the pairs of the loss and of what trl measures; `rewards/accuracies` is the share of pairs whose better answer has
        become likelier, as compared with the base, than the worse."""
        totals, pairs = Counter[str](), 0
        for batch in batches:
            size = len(batch["input_ids"]) // 2
            loss = float(self.compute_loss(self.model, self.ready(batch)))
            kept = self._metrics["eval"]
            means = {name: values[-1] for name, values in kept.items() if name.startswith(("rewards/", "logps/"))}
            kept.clear()
            pairs += size
            totals.update({name: value * size for name, value in {"loss": loss, **means}.items()})
        return {name: value / pairs for name, value in totals.items()}

    def _prepare_dataset(self, dataset: Any, processing_class: Any, args: Any, dataset_name: str) -> Any:
        """The rows are rendered, masked and cut already."""
        return dataset
