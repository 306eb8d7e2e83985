"""trl's KTOTrainer over single answers that are already rendered and masked. The loss, the reference and the divergence are trl's own.

How far the model has moved from its reference is estimated, as trl does, from prompts with answers that belong to others: each prompt of a
part of a batch gets the answer of the row before it. trl pairs them once, in the order of the file; here they are paired as the part is put
together, because the order is another one in each epoch. The reference is the base: the same model with its adapters off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from copy import deepcopy

from trl.trainer.kto_config import KTOConfig
from trl.trainer.kto_trainer import KTOTrainer

from tuneport.errors import RecipeError
from tuneport_local.adapters.trainable import is_adapted
from tuneport_local.methods.batches import as_table
from tuneport_local.methods.comparing import Comparing
from tuneport_local.methods.judged_batches import Judgements, columns_of
from tuneport_local.methods.unpadded import spare_padding
from tuneport_local.rows.judged import JudgedRow, refuse_one_sided
from tuneport_local.training.assembly import Parts, adapted, settings
from tuneport_local.training.watched import Batch


def assemble(parts: Parts[JudgedRow]) -> JudgedTrainer:
    """The trainer of a job. Raises DatasetError for answers of one sort, RecipeError where no answer meets another prompt."""
    rows, own = parts.rows.rows, parts.spec.own
    refuse_one_sided(rows, name="train data")
    if parts.fit.micro_batch < 2:
        raise RecipeError(
            f"method kto compares answers with those of other rows, and {_one_at_a_time(parts)}.",
            remedy="Set batch_size to 2 or more."
            if parts.spec.batch_size < 2
            else "Lower max_length, or set batch_size to an even number.",
        )
    columns = [columns_of(row, number=number) for number, row in enumerate(rows)]
    collate = Judgements(columns, longest=parts.rows.longest)
    model = adapted(parts)
    trainer = JudgedTrainer(
        model=model,
        arguments=KTOConfig(
            **settings(parts),
            max_length=None,
            beta=own["beta"],
            desirable_weight=own["desirable_weight"],
            undesirable_weight=own["undesirable_weight"],
            disable_dropout=parts.spec.lora.dropout == 0,
        ),
        rows=as_table(columns),
        tokenizer=parts.tokenizer,
        collate=collate,
        validation=_validation_batches(parts),
        watcher=parts.run,
        callback=parts.run,
        beside={"ref_model": None if is_adapted(model) else deepcopy(model)},
    )
    spare_padding(trainer, parts, collate(columns[:3]), paired=False)
    return trainer


def _one_at_a_time(parts: Parts[JudgedRow]) -> str:
    if parts.spec.batch_size < 2:
        return f"batch_size is {parts.spec.batch_size}"
    return f"of a batch of {parts.spec.batch_size} one row at a time fits into memory"


def _validation_batches(parts: Parts[JudgedRow]) -> Sequence[Batch]:
    if parts.validation is None:
        return ()
    columns = [columns_of(row, number=number) for number, row in enumerate(parts.validation.rows)]
    collate, size = Judgements(columns, longest=max(parts.rows.longest, parts.validation.longest)), parts.fit.micro_batch
    ordered = sorted(columns, key=lambda row: len(row["prompt"]) + len(row["answer"]))
    return [collate(ordered[start : start + size]) for start in range(0, len(ordered), size)]


class JudgedTrainer(Comparing, KTOTrainer):  # type: ignore[misc]
    """See the module."""

    def measured(self, batches: Sequence[Batch]) -> dict[str, float]:
        """The mean over the answers of the loss; the mean rewards of wanted (`chosen`) and of unwanted answers, and how far they are apart;
        the mean of the estimated divergences."""
        totals: dict[str, float] = defaultdict(float)
        counts: dict[str, int] = defaultdict(int)
        for batch in batches:
            wanted = int(batch["label"].sum())
            sizes = {"chosen": wanted, "rejected": len(batch["label"]) - wanted}
            found = {"loss": float(self.compute_loss(self.model, self.ready(batch)))}
            kept = self._metrics["eval"]
            found |= {name: values[-1] for name, values in kept.items() if values and name.startswith(("rewards/", "logps/", "kl"))}
            kept.clear()
            found.pop("rewards/margins", None)
            for name, value in found.items():
                size = sizes.get(name.rpartition("/")[2], len(batch["label"]))
                counts[name] += size
                totals[name] += value * size
        means = {name: total / counts[name] for name, total in totals.items() if counts[name]}
        both = {"rewards/chosen", "rewards/rejected"} <= means.keys()
        return {**means, **({"rewards/margins": means["rewards/chosen"] - means["rewards/rejected"]} if both else {})}
