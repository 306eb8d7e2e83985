"""Local SFT against TRL's own SFTTrainer: real tokens a second, same model, rows, adapter, adapter precision and batch.

    python -m benchmarks.sft_speed [--rows 64] [--epochs 1] [--rounds 3] [--no-record]

First TRL runs once in each of its settings (padded, padding-free, packed; gradient checkpointing on and off); then ours and TRL's fastest
take turns for `--rounds`, each run in a process of its own. Counted is the time from the start of the training loop to its end, in both
by the same callback; tokens are the real ones, padding left out.

The rows come in the same order, so that in the first epoch the losses of ours and of TRL's padded and padding-free settings are those of
the same steps (packs hold other rows). They are means over learned tokens, and TRL's completion has one token more a row, the newline that
the template writes after the end of the turn, which is learned at once: with 4.33 tokens a row ours is 5.33 / 4.33 times as large. Ours
logs every step as it does in a job, and so does TRL. Limit: ours is at least as fast as TRL's fastest.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.record import record

BASE = "smollm2-135m-instruct"
BATCH = 8
LEARNING_RATE = 5e-4
RANK = 16
SEED = 0
SETTINGS = ("padded", "padding-free", "packed")
ROWS = Path(__file__).resolve().parents[1] / "examples" / "data" / "tickets-train.jsonl"
LIMIT = 1.0


@dataclass(frozen=True, slots=True)
class Task:
    """One run. `who` is 'tuneport' or 'trl'; `setting` and `checkpointing` are TRL's, `model` a folder with weights that both can load."""

    who: str
    model: str
    home: str
    rows: int
    epochs: int
    setting: str = ""
    checkpointing: bool = False

    @property
    def name(self) -> str:
        """For people."""
        return self.who if self.who == "tuneport" else f"trl {self.setting}, gradient checkpointing {'on' if self.checkpointing else 'off'}"


def rows(count: int) -> list[dict[str, Any]]:
    """The first rows of the example tickets, as they lie in the file; from the start again when there are too few."""
    lines = ROWS.read_text(encoding="utf-8").splitlines()
    return [json.loads(lines[number % len(lines)]) for number in range(count)]


# --- in the process of one run ---------------------------------------------------------------------------------------------------------


def stopwatch() -> Any:
    """A callback that every Trainer made after this call takes along; `seconds` and `loss` when it has trained."""
    from transformers import TrainerCallback, trainer

    class Stopwatch(TrainerCallback):  # type: ignore[misc]
        began = seconds = 0.0
        losses: tuple[float, ...] = ()

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            type(self).began = time.perf_counter()

        def on_log(self, _args: Any, _state: Any, _control: Any, logs: dict[str, Any] | None = None, **__: Any) -> None:
            if logs and "loss" in logs:
                type(self).losses += (float(logs["loss"]),)

        def on_train_end(self, *_: Any, **__: Any) -> None:
            type(self).seconds = time.perf_counter() - type(self).began

    trainer.DEFAULT_CALLBACKS.append(Stopwatch)
    return Stopwatch


def run_task(task: Task) -> dict[str, Any]:
    """Trains once; seconds in the loop, real tokens, the process's largest resident size, losses."""
    watch, train = stopwatch(), rows(task.rows)
    tokens = _real_tokens(task.model, train) * task.epochs
    details = (_train_tuneport if task.who == "tuneport" else _train_trl)(task, train)
    if not watch.seconds:
        raise RuntimeError(f"{task.name}: the training loop was not seen by the stopwatch callback")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    speed = tokens / watch.seconds
    return {"seconds": watch.seconds, "tokens": tokens, "tokens_per_second": speed, "peak_mb": peak_mb, "losses": watch.losses, **details}


def _real_tokens(model: str, train: list[dict[str, Any]]) -> int:
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    texts = [tokenizer.apply_chat_template(row["messages"], tokenize=False) for row in train]
    return sum(len(tokenizer(text, add_special_tokens=False).input_ids) for text in texts)


def _train_tuneport(task: Task, train: list[dict[str, Any]]) -> dict[str, Any]:
    from tuneport_local import training
    from tuneport_local.jobs import Jobs
    from tuneport_local.planning import LocalOptions, resolved

    from tuneport.job import JobState
    from tuneport.recipe import SFT, LoRA

    method = SFT(epochs=task.epochs, batch_size=BATCH, learning_rate=LEARNING_RATE, lora=LoRA(rank=RANK))
    values = resolved(method, LocalOptions(adapter_precision="fp32", checkpoint_every=10**6), seed=SEED)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "rows.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in train), encoding="utf-8")
        recipe = {"base": task.model, "method": "sft", "recipe": {}, "hyperparameters": values, "client_id": "speed", "home": task.home}
        job, _ = Jobs(Path(folder)).make("speed", recipe, {"train": data})
        job.phase(JobState.STARTING)
        training.train(job, spec=training.TrainingSpec.from_dict(job.recipe()), home=Path(task.home))
        losses = [metric.values["loss"] for metric in job.metrics() if "loss" in metric.values]
        return {"losses": losses, "hardware": job.run().get("hardware")}


