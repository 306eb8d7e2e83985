"""TRL's own SFTTrainer, in each of its settings, on the rows as we render and mask them, in our order: both learn the same tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.train_room.arithmetic import Work
from benchmarks.train_room.ours import ordered
from benchmarks.train_room.task import BATCH, LEARNING_RATE, RANK, Task

_HEAD_PASSES = 3
"""trl 1.16 holds every position against the vocabulary, and once more on the way back, where it also takes the gradient."""


def train(task: Task, folder: Path) -> dict[str, Any]:
    """One epoch. Its own batches are looked at before, for what they hold."""
    import torch
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer
    from tuneport_local.bases.loading import load_tokenizer
    from tuneport_local.methods.batches import as_dataset

    rows = ordered(task)
    lengths = [len(row.input_ids) for row in rows]
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(task.model, dtype=torch.bfloat16, attn_implementation=task.setting.attention),
        processing_class=load_tokenizer(Path(task.model)),
        train_dataset=as_dataset(rows),
        peft_config=LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM"),
        args=SFTConfig(
            output_dir=str(folder),
            num_train_epochs=1,
            learning_rate=LEARNING_RATE,
            gradient_checkpointing=task.setting.checkpointing,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            train_sampling_strategy="sequential",
            use_cpu=True,
            **_batching(task, longest=max(*lengths, round(BATCH * sum(lengths) / len(lengths)))),
        ),
    )
    taken = list(trainer.get_train_dataloader())
    trainer.train()
    return {
        "works": [_work(batch, recomputed=task.setting.checkpointing) for batch in taken],
        "learned": sum(int((batch["labels"] != -100).sum()) for batch in taken),
        "adapter_precision": sorted({str(weights.dtype) for weights in trainer.model.parameters() if weights.requires_grad}),
    }


def _batching(task: Task, *, longest: int) -> dict[str, Any]:
    """For a step of BATCH rows; packed, of one pack that holds about as many tokens as BATCH rows do."""
    if task.setting.batching == "packed":
        return {"packing": True, "per_device_train_batch_size": 1, "max_length": longest}
    return {"padding_free": task.setting.batching == "padding-free", "per_device_train_batch_size": BATCH, "max_length": None}


def _work(batch: dict[str, Any], *, recomputed: bool) -> Work:
    """Rows of one length each, or one row of all tokens whose mask keeps them apart: scores are computed for every pair of places."""
    rows, longest = batch["input_ids"].shape
    mask = batch.get("attention_mask")
    return Work(
        tokens=rows * longest if mask is None else int(mask.sum()),
        positions=rows * longest,
        pairs=rows * longest**2,
        fused=0,
        projected=rows * (longest - 1),
        head_passes=_HEAD_PASSES,
        recomputed=recomputed,
    )
