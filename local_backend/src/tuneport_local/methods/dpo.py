"""trl's DPOTrainer over pairs that are already rendered and masked. The loss, the reference and what is measured of them are trl's own.

The reference is the base: the same model with its adapters off, so that there is one model in memory. Where all weights are trained it is
a frozen copy of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from copy import deepcopy

from trl.trainer.dpo_config import DPOConfig
from trl.trainer.dpo_trainer import DPOTrainer

from tuneport_local.adapters.trainable import is_adapted
from tuneport_local.methods.batches import as_pairs, padded_pairs, pair_batches
from tuneport_local.methods.comparing import Comparing
from tuneport_local.methods.unpadded import spare_padding
from tuneport_local.rows.pairs import RenderedPair
from tuneport_local.training.assembly import Parts, adapted, settings
from tuneport_local.training.watched import Batch


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
        group=parts.group,
        beside={"ref_model": None if is_adapted(model) else deepcopy(model)},
    )
    spare_padding(trainer, parts, pair_batches(parts.rows.rows[:3], 3)[0], paired=True)
    return trainer


class PreferenceTrainer(Comparing, DPOTrainer):  # type: ignore[misc]
    """See the module."""

    def measured(self, batches: Sequence[Batch]) -> dict[str, float]:
        """The mean over the pairs of the loss and of what trl measures; `rewards/accuracies` is the share of pairs whose better answer has
        become likelier, as compared with the base, than the worse."""
        totals, pairs = Counter[str](), 0
        for batch, counts in self.dealt(batches):
            size = len(batch["input_ids"]) // 2 * counts
            loss = float(self.compute_loss(self.model, self.ready(batch)))
            kept = self._metrics["eval"]
            means = {name: values[-1] for name, values in kept.items() if name.startswith(("rewards/", "logps/"))}
            kept.clear()
            pairs += size
            totals.update({name: value * size for name, value in {"loss": loss, **means}.items()})
        return self.added_up(totals, pairs)