def _train_trl(task: Task, train: list[dict[str, Any]]) -> dict[str, Any]:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer
    from tuneport_local.batches import EpochOrder

    tokenizer = AutoTokenizer.from_pretrained(task.model)
    train = [train[number] for number in EpochOrder(len(train), seed=SEED)]  # ours shuffles so: then the losses can be compared
    pairs = Dataset.from_list([{"prompt": row["messages"][:-1], "completion": row["messages"][-1:]} for row in train])
    with tempfile.TemporaryDirectory() as folder:
        trainer = SFTTrainer(
            model=AutoModelForCausalLM.from_pretrained(task.model, dtype=torch.bfloat16),
            processing_class=tokenizer,
            train_dataset=pairs,
            peft_config=LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM"),
            args=SFTConfig(
                output_dir=folder,
                num_train_epochs=task.epochs,
                learning_rate=LEARNING_RATE,
                gradient_checkpointing=task.checkpointing,
                logging_steps=1,
                save_strategy="no",
                report_to="none",
                disable_tqdm=True,
                train_sampling_strategy="sequential",
                use_cpu=not torch.cuda.is_available(),
                **_batching(task, longest=_packed_length(task.model, train)),
            ),
        )
        trainer.train()
        adapters = {str(weights.dtype) for weights in trainer.model.parameters() if weights.requires_grad}
    return {"steps": trainer.state.global_step, "adapter_precision": sorted(adapters)}


def _batching(task: Task, *, longest: int) -> dict[str, Any]:
    """TRL's arguments for a step of BATCH rows; packed, for one pack that holds about as many tokens as BATCH rows do."""
    if task.setting == "packed":
        return {"packing": True, "per_device_train_batch_size": 1, "max_length": longest}
    return {"padding_free": task.setting == "padding-free", "per_device_train_batch_size": BATCH, "max_length": None}


def _packed_length(model: str, train: list[dict[str, Any]]) -> int:
    longest = max(_real_tokens(model, [row]) for row in train)
    return max(longest, round(BATCH * _real_tokens(model, train) / len(train)))


# --- in the process that compares ------------------------------------------------------------------------------------------------------


def start(task: Task) -> dict[str, Any]:
    """`run_task` in a fresh process. Raises RuntimeError with the end of what it said."""
    command = [sys.executable, "-m", "benchmarks.sft_speed", "--task", json.dumps(asdict(task))]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{task.name} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    speed, seconds, losses = found["tokens_per_second"], found["seconds"], found["losses"]
    loss = f"loss {losses[0]:.3f} to {losses[-1]:.3f}, mean {statistics.fmean(losses):.3f}"
    print(f"{task.name:45} {speed:8.1f} tokens/s  {seconds:6.1f} s  {found['peak_mb']:6.0f} MB  {loss}", flush=True)
    return found


def compare(model: str, home: str, *, count: int, epochs: int, rounds: int) -> dict[str, Any]:
    """All of TRL's settings once, then ours and the fastest of them in turns. The ratio is that of the medians of the rounds."""
    shared = {"model": model, "home": home, "rows": count, "epochs": epochs}
    theirs = [Task("trl", setting=setting, checkpointing=on, **shared) for setting in SETTINGS for on in (False, True)]  # type: ignore[arg-type]
    first = {task.name: start(task) for task in theirs}
    fastest = max(theirs, key=lambda task: first[task.name]["tokens_per_second"])
    turns: dict[str, list[dict[str, Any]]] = {"tuneport": [], fastest.name: []}
    for number in range(rounds):
        pair = [Task("tuneport", **shared), fastest]  # type: ignore[arg-type]
        for task in pair if number % 2 == 0 else reversed(pair):
            turns[task.name].append(start(task))
    speeds = {name: statistics.median(run["tokens_per_second"] for run in runs) for name, runs in turns.items()}
    return {
        "base": BASE,
        "rows": count,
        "epochs": epochs,
        "batch": BATCH,
        "settings_once": {name: run["tokens_per_second"] for name, run in first.items()},
        "fastest_trl": fastest.name,
        "median_tokens_per_second": speeds,
        "ratio": speeds["tuneport"] / speeds[fastest.name],
        "rounds": turns,
    }


def base_folder(home: Path) -> Path:
    """The base as safetensors, the very folder that ours will train. Converted first when only the packaged GGUF is there."""
    from tuneport_local import embedded, weights

    found = weights.resolve(BASE, home=home)
    return embedded.convert(home) if found.source in ("package", "hub") else Path(found.location)


def main() -> int:
    """Compares, prints, records; 1 when ours is slower."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--home", type=Path, help="Tuneport's state folder; a temporary one when not given")
    parser.add_argument("--no-record", action="store_true")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(run_task(Task(**json.loads(given.task)))))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        home = (given.home or Path(temporary)).resolve()
        figures = compare(str(base_folder(home)), str(home), count=given.rows, epochs=given.epochs, rounds=given.rounds)
    ours, theirs = (figures["median_tokens_per_second"][name] for name in ("tuneport", figures["fastest_trl"]))
    headline = f"{ours:.0f} tokens/s, {figures['ratio']:.2f} x TRL's fastest ({figures['fastest_trl']}: {theirs:.0f} tokens/s)"
    print(headline)
    if not given.no_record:
        record("sft_speed", figures, headline=headline)
    return 0 if figures["ratio"] >= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
