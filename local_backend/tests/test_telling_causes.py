"""What a job says when its numbers break, and what it says about what the model has forgotten."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tuneport_local.training.course import Course
from tuneport_local.training.forgetting import Forgetting, GeneralText
from tuneport_local.training.train import train

from tuneport.errors import JobFailed

from .joblog import MemoryJob, spec_of
from .tiny import save_tiny, tiny_tokenizer, write_chats, write_pairs

DPO = {"method": "dpo", "beta": 0.1, "loss": "sigmoid", "label_smoothing": 0.0}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("base"))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chats(tmp_path_factory.mktemp("rows") / "rows.jsonl", 12)


# --- numbers that are none ---------------------------------------------------------------------------------------------------------------


def failure(job: MemoryJob, spec: Any, home: Path) -> str:
    with pytest.raises(JobFailed) as caught:
        train(job, spec=spec, home=home)
    assert not job.adapter.exists()
    return str(caught.value)


@pytest.mark.train
def test_broken_weights_of_the_base_are_named(base: Path, rows: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for path in base.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    broken = load_file(tmp_path / "model.safetensors")
    broken["model.layers.0.mlp.up_proj.weight"][3, 4] = float("inf")
    save_file(broken, tmp_path / "model.safetensors", metadata={"format": "pt"})

    said = failure(MemoryJob(tmp_path / "job"), spec_of(tmp_path, rows), tmp_path)

    assert "at step 1; the training was stopped there. The base itself is broken" in said
    assert "model.layers.0.mlp.up_proj.weight holds values that are no numbers" in said
    assert "choose another" in said


@pytest.fixture(scope="module")
def touchy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A base of which every weight is a number, and which a row with the digit 7 makes overflow."""
    from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

    folder = tmp_path_factory.mktemp("touchy")
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = GPTNeoXConfig(vocab_size=320, max_position_embeddings=512, bos_token_id=1, eos_token_id=2, **sizes)
    model, tokenizer = GPTNeoXForCausalLM(config), tiny_tokenizer()
    with torch.no_grad():
        model.get_input_embeddings().weight[tokenizer("7").input_ids[0]] = 3e38
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.train
@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_a_row_that_breaks_the_loss_is_named_by_its_line(touchy: Path, rows: Path, tmp_path: Path, method: str) -> None:
    data = rows if method == "sft" else write_pairs(tmp_path / "pairs.jsonl", 12)
    said = failure(MemoryJob(tmp_path / "job"), spec_of(touchy, data, **(DPO if method == "dpo" else {})), tmp_path)

    assert "1 of the step's 4 row gives it by itself: line 8 of the training data" in said


@pytest.mark.train
def test_updates_that_are_far_too_large_are_put_down_to_the_learning_rate(base: Path, rows: Path, tmp_path: Path) -> None:
    spec = spec_of(base, rows, lora={"alpha": 1e20}, learning_rate=0.5, warmup_ratio=0.0)

    said = failure(MemoryJob(tmp_path / "job"), spec, tmp_path)

    assert "at step 2; the training was stopped there. The learning rate is the likely cause (0.5)" in said


def test_a_rise_before_the_break_is_told() -> None:
    from tuneport_local.training.not_finite import _rise

    course = Course()
    for loss in (3.0, 1.0, 2.0, 9.0):
        course = course.stepped(loss)

    assert _rise(course) == ": the loss rose from 1 to 9 over 2 steps"
    assert _rise(Course().stepped(1.0)) == ""


# --- forgetting --------------------------------------------------------------------------------------------------------------------------


def test_the_text_is_read_as_far_as_it_costs_little() -> None:
    tokenizer = tiny_tokenizer()
    whole = GeneralText.of(tokenizer, training_tokens=0, asked=True)
    part = GeneralText.of(tokenizer, training_tokens=20_000, asked="auto")

    assert len(whole.passages) == 8
    assert 0 < len(part.passages) < 8
    assert 2 * part.tokens <= 0.03 * 3 * 20_000
    assert GeneralText.of(tokenizer, training_tokens=1000, asked="auto").tokens == 0
    assert GeneralText.of(tokenizer, training_tokens=10**9, asked=False).tokens == 0


@pytest.mark.parametrize(
    ("after", "words", "warned"),
    [
        (20.0, "nothing was forgotten (perplexity 20.00 before, 20.00 after, 0% more)", False),
        (15.0, "nothing was forgotten (perplexity 20.00 before, 15.00 after, 25% less)", False),
        (22.0, "a little was forgotten (perplexity 20.00 before, 22.00 after, 10% more)", False),
        (26.0, "some was forgotten", True),
        (90.0, "much was forgotten (perplexity 20.00 before, 90.00 after, 350% more); a lower learning_rate", True),
    ],
)
def test_what_was_forgotten_is_told_in_words(after: float, words: str, warned: bool) -> None:
    found = Forgetting(20.0, after, 500)

    assert words in found.sentence
    assert found.worth_a_warning is warned


@pytest.mark.train
@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_the_perplexities_are_those_of_the_base_and_of_what_is_left(base: Path, rows: Path, tmp_path: Path, method: str) -> None:
    from tuneport_local.bases import weights as store

    data = rows if method == "sft" else write_pairs(tmp_path / "pairs.jsonl", 12)
    job = MemoryJob(tmp_path / "job")
    train(job, spec=spec_of(base, data, epochs=1, forgetting=True, **(DPO if method == "dpo" else {})), home=tmp_path)

    text = GeneralText.of(tiny_tokenizer(), training_tokens=0, asked=True)
    measured = json.loads((job.path / "run.json").read_text())["ending"]["general_text"]
    plain = [store.load(str(base), home=tmp_path, adapter=adapter).model for adapter in (None, job.adapter)]
    for model, key in zip(plain, ("perplexity_before", "perplexity_after"), strict=True):
        total = 0.0
        for passage in text.passages:
            ids = torch.tensor([passage])
            with torch.no_grad():
                total += float(model(ids, labels=ids).loss) * (len(passage) - 1)
        assert measured[key] == pytest.approx(math.exp(total / text.tokens), rel=1e-4)
    assert measured["tokens"] == text.tokens
    assert job.said("general text: ")
    assert "- General text: " in (job.adapter / "README.md").read_text()


@pytest.mark.train
def test_reading_the_text_changes_nothing_of_the_training(base: Path, rows: Path, tmp_path: Path) -> None:
    from .joblog import same_weights

    jobs = [MemoryJob(tmp_path / name) for name in ("read", "not read")]
    for job, asked in zip(jobs, (True, False), strict=True):
        train(job, spec=spec_of(base, rows, epochs=1, forgetting=asked, lora={"dropout": 0.1}), home=tmp_path)

    assert same_weights(*jobs)
    assert not jobs[1].said("general text")
