"""Local SFT against TRL's own SFTTrainer: real tokens a second, same model, rows, learned tokens, adapter, adapter precision and batch.

    python -m benchmarks.sft_speed [--rows 64] [--epochs 1] [--rounds 4] [--base NAME] [--no-record]

First TRL runs once in each of its settings (padded, padding-free, packed; gradient checkpointing on and off); then ours and TRL's fastest
take turns for `--rounds`, each run in a process of its own. Counted is the time from the start of the training loop to its end, in both
by the same callback; tokens are the real ones, padding left out.

TRL gets the rows as we render them, with the same labels and in the same order: both learn exactly the same tokens, which is counted (in
TRL's own batches) and compared. So in the first epoch the losses of ours and of TRL's padded and padding-free settings are those of the
same steps (packs hold other rows). Ours logs every step as it does in a job, and so does TRL. Every process waits for its threads as a
worker of ours does (OMP_WAIT_POLICY=PASSIVE), or as the environment says. Limit: ours is at least as fast as TRL's fastest.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.record import paired_rounds, record

if TYPE_CHECKING:
    from tuneport_local.rows.prepared import PreparedRows
    from tuneport_local.rows.rendering import RenderedRow

BASE = "smollm2-135m-instruct"
BATCH = 8
LEARNING_RATE = 5e-4
RANK = 16
SEED = 0
SETTINGS = ("padded", "padding-free", "packed")
WAIT_POLICY = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
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
    return [json.loads(line) for line in islice(cycle(lines), count)]


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
    """Trains once; seconds in the loop, real tokens, learned tokens, the process's largest resident size, losses."""
    watch = stopwatch()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "rows.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows(task.rows)), encoding="utf-8")
        details = (_train_tuneport if task.who == "tuneport" else _train_trl)(task, data)
    if not watch.seconds:
        raise RuntimeError(f"{task.name}: the training loop was not seen by the stopwatch callback")
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    speed = details["tokens"] / watch.seconds
    return {"seconds": watch.seconds, "tokens_per_second": speed, "peak_mb": peak_mb, "losses": watch.losses, **details}


def prepared(task: Task, data: Path) -> PreparedRows[RenderedRow]:
    """The rows as our worker renders them."""
    from tuneport_local.bases.loading import load_tokenizer
    from tuneport_local.rows.prepared import CONVERSATIONS, prepare

    from tuneport import Dataset

    numbered = Dataset.read(data, format="chat").numbered()
    return prepare(numbered, load_tokenizer(Path(task.model)), kind=CONVERSATIONS, max_length=10**6, too_long="refuse", name="rows")


def learned_in(batches: Any) -> int:
    """Tokens of one epoch whose labels are not masked, as they arrive at the model."""
    return sum(int((batch["labels"] != -100).sum()) for batch in batches)


def _train_tuneport(task: Task, data: Path) -> dict[str, Any]:
    from tuneport_local.jobs.home import Jobs
    from tuneport_local.plans.planning import LocalOptions, resolved
    from tuneport_local.training.train import train as training

    from tuneport.job import JobState
    from tuneport.recipe import SFT, LoRA

    method = SFT(epochs=task.epochs, batch_size=BATCH, learning_rate=LEARNING_RATE, lora=LoRA(rank=RANK))
    values = resolved(method, LocalOptions(adapter_precision="fp32", checkpoint_every=10**6), seed=SEED)
    recipe = {"base": task.model, "method": "sft", "recipe": {}, "hyperparameters": values, "client_id": "speed", "home": task.home}
    job, _ = Jobs(data.parent).make("speed", recipe, {"train": data})
    job.phase(JobState.STARTING)
    training.train(job, spec=training.TrainingSpec.from_dict(job.recipe()), home=Path(task.home))
    losses = [metric.values["loss"] for metric in job.metrics() if "loss" in metric.values]
    done = job.run()
    tokens, learned = (done["data"][name] * task.epochs for name in ("tokens_per_epoch", "learned_tokens_per_epoch"))
    return {"tokens": tokens, "learned_tokens": learned, "losses": losses, "hardware": done.get("hardware")}


