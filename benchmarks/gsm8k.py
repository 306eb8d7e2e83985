"""Reinforcement on grade-school maths: the embedded model learns to end its answers as it is told to, and is paid for right ones.

    python -m benchmarks.gsm8k [--data FOLDER] [--home FOLDER] [--steps N] [--test N] [--no-record]

GRPO with a weighted grader: half for an answer that ends with `#### number` (a regular expression), half for the right number. Both models
answer held-out questions greedily; exits 1 unless the 95 % interval of the difference of their mean rewards is clear of zero. The data set
(OpenAI, MIT: train.jsonl and test.jsonl with question, answer) is not part of this repository.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import tuneport as tp
from benchmarks.record import record

BASE = "smollm2-135m-instruct"
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "gsm8k"
ASKED = "{question}\nWork it out in one or two short sentences. End with a last line of #### and the number, as in: #### 42"
PROMPTS_A_STEP = 4
ANSWER_TOKENS = 48
LONGEST_QUESTION = 160
"""In characters: what two cores can answer some thousand times in half an hour."""
GRADER = tp.MultiGrader(
    graders={"format": tp.RegexCheck(pattern=r"####\s*-?\$?[\d,]+(\.\d+)?\s*$"), "right": tp.NumericAnswer()},
    formula="0.5 * format + 0.5 * right",
)
METHOD = {"batch_size": PROMPTS_A_STEP, "learning_rate": 3e-4, "samples_per_prompt": 8, "max_tokens": ANSWER_TOKENS}


def prompts(path: Path, *, rows: int) -> list[tp.PromptExample]:
    """The first short questions of a file, with their worked answers as references."""
    with path.open(encoding="utf-8") as file:
        short = (row for row in map(json.loads, file) if len(row["question"]) <= LONGEST_QUESTION)
        read = list(islice(short, rows))
    return [tp.PromptExample((tp.Message("user", ASKED.format(question=row["question"])),), row["answer"]) for row in read]


def run(train: Sequence[tp.PromptExample], test: Sequence[tp.PromptExample], *, home: Path) -> dict[str, Any]:
    """Submits, waits, evaluates; figures, JSON-ready. Raises RuntimeError when the job does not succeed."""
    method = tp.GRPO(grader=GRADER, epochs=1, **METHOD)  # type: ignore[arg-type]
    recipe = tp.Recipe(base=BASE, method=method, train=tp.Dataset.from_examples(train, name="gsm8k"), seed=7)
    with tp.Client(home=home) as client:
        began = time.perf_counter()
        job = client.submit(recipe, provider="local")
        print(f"submitted {job.uri}", flush=True)
        job = client.wait(job, timeout_s=7200, on_change=lambda now: print(f"{now.uri} {now.state} {now.detail}", flush=True))
        trained = time.perf_counter()
        if job.state is not tp.JobState.SUCCEEDED:
            raise RuntimeError(f"{job.uri} ended {job.state}: {job.error}")
        metrics = [metric.values for metric in client.metrics(job) if "rewards/mean" in metric.values]
        generation = tp.Generation(max_tokens=ANSWER_TOKENS)
        evaluation = client.evaluate(job, test, against="base", grader=GRADER, generation=generation)
    print(evaluation, flush=True)
    return {
        "base": BASE,
        "grader": GRADER.model_dump(),
        "method": METHOD,
        "train_prompts": len(train),
        "steps": len(metrics),
        "train_minutes": round((trained - began) / 60, 2),
        "evaluate_minutes": round((time.perf_counter() - trained) / 60, 2),
        "tokens_per_second_median": round(median(values["tokens_per_second"] for values in metrics), 1),
        "rewards": [round(values["rewards/mean"], 4) for values in metrics],
        "lengths": [round(values["answers/mean_length"], 1) for values in metrics],
        "evaluation": evaluation.to_dict(),
    }


def main() -> int:
    """Runs, prints, records; 1 unless the reward rose beyond doubt, 2 without the data."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder with train.jsonl and test.jsonl")
    parser.add_argument("--home", type=Path, help="Tuneport's state folder; a temporary one when not given")
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--test", type=int, default=100, help="held-out questions")
    parser.add_argument("--no-record", action="store_true")
    given = parser.parse_args()
    if not (given.data / "train.jsonl").is_file():
        print(f"gsm8k: skipped, there is no train.jsonl in {given.data}", file=sys.stderr)
        return 2
    train = prompts(given.data / "train.jsonl", rows=given.steps * PROMPTS_A_STEP)
    test = prompts(given.data / "test.jsonl", rows=given.test)
    with tempfile.TemporaryDirectory() as temporary:
        figures = run(train, test, home=(given.home or Path(temporary)).resolve())
    difference = figures["evaluation"]["difference"]
    low, high = difference["interval"]
    metrics, base = figures["evaluation"]["metrics"], figures["evaluation"]["against"]["metrics"]
    headline = (
        f"mean reward on {len(test)} held-out short questions {metrics['reward']:.3f} (base {base['reward']:.3f}, 95 % interval of the "
        f"difference {low:+.3f} to {high:+.3f}), {figures['steps']} steps in {figures['train_minutes']:.1f} min"
    )
    print(headline)
    if not given.no_record:
        record("gsm8k", figures, headline=headline)
    return 0 if low > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
