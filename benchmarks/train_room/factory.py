"""LLaMA-Factory on the same rows, in an environment of its own: it wants other versions of transformers and trl than we do.

Run as a file by that environment's Python, it knows nothing of ours: `python -m benchmarks.train_room.factory TASK`. It renders the rows
itself, by the model's chat template, so that what it learns may differ by the tokens that end a turn; how many it learned is told.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.train_room.stopwatch import stopwatch

_NAME = "rows"


def arguments(task: dict[str, Any], folder: Path, *, batch: int, rate: float, rank: int) -> dict[str, Any]:
    """What `llamafactory-cli train` would be given. `folder` holds its table of data sets and takes what it writes."""
    return {
        "stage": "sft",
        "do_train": True,
        "model_name_or_path": task["model"],
        "finetuning_type": "lora",
        "lora_rank": rank,
        "lora_alpha": 2 * rank,
        "lora_target": "all",
        "dataset": _NAME,
        "dataset_dir": str(folder),
        "cutoff_len": 4096,
        "disable_shuffling": True,
        "output_dir": str(folder / "out"),
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": 1,
        "learning_rate": rate,
        "num_train_epochs": 1,
        "disable_gradient_checkpointing": not task["setting"]["checkpointing"],
        "bf16": True,
        "use_cpu": True,
        "logging_steps": 1,
        "save_strategy": "no",
        "report_to": "none",
        "disable_tqdm": True,
        "preprocessing_num_workers": None,
    }


def main() -> int:
    """Trains, and prints what `process.measured` adds to."""
    given = json.loads(sys.argv[1])
    task = given["task"]
    watch = stopwatch()
    seen: list[dict[str, int]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        columns = {"formatting": "sharegpt", "columns": {"messages": "messages"}, "tags": _OPENAI}
        (folder / "dataset_info.json").write_text(json.dumps({_NAME: {"file_name": task["train"], **columns}}), encoding="utf-8")
        from llamafactory.train.sft.trainer import CustomSeq2SeqTrainer
        from llamafactory.train.tuner import run_exp

        class Counting(CustomSeq2SeqTrainer):  # type: ignore[misc, valid-type]
            def training_step(self, model: Any, inputs: Any, *rest: Any) -> Any:
                seen.append(counted(inputs))
                return super().training_step(model, inputs, *rest)

        sys.modules["llamafactory.train.sft.workflow"].CustomSeq2SeqTrainer = Counting  # type: ignore[attr-defined]
        run_exp(arguments(task, folder, batch=given["batch"], rate=given["rate"], rank=given["rank"]))
    print(json.dumps({**watch.figures(), "batches": seen}))
    return 0


def counted(inputs: Any) -> dict[str, int]:
    """What one of its batches holds."""
    rows, longest = inputs["input_ids"].shape
    return {
        "rows": rows,
        "longest": longest,
        "tokens": int(inputs["attention_mask"].sum()),
        "learned": int((inputs["labels"] != -100).sum()),
    }


_OPENAI = {
    "role_tag": "role",
    "content_tag": "content",
    "user_tag": "user",
    "assistant_tag": "assistant",
    "system_tag": "system",
}

if __name__ == "__main__":
    sys.exit(main())
