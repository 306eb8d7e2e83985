"""trl's RewardTrainer over pairs that are already rendered: a linear head on the base gives the better answer of each the higher score.

A conversation is scored where it ends, with everything before it. There is no reference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trl.trainer.reward_config import RewardConfig
from trl.trainer.reward_trainer import RewardTrainer

from tuneport_local.bases.divided import Gathered
from tuneport_local.heads.batches import padded
from tuneport_local.methods.batches import as_pairs, pair_columns
from tuneport_local.methods.counted_rows import CountedRows
from tuneport_local.rows.pairs import RenderedPair
from tuneport_local.training.assembly import Parts, adapted, settings
from tuneport_local.training.watched import Batch

if TYPE_CHECKING:
    from tuneport_local.heads.head import Head


def assemble(parts: Parts[RenderedPair]) -> ScoringTrainer:
    """The trainer of a job."""
    assert parts.answer is not None, "this trainer is for models with a head"
    padding = int(parts.model.config.get_text_config().pad_token_id)
    collate, size = partial(both_sides, padding=padding), parts.fit.micro_batch
    rows = sorted(parts.validation.rows, key=lambda pair: max(len(side.input_ids) for side in pair.sequences)) if parts.validation else []
    columns = [pair_columns(pair) for pair in rows]
    trainer = ScoringTrainer(
        model=adapted(parts),
        arguments=RewardConfig(
            **settings(parts),
            max_length=None,
            center_rewards_coefficient=parts.spec.own["center"],
            disable_dropout=parts.spec.lora.dropout == 0,
        ),
        rows=as_pairs(parts.rows.rows),
        tokenizer=parts.tokenizer,
        collate=collate,
        validation=[collate(columns[start : start + size]) for start in range(0, len(columns), size)],
        watcher=parts.run,
        callback=parts.run,
        group=parts.group,
    )
    return trainer.scoring(parts.answer, padding=padding)


def both_sides(pairs: Sequence[dict[str, Any]], *, padding: int) -> Batch:
    """Shape (2 * pairs, longest): the better answers with their prompts, then the worse ones, as trl's RewardTrainer wants them."""
    return padded([pair[side] for side in ("chosen", "rejected") for pair in pairs], padding=padding)


class ScoringTrainer(CountedRows, RewardTrainer):  # type: ignore[misc]
    """See the module."""

    head: Head

    def scoring(self, head: Head, *, padding: int) -> ScoringTrainer:
        """Itself, for this head. What fills batches stays what the base says: a conversation ends before it, now and when it is scored."""
        self.head = head
        self.model.config.get_text_config().pad_token_id = padding
        return self

    def tokens_in(self, batch: Batch) -> int:
        return int(batch["attention_mask"].sum())

    def readings(self) -> dict[str, float]:
        """What trl measures, by our names."""
        found = super().readings()
        return {_NAMES.get(name, name): value for name, value in found.items()}

    def measured(self, batches: Sequence[Batch]) -> dict[str, float]:
        """The mean loss over the pairs, the share of pairs whose better answer has the higher score, how much higher it is on average, and
        the mean score."""
        totals, pairs = Counter[str](), 0
        for batch, counts in self.dealt(batches):
            size = len(batch["input_ids"]) // 2 * counts
            loss = float(self.compute_loss(self.model, self.ready(batch)))
            kept = self._metrics["eval"]
            means = {ours: kept[name][-1] for name, ours in _NAMES.items()}
            kept.clear()
            pairs += size
            totals.update({name: value * size for name, value in {"loss": loss, **means}.items()})
        return self.added_up(totals, pairs)

    def save_parts(self, folder: Path, found: Gathered | None) -> None:
        """With what the head answers."""
        super().save_parts(folder, found)
        self.head.write(folder)

    def _prepare_dataset(self, dataset: Any, processing_class: Any, args: Any, dataset_name: str) -> Any:
        """The rows are rendered and cut already."""
        return dataset


_NAMES = {"accuracy": "pair_accuracy", "margin": "margin", "mean_reward": "mean_score"}
"""What trl calls the measurements that are kept of a validation, and what we do."""