def _train_trl(task: Task, data: Path) -> dict[str, Any]:
    import torch
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM
    from trl import SFTConfig, SFTTrainer
    from tuneport_local.bases.loading import load_tokenizer
    from tuneport_local.methods.batches import EpochOrder, as_dataset

    found = prepared(task, data)
    ordered = [found.rows[number] for number in EpochOrder(len(found.rows), seed=SEED)]  # ours shuffles so: then losses can be compared
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(task.model, dtype=torch.bfloat16),
        processing_class=load_tokenizer(Path(task.model)),
        train_dataset=as_dataset(ordered),
        peft_config=LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules="all-linear", task_type="CAUSAL_LM"),
        args=SFTConfig(
            output_dir=str(data.parent),
            num_train_epochs=task.epochs,
            learning_rate=LEARNING_RATE,
            gradient_checkpointing=task.checkpointing,
            logging_steps=1,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            train_sampling_strategy="sequential",
            use_cpu=not torch.cuda.is_available(),
            **_batching(task, longest=max(found.longest, round(BATCH * found.tokens / len(found.rows)))),
        ),
    )
    learned = learned_in(trainer.get_train_dataloader())
    trainer.train()
    return {
        "tokens": found.tokens * task.epochs,
        "learned_tokens": learned * task.epochs,
        "steps": trainer.state.global_step,
        "adapter_precision": sorted({str(weights.dtype) for weights in trainer.model.parameters() if weights.requires_grad}),
    }


def _batching(task: Task, *, longest: int) -> dict[str, Any]:
    """TRL's arguments for a step of BATCH rows; packed, for one pack that holds about as many tokens as BATCH rows do."""
    if task.setting == "packed":
        return {"packing": True, "per_device_train_batch_size": 1, "max_length": longest}
    return {"padding_free": task.setting == "padding-free", "per_device_train_batch_size": BATCH, "max_length": None}


# --- in the process that compares ------------------------------------------------------------------------------------------------------


def start(task: Task) -> dict[str, Any]:
    """`run_task` in a fresh process. Raises RuntimeError with the end of what it said."""
    command = [sys.executable, "-m", "benchmarks.sft_speed", "--task", json.dumps(asdict(task))]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_WAIT_POLICY": WAIT_POLICY}, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{task.name} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    speed, seconds, losses = found["tokens_per_second"], found["seconds"], found["losses"]
    loss = f"loss {losses[0]:.3f} to {losses[-1]:.3f}, mean {statistics.fmean(losses):.3f}"
    print(f"{task.name:45} {speed:8.1f} tokens/s  {seconds:6.1f} s  {found['peak_mb']:6.0f} MB  {loss}", flush=True)
    return found


def compare(model: str, home: str, *, base: str, count: int, epochs: int, rounds: int) -> dict[str, Any]:
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
    learned = {name: run["learned_tokens"] for name, run in (*first.items(), *((name, runs[0]) for name, runs in turns.items()))}
    if len(set(learned.values())) != 1:
        raise RuntimeError(f"they did not learn the same tokens: {learned}")
    speeds = {name: statistics.median(run["tokens_per_second"] for run in runs) for name, runs in turns.items()}
    return {
        "base": base,
        "rows": count,
        "learned_tokens": learned["tuneport"],
        "omp_wait_policy": WAIT_POLICY,
        "epochs": epochs,
        "batch": BATCH,
        "settings_once": {name: run["tokens_per_second"] for name, run in first.items()},
        "fastest_trl": fastest.name,
        "median_tokens_per_second": speeds,
        "ratio": speeds["tuneport"] / speeds[fastest.name],
        "rounds": turns,
    }


def base_folder(base: str, home: Path) -> Path:
    """The base as safetensors, the very folder that ours will train. Converted first when only the packaged GGUF is there."""
    from tuneport_local.bases import embedded, weights

    found = weights.resolve(base, home=home)
    return embedded.convert(home) if found.source in ("package", "hub") else Path(found.location)


def main() -> int:
    """Compares, prints, records; 1 when ours is slower."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rounds", type=paired_rounds, default=4, help="an even number: each side goes first as often as the other")
    parser.add_argument("--base", default=BASE)
    parser.add_argument("--home", type=Path, help="Tuneport's state folder; a temporary one when not given")
    parser.add_argument("--no-record", action="store_true")
    parser.add_argument("--task", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        print(json.dumps(run_task(Task(**json.loads(given.task)))))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        home = (given.home or Path(temporary)).resolve()
        model = str(base_folder(given.base, home))
        figures = compare(model, str(home), base=given.base, count=given.rows, epochs=given.epochs, rounds=given.rounds)
    ours, theirs = (figures["median_tokens_per_second"][name] for name in ("tuneport", figures["fastest_trl"]))
    headline = f"{ours:.0f} tokens/s, {figures['ratio']:.2f} x TRL's fastest ({figures['fastest_trl']}: {theirs:.0f} tokens/s)"
    print(headline)
    if not given.no_record:
        record("sft_speed", figures, headline=headline)
    return 0 if figures["ratio"] >= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
