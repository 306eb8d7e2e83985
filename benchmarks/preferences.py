"""Preferences of people for real: the built-in model and DPO on hh-rlhf, through the public SDK, from the file to the verdict.

    python -m benchmarks.preferences [--data FILE] [--home FOLDER] [--pairs N] [--epochs N] [--learning-rate X] [--beta X] [--no-record]

Takes the pairs of `harmless-base-test.jsonl.gz` of which both sides together have at most so many characters (a processor gets through
enough of them then) and no message is empty, shuffles them by a seed, holds out 400 and trains on others. The verdict is DPO's own
preference accuracy, as trl measures it after the last step: the share of held-out pairs of which the tuned model, compared with its base,
makes the better answer likelier than the worse. A base compared with itself prefers neither: 0.5. Limit: 5 points more, with a 95 %
interval (Wilson) clear of 0.5. Beside it, from an evaluation of both models: which answer each finds likelier by itself, as a whole and
by the token; that moves less, since the base's own taste stays in it. The data set (Anthropic, MIT) is not part of this repository.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from statistics import NormalDist, median
from typing import Any

import tuneport as tp
from benchmarks.record import record

BASE = "smollm2-135m-instruct"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "hh-rlhf" / "harmless-base-test.jsonl.gz"
HELD_OUT = 400
SEED = 7
ACCURACY = "eval_rewards/accuracies"
"""trl's name for it in the metrics of a job."""
METRICS = ("preference_accuracy_by_token", "preference_accuracy")
LIMIT_POINTS = 5.0
CHANCE = 0.5


def short_pairs(path: Path, *, characters: int) -> list[tp.PreferenceExample]:
    """The pairs of at most so many characters, prompts counted with either side, in which nobody says nothing; in an order that depends on
    the seed alone."""
    pairs = [example for example in tp.Dataset.read(path) if isinstance(example, tp.PreferenceExample)]
    kept = [pair for pair in pairs if _characters(pair) <= characters and all(message.text.strip() for message in _messages(pair))]
    random.Random(SEED).shuffle(kept)
    return kept


def _characters(pair: tp.PreferenceExample) -> int:
    return sum(len(message.text) for message in (*pair.prompt, *_messages(pair)))


def _messages(pair: tp.PreferenceExample) -> tuple[tp.Message, ...]:
    return (*pair.prompt, *pair.chosen, *pair.rejected)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run gave. Times in seconds."""

    train_s: float
    evaluate_s: float
    metrics: list[tp.Metric]
    evaluation: tp.Evaluation


def run(trained: list[tp.PreferenceExample], held_out: list[tp.PreferenceExample], *, method: tp.DPO, home: Path) -> Run:
    """Submits, waits, evaluates. Raises RuntimeError when the job does not succeed.

    The held-out pairs are the job's validation, looked at once at its end: nothing of the training depends on them.
    """
    recipe = tp.Recipe(
        base=BASE,
        train=tp.Dataset.from_examples(trained, name="hh-short"),
        validation=tp.Dataset.from_examples(held_out, name="hh-held-out"),
        method=method,
        seed=SEED,
        options={"local": {"eval_every": 100_000}},
    )
    with tp.Client(home=home) as client:
        began = time.perf_counter()
        job = client.submit(recipe, provider="local")
        job = client.wait(job, timeout_s=7200, on_change=lambda now: print(f"{now.uri} {now.state} {now.detail}", flush=True))
        ended = time.perf_counter()
        if job.state is not tp.JobState.SUCCEEDED:
            raise RuntimeError(f"{job.uri} ended {job.state}: {job.error}")
        evaluation = client.evaluate(job, held_out, against=["base"], metrics=METRICS)
        return Run(ended - began, time.perf_counter() - ended, client.metrics(job), evaluation)


def share_preferred(done: Run) -> tuple[float, tuple[float, float]]:
    """The share of held-out pairs preferred in the right order after the last step, with Wilson's interval of 95 %."""
    share = [metric.values[ACCURACY] for metric in done.metrics if ACCURACY in metric.values][-1]
    rows, z = done.evaluation.rows, NormalDist().inv_cdf(0.975)
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))
    return share, (middle - half, middle + half)


