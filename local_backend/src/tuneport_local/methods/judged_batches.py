"""Single answers into batches of tensors, each prompt also with an answer that belongs to another one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tuneport_local.methods.batches import padded
from tuneport_local.rows.judged import JudgedRow

Columns = dict[str, Any]


def columns_of(row: JudgedRow, *, number: int) -> Columns:
    """Tokens up to the answer, and of the answer; what of a row with several learned parts lies between these belongs to it. The first
    token of a row is never learned: nothing stands before it. `number` counts the rows."""
    ((one,), (wanted,)) = row.answers, row.wanted
    start = max(1, one.loss_mask.index(True))
    learned = [int(taken) for taken in one.loss_mask[start:]]
    return {
        "number": number,
        "prompt": list(one.input_ids[:start]),
        "answer": list(one.input_ids[start:]),
        "learned": learned,
        "wanted": wanted,
    }


class Judgements:
    """Makes batches as trl's KTOTrainer wants them. `rows` are all of them, `longest` the most tokens that one may have."""

    def __init__(self, rows: Sequence[Columns], *, longest: int) -> None:
        self._rows, self._longest = rows, longest

    def __call__(self, batch: Sequence[Columns]) -> dict[str, Any]:
        """Each answer with its own prompt, and (`KL_…`) each prompt with the answer of the row before it in the batch. A row that is alone,
        as the last of an epoch may be, takes that of the row before it in the file."""
        others = [batch[place - 1] for place in range(len(batch))] if len(batch) > 1 else [self._rows[batch[0]["number"] - 1]]
        own, crossed = self._joined(batch, batch), self._joined(batch, others)
        return {**own, **{f"KL_{name}": each for name, each in crossed.items()}, "label": _labels(batch)}

    def _joined(self, prompts: Sequence[Columns], answers: Sequence[Columns]) -> dict[str, Any]:
        rows = [
            {
                "input_ids": [*prompt["prompt"], *answer["answer"]][: self._longest],
                "labels": [*[0] * len(prompt["prompt"]), *answer["learned"]][: self._longest],
            }
            for prompt, answer in zip(prompts, answers, strict=True)
        ]
        found = padded(rows)
        mask = (found["labels"] == 1).long()
        return {"input_ids": found["input_ids"], "attention_mask": found["attention_mask"], "completion_mask": mask}


def _labels(batch: Sequence[Columns]) -> Any:
    import torch

    return torch.tensor([row["wanted"] for row in batch])
