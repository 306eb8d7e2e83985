"""One training of a model with a head and its evaluation, through the public SDK, as figures: what the benchmarks of heads share."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import tuneport as tp
from benchmarks.banking77 import WorkerMemory

SEED = 7


def trained_and_measured(
    base: Path, train: tp.Dataset, test: tp.Dataset, *, home: Path, method: dict[str, Any], named: str
) -> dict[str, Any]:
    """The figures, JSON-ready; `named` is what the base is called there. Raises RuntimeError when the job does not succeed."""
    recipe = tp.Recipe(base=str(base), method={"kind": "classify", **method}, train=train, seed=SEED)  # type: ignore[arg-type]
    with tp.Client(home=home) as client, WorkerMemory(home) as memory:
        began = time.perf_counter()
        job = client.submit(recipe, provider="local")
        job = client.wait(job, timeout_s=3600, on_change=lambda now: print(f"{now.uri} {now.state} {now.detail}"))
        trained = time.perf_counter()
        if job.state is not tp.JobState.SUCCEEDED:
            raise RuntimeError(f"{job.uri} ended {job.state}: {job.error}")
        evaluation = client.evaluate(job, test)
        losses = [metric.values["loss"] for metric in client.metrics(job) if "loss" in metric.values]
    print(evaluation)
    return {
        "base": named,
        "method": recipe.method.model_dump(mode="json"),
        "rows": (train.count(), test.count()),
        "train_minutes": round((trained - began) / 60, 2),
        "evaluate_s": round(time.perf_counter() - trained, 1),
        "worker_peak_mb": round(memory.peak_bytes / 1e6),
        "steps": len(losses),
        "loss_first": losses[0],
        "loss_last": losses[-1],
        "evaluation": evaluation.to_dict(),
    }
