"""What the trainers share that compare answers with a reference: it is the base, and the learned tokens of answers are counted."""

from __future__ import annotations

from typing import Any

from tuneport_local.adapters.files import base_is_reference
from tuneport_local.adapters.trainable import is_adapted
from tuneport_local.methods.counted_rows import CountedRows
from tuneport_local.training.watched import ROWS, Batch

_COPY = "ref"
"""What trl calls the copy of the adapters that it makes."""


class Comparing(CountedRows):
    """To be put before trl's DPOTrainer or KTOTrainer. Batches have a `completion_mask`; the rows are rendered, masked and cut already."""

    def built(self) -> None:
        self._learned = 0
        if is_adapted(self.model) and base_is_reference(self.model):
            self.model.delete_adapter(_COPY)  # a copy of new adapters says what the base alone says, and costs memory and time

    def tokens_in(self, batch: Batch) -> int:
        """Of the answers with their own prompts."""
        return int(batch["attention_mask"].sum())

    def training_step(self, model: Any, inputs: Batch, num_items_in_batch: Any = None) -> Any:
        self._learned += int(inputs["completion_mask"].sum()) if inputs.get(ROWS, 1) else 0
        return super().training_step(model, inputs, num_items_in_batch)

    def readings(self) -> dict[str, float]:
        """With the learned tokens of the answers since it was last asked."""
        (learned,), self._learned = self._group.added(self._learned), 0
        return {**super().readings(), "learned_tokens": float(learned)}

    def _prepare_dataset(self, dataset: Any, processing_class: Any, args: Any, dataset_name: str) -> Any:
        return dataset