def figures_of(done: Run, trained: int, method: tp.DPO) -> dict[str, Any]:
    """The run as JSON-ready figures."""
    steps = [metric.values for metric in done.metrics if "loss" in metric.values]
    speeds = [values["tokens_per_second"] for values in steps if "tokens_per_second" in values]
    share, interval = share_preferred(done)
    return {
        "base": BASE,
        "preference_accuracy_against_base": round(share, 4),
        "interval_95": [round(edge, 4) for edge in interval],
        "train_pairs": trained,
        "held_out_pairs": done.evaluation.rows,
        "method": method.model_dump(mode="json"),
        "train_minutes": round(done.train_s / 60, 2),
        "evaluate_minutes": round(done.evaluate_s / 60, 2),
        "tokens_per_second_median": round(median(speeds), 1) if speeds else None,
        "steps": len(steps),
        "loss_first": steps[0]["loss"] if steps else None,
        "loss_last": steps[-1]["loss"] if steps else None,
        "evaluation": done.evaluation.to_dict(),
    }


def points(done: Run, metric: str) -> str:
    """`0.500 -> 0.575, +7.5 points (95 % interval +2.0 to +13.0)`."""
    compared = done.evaluation.comparisons[0]
    change = compared.difference[metric]
    low, high = (100 * edge for edge in change.interval)
    before, after = compared.metrics[metric] or 0.0, done.evaluation.metrics[metric] or 0.0
    return f"{before:.3f} -> {after:.3f}, {100 * change.value:+.1f} points (95 % interval {low:+.1f} to {high:+.1f})"


def main() -> int:
    """Runs, prints, records; 1 below the limit, 2 without the data."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--data", type=Path, default=DATA, help="harmless-base-test.jsonl.gz")
    parser.add_argument("--home", type=Path, help="Tuneport's state folder; a temporary one when not given")
    parser.add_argument("--characters", type=int, default=1500, help="of both sides of a pair together, at most")
    parser.add_argument("--pairs", type=int, default=1240, help="to train on, at most")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--learning-rate", type=float, default=3e-4)
    parser.add_argument("--beta", type=float, default=0.1)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--no-record", action="store_true")
    given = parser.parse_args()
    if not given.data.is_file():
        print(f"preferences: skipped, there is no {given.data}", file=sys.stderr)
        return 2
    pairs = short_pairs(given.data, characters=given.characters)
    held_out, trained = pairs[:HELD_OUT], pairs[HELD_OUT : HELD_OUT + given.pairs]
    method = tp.DPO(epochs=given.epochs, learning_rate=given.learning_rate, beta=given.beta, batch_size=given.batch_size)
    with tempfile.TemporaryDirectory() as temporary:
        done = run(trained, held_out, method=method, home=(given.home or Path(temporary)).resolve())
    figures = figures_of(done, len(trained), method)
    print(done.evaluation)
    print({name: value for name, value in figures.items() if name != "evaluation"})
    share, interval = share_preferred(done)
    if not given.no_record:
        by_token, whole = (points(done, metric) for metric in METRICS)
        headline = (
            f"{len(held_out)} held-out pairs, preferred as compared with the base {CHANCE} -> {share:.3f} "
            f"(95 % interval {interval[0]:.3f} to {interval[1]:.3f}); by the token {by_token}; as a whole {whole}; "
            f"{len(trained)} pairs x {given.epochs}, {figures['train_minutes']:.1f} min, {figures['tokens_per_second_median']} tokens/s"
        )
        record("preferences", figures | {"most_characters": given.characters}, headline=headline)
    return 0 if 100 * (share - CHANCE) >= LIMIT_POINTS and interval[0] > CHANCE else 1


if __name__ == "__main__":
    sys.exit(main())
