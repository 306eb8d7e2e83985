"""trl's ORPOTrainer over pairs that are already rendered and masked. The odds ratio and what is measured of it are trl's own.

Unlike with trl 1.16 nothing of the prompt is learned, only the better answer, and each pair weighs the same, so that a batch that goes in
by parts gives what it gives whole. There is no reference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from trl.trainer.utils import add_fused_lm_head

from tuneport_local.methods.batches import IGNORED, Rendered, padded_pairs, pair_batches, pair_columns
from tuneport_local.methods.counted_rows import CountedRows
from tuneport_local.methods.trl_experimental import ORPOConfig, ORPOTrainer
from tuneport_local.methods.unpadded import spare_padding
from tuneport_local.rows.pairs import RenderedPair
from tuneport_local.training.assembly import Parts, adapted, settings
from tuneport_local.training.watched import ROWS, Batch


def assemble(parts: Parts[RenderedPair]) -> OddsRatioTrainer:
    """The trainer of a job."""
    trainer = OddsRatioTrainer(
        model=adapted(parts),
        arguments=ORPOConfig(
            **settings(parts),
            max_length=parts.rows.longest,
            beta=parts.spec.own["beta"],
            disable_dropout=parts.spec.lora.dropout == 0,
        ),
        rows=Rendered([pair_columns(pair) for pair in parts.rows.rows]),
        tokenizer=parts.tokenizer,
        collate=padded_pairs,
        validation=pair_batches(parts.validation.rows if parts.validation else (), parts.fit.micro_batch),
        watcher=parts.run,
        callback=parts.run,
        group=parts.group,
    )
    spare_padding(trainer, parts, pair_batches(parts.rows.rows[:3], 3)[0], paired=True)
    return trainer


class OddsRatioTrainer(CountedRows, ORPOTrainer):  # type: ignore[misc]
    """See the module."""

    def built(self) -> None:
        self._learned = 0
        model = self.model
        add_fused_lm_head(model.get_base_model() if hasattr(model, "get_base_model") else model, outputs=("log_probs", "mean_logits"))

    def tokens_in(self, batch: Batch) -> int:
        return int(batch["attention_mask"].sum())

    def training_step(self, model: Any, inputs: Batch, num_items_in_batch: Any = None) -> Any:
        self._learned += int(inputs["completion_mask"].sum()) if inputs.get(ROWS, 1) else 0
        return super().training_step(model, inputs, num_items_in_batch)

    def concatenated_forward(self, model: Any, batch: Batch) -> tuple[Any, ...]:
        """Of the better and of the worse answers: the mean log-probability of their tokens, (pairs,) each, and their mean logits; the loss
        of learning the better ones; where experts are balanced, the loss of that."""
        mask = batch["completion_mask"]
        asked = {"output_router_logits": True} if self.aux_loss_enabled else {}
        outputs = model(
            input_ids=batch["input_ids"],
            attention_mask=batch["attention_mask"],
            labels=batch["input_ids"].masked_fill(mask == 0, IGNORED),
            use_cache=False,
            fused_lm_head=True,
            **asked,
        )
        width = mask.shape[1] - 1  # prompts that peft learns stand before the tokens
        counts = mask[:, 1:].sum(1)
        better, worse = (outputs.log_probs[:, -width:].sum(1) / counts).chunk(2)
        shown = (outputs.mean_logits[:, -width:].sum(1) / counts).chunk(2)
        return (better, worse, *shown, -better.mean(), *([outputs.aux_loss] if asked else []))

    def readings(self) -> dict[str, float]:
        """With the learned tokens of both answers since it was last asked."""
        kept = self._stored_metrics.pop("train", {})
        (learned,), self._learned = self._group.added(self._learned), 0
        return {**self.means(kept), "learned_tokens": float(learned)}

    def measured(self, batches: Sequence[Batch]) -> dict[str, float]:
        """The mean over the pairs of the loss and of what trl measures; `rewards/accuracies` is the share of pairs whose better answer the
        model takes to be likelier by the token than the worse."""
        totals, pairs = Counter[str](), 0
        for batch, counts in self.dealt(batches):
            ready = self.ready(batch)
            with self.compute_loss_context_manager():
                better, worse, *_ = self.concatenated_forward(self.model, ready)
            odds, *rewards, _, _ = self.odds_ratio_loss(better, worse)
            pairs += len(better) * counts
            totals.update({name: value * counts for name, value in _sums(better, worse, odds=odds, rewards=rewards).items()})
        return self.added_up(totals, pairs)


def _sums(better: Any, worse: Any, *, odds: Any, rewards: Sequence[Any]) -> dict[str, float]:
    """Over the pairs of a batch. better, worse: (pairs,) mean log-probabilities; odds: (pairs,) what is taken off the loss."""
    chosen, rejected = rewards
    found = {
        "loss": -better - odds,
        "nll_loss": -better,
        "rewards/chosen": chosen,
        "rewards/rejected": rejected,
        "rewards/accuracies": (chosen > rejected).float(),
        "rewards/margins": chosen - rejected,
        "logps/chosen": better,
        "logps/rejected": worse,
    }
    return {name: float(each.sum()) for name, each in found.items()}
