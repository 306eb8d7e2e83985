"""What a step of DPO costs through trl as it is, and through ours: the same pairs, the same loss, processor time.

    python -m benchmarks.dpo_speed [--data FILE] [--home FOLDER] [--pairs N] [--no-record]

One batch of short pairs of hh-rlhf goes through the built-in model in bf16 with adapters as a step has it: once as the reference, once
there and back. First as trl 1.16 asks for it, padded, with every position through the output layer; then as the local backend answers
(`unpadded`). One thread, and the processor's time instead of the clock's, so that others on the machine count little. The data set is not
part of this repository.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.preferences import BASE, DATA, short_pairs
from benchmarks.record import record

CHARACTERS = 700


def batches(path: Path, tokenizer: Any, *, pairs: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """A batch of so many pairs as trl's trainer gets it, and one of the first two."""
    from tuneport_local.methods.batches import IGNORED, pair_batches
    from tuneport_local.rows.pairs import render_pair
    from tuneport_local.rows.rendering import Template

    template = Template.of(tokenizer)
    rendered = [render_pair(pair, tokenizer, template=template, line=1) for pair in short_pairs(path, characters=CHARACTERS)[:pairs]]

    def ready(some: Any) -> dict[str, Any]:
        (batch,) = pair_batches(some, len(some))
        labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, IGNORED)
        return {"input_ids": batch["input_ids"], "attention_mask": batch["attention_mask"], "labels": labels}

    return ready(rendered), ready(rendered[:2])


def tuned(model: Any) -> Any:
    """With trl's output layer and adapters on all linear layers."""
    from peft import LoraConfig, get_peft_model
    from trl.trainer.utils import add_fused_lm_head

    add_fused_lm_head(model, outputs=("log_probs", "entropy", "mean_logits", "is_top1"))
    config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    return get_peft_model(model, config, autocast_adapter_dtype=False).train()


def step_s(model: Any, batch: dict[str, Any]) -> float:
    """Processor seconds of the three passes of a step."""
    import torch
    from torch.nn.functional import softplus

    began = time.process_time()
    with torch.no_grad(), model.disable_adapter():
        model(**batch, use_cache=False, fused_lm_head=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        better, worse = model(**batch, use_cache=False, fused_lm_head=True).log_probs.sum(1).chunk(2)
    softplus(0.1 * (worse - better)).mean().backward()
    return time.process_time() - began


def measured(data: Path, *, home: Path, pairs: int) -> dict[str, Any]:
    """The figures. Raises RuntimeError where the model cannot do without padding."""
    import torch
    from tuneport_local.bases import weights
    from tuneport_local.methods.unpadded import without_padding
    from tuneport_local.quiet import quiet

    torch.set_num_threads(1)
    loaded = weights.load(BASE, home=home, dtype="bf16", device="cpu")
    batch, few = batches(data, loaded.tokenizer, pairs=pairs)
    with quiet():
        model = tuned(loaded.model)
        step_s(model, few)
        padded = step_s(model, batch)
        if reason := without_padding(loaded.model, few, paired=True):
            raise RuntimeError(reason)
        step_s(model, few)
        ours = step_s(model, batch)
    tokens = int(batch["attention_mask"].sum())
    return {
        "pairs": pairs,
        "tokens": tokens,
        "padded_to": batch["input_ids"].numel(),
        "learned": int((batch["labels"] >= 0).sum()),
        "trl_s": round(padded, 2),
        "ours_s": round(ours, 2),
        "ratio": round(padded / ours, 2),
    }


def main() -> int:
    """Measures, prints, records; 2 without the data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=DATA, help="harmless-base-test.jsonl.gz")
    parser.add_argument("--home", type=Path, help="Tuneport's state folder; a temporary one when not given")
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--no-record", action="store_true")
    given = parser.parse_args()
    if not given.data.is_file():
        print(f"dpo_speed: skipped, there is no {given.data}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        figures = measured(given.data, home=(given.home or Path(temporary)).resolve(), pairs=given.pairs)
    print(figures)
    if not given.no_record:
        rate = figures["tokens"] / figures["ours_s"]
        headline = f"a step of DPO: {figures['ratio']} x TRL's own, {rate:.0f} tokens per second of one processor core"
        record("dpo_speed", figures, headline=headline)
    return 0


if __name__ == "__main__":
    sys.exit(main())
