"""The file that `gcsMetricsUri` names, for clients that read one: its form is published nowhere, its names are those of the charts.

(docs.cloud.google.com, tuning and validation metrics, read 2026-11-21.)
"""

from __future__ import annotations

import json
import math
import random
from typing import TYPE_CHECKING

from tuneport_vertex.emulator.dataset import bucket_of
from tuneport_vertex.emulator.storage.buckets import put
from tuneport_vertex.emulator.world import World

if TYPE_CHECKING:
    from tuneport_vertex.emulator.jobs import Job


def write_metrics(job: Job, world: World) -> str | None:
    """Writes a line for each step beside the training data; the file's address. None where nothing was trained."""
    bucket, _ = bucket_of(job.request.training_uri, world)
    if bucket is None or job.plan is None:
        return None
    chance = random.Random(job.id)
    lines = [json.dumps(_step(step, job.plan.steps, chance, validated=job.request.validation_uri is not None)) for step in _steps(job)]
    name = f"tuning-metrics/{job.id}/metrics.jsonl"
    put(world, bucket, name, world.blobs.write(["\n".join(lines).encode()]), content_type="application/jsonl")
    return f"gs://{bucket.name}/{name}"


def _steps(job: Job) -> range:
    return range(1, job.plan.steps + 1) if job.plan is not None else range(0)


def _step(step: int, steps: int, chance: random.Random, *, validated: bool) -> dict[str, float]:
    """A loss that falls, and predictions that get better."""
    passed = step / steps
    loss = 2.2 * math.exp(-2.2 * passed) + 0.05
    told = {
        "step": step,
        "/train_total_loss": round(loss * chance.uniform(0.93, 1.07), 6),
        "/train_fraction_of_correct_next_step_preds": round(min(1.0, 0.55 + 0.4 * passed * chance.uniform(0.95, 1.05)), 6),
        "/train_num_predictions": 100 * step,
    }
    return told | ({"/eval_total_loss": round(loss * 1.1, 6)} if validated else {})
