"""The main job on real customers' questions: six intents of Banking77, through the public SDK, from CSV to verdict.

    python -m benchmarks.banking77 [--data FOLDER] [--home FOLDER] [--no-record]

Trains on 40 rows of each intent (240), evaluates on all their test rows the tuned model, its base as it is, and the base with the labels
listed in its prompt. Limit: 0.90 exact match. The data set (PolyAI, CC-BY-4.0: train.csv and test.csv with text,category) is not part of
this repository.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import psutil

import tuneport as tp
from benchmarks.record import record

INTENTS = ("card_arrival", "exchange_rate", "lost_or_stolen_card", "pending_transfer", "change_pin", "getting_virtual_card")
ROWS_EACH = 40
LIMIT_EXACT_MATCH = 0.90
BASE = "smollm2-135m-instruct"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "banking77"


def rows_of(path: Path, *, each: int | None) -> list[tp.ChatExample]:
    """The rows of the six intents, in the order of the file; the first `each` of an intent, or all."""
    seen: Counter[str] = Counter()
    kept = []
    for example in tp.Dataset.read(path, columns={"prompt": "text", "completion": "category"}):
        assert isinstance(example, tp.ChatExample)
        intent = example.messages[-1].text
        seen[intent] += 1
        if intent in INTENTS and (each is None or seen[intent] <= each):
            kept.append(example)
    return kept


class WorkerMemory:
    """The largest resident size of the local workers under `home`, read every half second while the block runs."""

    def __init__(self, home: Path) -> None:
        self.home, self.peak_bytes = str(home), 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> WorkerMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.5):
            self.peak_bytes = max(self.peak_bytes, *(_peak(process) for process in self._workers()), 0)

    def _workers(self) -> Iterator[psutil.Process]:
        for process in psutil.process_iter(["cmdline"]):  # one that has ended meanwhile, or is not ours to see, has None
            command = process.info["cmdline"] or []
            if "tuneport_local.worker" in command and any(part.startswith(self.home) for part in command):
                yield process


def _peak(process: psutil.Process) -> int:
    """The largest resident size so far in bytes; where the system does not keep it, the one of now."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        return _resident_now(process)


def _resident_now(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has ended between two looks
        return 0


@dataclass(frozen=True, slots=True)
class Run:
    """What one run gave. Times in seconds; `train_s` is from submit to the job's end."""

    submit_s: float
    train_s: float
    evaluate_s: float
    peak_mb: float
    metrics: list[tp.Metric]
    evaluation: tp.Evaluation


def run(train: list[tp.ChatExample], test: list[tp.ChatExample], *, home: Path) -> Run:
    """Submits, waits, evaluates. Raises RuntimeError when the job does not succeed."""
    recipe = tp.Recipe(base=BASE, train=tp.Dataset.from_examples(train, name="banking77-6"), seed=7)
    with tp.Client(home=home) as client, WorkerMemory(home) as memory:
        began = time.perf_counter()
        job = client.submit(recipe, provider="local")
        submitted = time.perf_counter()
        print(f"submitted {job.uri} in {submitted - began:.2f} s")
        job = client.wait(job, timeout_s=3600, on_change=lambda now: print(f"{now.uri} {now.state} {now.detail}"))
        ended = time.perf_counter()
        if job.state is not tp.JobState.SUCCEEDED:
            raise RuntimeError(f"{job.uri} ended {job.state}: {job.error}")
        evaluation = client.evaluate(job, test, against=["base", "base+labels"], labels_from=train)
        metrics = client.metrics(job)
    evaluate_s = time.perf_counter() - ended
    return Run(submitted - began, ended - began, evaluate_s, memory.peak_bytes / 1e6, metrics, evaluation)


def figures_of(done: Run) -> dict[str, Any]:
    """The run as JSON-ready figures."""
    losses = [metric.values["loss"] for metric in done.metrics if "loss" in metric.values]
    speeds = [metric.values["tokens_per_second"] for metric in done.metrics if "tokens_per_second" in metric.values]
    return {
        "base": BASE,
        "train_rows": ROWS_EACH * len(INTENTS),
        "submit_s": round(done.submit_s, 2),
        "train_minutes": round(done.train_s / 60, 2),
        "evaluate_minutes": round(done.evaluate_s / 60, 2),
        "tokens_per_second_median": round(median(speeds), 1) if speeds else None,
        "worker_peak_mb": round(done.peak_mb),
        "steps": len(losses),
        "loss_first": losses[0] if losses else None,
        "loss_last": losses[-1] if losses else None,
        "evaluation": done.evaluation.to_dict(),
    }


def main() -> int:
    """Runs, prints, records; 1 below the limit, 2 without the data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with train.csv and test.csv")
    parser.add_argument("--home", type=Path, help="Tuneport's state folder; a temporary one when not given")
    parser.add_argument("--no-record", action="store_true")
    given = parser.parse_args()
    if not (given.data / "train.csv").is_file():
        print(f"banking77: skipped, there is no train.csv in {given.data}", file=sys.stderr)
        return 2
    train, test = rows_of(given.data / "train.csv", each=ROWS_EACH), rows_of(given.data / "test.csv", each=None)
    with tempfile.TemporaryDirectory() as temporary:
        done = run(train, test, home=(given.home or Path(temporary)).resolve())
    figures, accuracy = figures_of(done), done.evaluation.metrics["exact_match"] or 0.0
    print(done.evaluation)
    print({name: value for name, value in figures.items() if name != "evaluation"})
    if not given.no_record:
        base = done.evaluation.comparisons
        headline = (
            f"exact match {accuracy:.3f} (base {base[0].metrics['exact_match']:.3f}, with labels in the prompt "
            f"{base[1].metrics['exact_match']:.3f}), {figures['train_minutes']:.1f} min, {figures['tokens_per_second_median']} tokens/s, "
            f"peak {figures['worker_peak_mb']} MB"
        )
        record("banking77", figures, headline=headline)
    return 0 if accuracy >= LIMIT_EXACT_MATCH else 1


if __name__ == "__main__":
    sys.exit(main())
