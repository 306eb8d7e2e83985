"""One training in a process of its own, and what is told of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks.train_room.arithmetic import Network, Work, executed, nominal
from benchmarks.train_room.task import BATCH, FACTORY, LEARNING_RATE, OURS, RANK, Setting, Task

WAIT_POLICY = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
Run = dict[str, Any]
"""The figures of one training: see `figures`."""


def run(task: Task, *, factory: str | None = None) -> Run:
    """`measured` in a fresh process; `factory` is the Python that has LLaMA-Factory. Raises RuntimeError with the end of what it said."""
    task = replace(task, launched=time.time())
    if task.who == FACTORY:
        given = {"task": asdict(task), "batch": BATCH, "rate": LEARNING_RATE, "rank": RANK}
        return _factory_figures(task, _said([str(factory), "-m", "benchmarks.train_room.factory", json.dumps(given)], task))
    return _said([sys.executable, "-m", "benchmarks.train_room.process", json.dumps(asdict(task))], task)


def _said(command: list[str], task: Task) -> dict[str, Any]:
    root = str(Path(__file__).parents[2])
    paths = os.environ.get("PYTHONPATH", "") if task.who != FACTORY else ""
    environ = {**os.environ, "OMP_WAIT_POLICY": WAIT_POLICY, "PYTHONPATH": os.pathsep.join(filter(None, [root, paths]))}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{task.name} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(task: Task) -> Run:
    """Trains, in this process."""
    from benchmarks.train_room.ceiling import matrix_product
    from benchmarks.train_room.ours import rendered
    from benchmarks.train_room.stopwatch import stopwatch

    if task.who == OURS:
        from benchmarks.train_room.ours import train
    else:
        from benchmarks.train_room.theirs import train
    every = task.validate_every
    watch = stopwatch(_validation_rows(rendered(task, task.validation)) if every else (), every=every)
    with tempfile.TemporaryDirectory() as folder:
        told = train(task, Path(folder))
    return figures(task, watch.figures(), told, ceiling=matrix_product())


def _validation_rows(rows: Any) -> list[tuple[list[int], list[int]]]:
    from tuneport_local.methods.batches import labels

    return [(list(row.input_ids), labels(row)) for row in rows]


def figures(task: Task, clock: Mapping[str, Any], told: Mapping[str, Any], *, ceiling: Mapping[str, float] | None) -> Run:
    """Everything that is told of a run. `per_s` are real tokens, padding left out; `later_per_s` those after the first step; the same by a
    second of the processor, which others on the machine disturb less. `use` is executed operations over the ceiling of the same process."""
    works: list[Work] = told["works"]
    network = Network.of(json.loads((Path(task.model) / "config.json").read_text(encoding="utf-8")), rank=RANK)
    whole, first = Work.total(works), works[0]
    wall, cpu = clock["wall_s"], clock["processor_s"]
    later = {"wall": wall - clock["first_wall_s"], "cpu": cpu - clock["first_processor_s"]}
    later_tokens = whole.tokens - first.tokens
    run = {
        "name": task.name,
        **clock,
        "tokens": whole.tokens,
        "positions": whole.positions,
        "learned": told["learned"],
        "per_s": whole.tokens / wall,
        "per_processor_s": whole.tokens / cpu,
        "later_per_s": later_tokens / later["wall"] if later_tokens else None,
        "later_per_processor_s": later_tokens / later["cpu"] if later_tokens else None,
        "to_first_step_s": clock["first_step_at"] - task.launched,
        "operations": executed(network, whole),
        "nominal_operations": nominal(network, whole),
        **{name: value for name, value in told.items() if name not in ("works", "learned")},
    }
    if ceiling is None:
        return run
    return {**run, "ceiling": dict(ceiling), **_use(run, ceiling)}


def _use(run: Run, ceiling: Mapping[str, float]) -> dict[str, float]:
    sides = {"use": ("operations", "wall_s", "per_s"), "processor_use": ("operations", "processor_s", "per_processor_s")}
    sides["nominal_use"] = ("nominal_operations", "wall_s", "per_s")
    return {name: run[operations] / run[seconds] / ceiling[most] for name, (operations, seconds, most) in sides.items()}


def _factory_figures(task: Task, found: dict[str, Any]) -> Run:
    """What LLaMA-Factory's process counted, in the same words. It measures no ceiling."""
    batches = found.pop("batches")
    works = [_factory_work(batch, recomputed=task.setting.checkpointing) for batch in batches]
    told = {"works": works, "learned": sum(batch["learned"] for batch in batches)}
    return figures(task, found, told, ceiling=None)


def _factory_work(batch: Mapping[str, int], *, recomputed: bool) -> Work:
    """Padded batches, every position through the head, whose logits are kept."""
    places = batch["rows"] * batch["longest"]
    return Work(batch["tokens"], places, places * batch["longest"], 0, places, head_passes=2, recomputed=recomputed)


def main() -> int:
    """For `run`."""
    given = json.loads(sys.argv[1])
    setting = Setting(**given.pop("setting"))
    print(json.dumps(measured(Task(**given, setting=setting))))
    return 0


if __name__ == "__main__":
    sys.exit(main())
