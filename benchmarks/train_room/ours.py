"""Our side: a training as the worker of a job runs it, in this process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.train_room.arithmetic import Work, scores_one_by_one, scores_side_by_side
from benchmarks.train_room.task import BATCH, LEARNING_RATE, OURS, RANK, SEED, Task

if TYPE_CHECKING:
    from tuneport_local.rows.rendering import RenderedRow


def train(task: Task, folder: Path) -> dict[str, Any]:
    """One epoch. What its batches were is counted afterwards, from the rows as they were rendered."""
    from tuneport_local.jobs.home import Jobs
    from tuneport_local.methods import attention
    from tuneport_local.plans.planning import LocalOptions, resolved
    from tuneport_local.training.spec import TrainingSpec
    from tuneport_local.training.train import train as training

    from tuneport.job import JobState
    from tuneport.recipe import SFT, LoRA

    method = SFT(epochs=1, batch_size=BATCH, learning_rate=LEARNING_RATE, lora=LoRA(rank=RANK))
    said = {"adapter_precision": task.adapters, "share_beginning": task.shared, "checkpoint_every": 10**6, "forgetting": False}
    options = LocalOptions.model_validate(said)
    recipe = {"base": task.model, "method": "sft", "recipe": {}, "client_id": OURS, "home": task.home}
    recipe["hyperparameters"] = resolved(method, options, seed=SEED)
    job, _ = Jobs(folder).make(OURS, recipe, {"train": Path(task.train)})
    job.phase(JobState.STARTING)
    training(job, spec=TrainingSpec.from_dict(job.recipe()), home=Path(task.home))
    works = [_work(batch, short=attention.SHORT, shared=task.shared) for batch in batches(ordered(task))]
    learned = sum(work.projected for work in works)
    losses = [metric.values["loss"] for metric in job.metrics() if "loss" in metric.values]
    return {"works": works, "learned": learned, "losses": losses, "hardware": job.run().get("hardware")}


def ordered(task: Task) -> list[RenderedRow]:
    """The rows as our worker renders them, in the order in which it takes them in the first epoch."""
    from tuneport_local.methods.batches import EpochOrder

    found = rendered(task, task.train)
    return [found[number] for number in EpochOrder(len(found), seed=SEED)]


def rendered(task: Task, path: str) -> tuple[RenderedRow, ...]:
    """The rows of a file."""
    from tuneport_local.bases.loading import load_tokenizer
    from tuneport_local.rows.prepared import CONVERSATIONS, prepare

    from tuneport import Dataset

    numbered = Dataset.read(path, format="chat").numbered()
    return prepare(numbered, load_tokenizer(Path(task.model)), kind=CONVERSATIONS, max_length=10**6, too_long="refuse", name="rows").rows


def batches(rows: list[RenderedRow]) -> list[list[RenderedRow]]:
    """As many as a step takes."""
    return [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]


def _work(rows: list[RenderedRow], *, short: int, shared: bool) -> Work:
    """Rows lie end to end, what they begin with perhaps once; short ones are laid side by side for the scores, the head sees what is
    learned."""
    from tuneport_local.methods.batches import columns
    from tuneport_local.methods.beginnings import beginning_once

    lengths = [len(row.input_ids) for row in rows]
    side_by_side = max(lengths) <= short
    pairs = scores_side_by_side(lengths) if side_by_side else scores_one_by_one(lengths)
    return Work(
        tokens=sum(lengths),
        positions=beginning_once([columns(row) for row in rows])["input_ids"].numel() if shared else sum(lengths),
        pairs=pairs,
        fused=0 if side_by_side else pairs,
        projected=sum(row.trained_tokens for row in rows),
        head_passes=2,
    )
