"""All weights trained: what is left is a model that stands by itself, answers as the trained network did, and is repeated exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tuneport_local.adapters.layered import layered
from tuneport_local.bases import weights as store
from tuneport_local.jobs.trained import MODEL, trained
from tuneport_local.machine.memory_need import memory_need
from tuneport_local.training.train import TrainingSpec, train

from tuneport.errors import RecipeError

from .breaks import broken_off, killed, metric_at
from .joblog import MemoryJob, spec_of
from .tiny import save_tiny, tiny_model, write_chats, write_pairs

pytestmark = pytest.mark.train
STEPS = 12
PREFERENCES = {"beta": 0.1, "loss": "sigmoid", "label_smoothing": 0.0}


class Scene:
    """A tiny base with rows of both kinds, a job for each name, and what an unbroken run gives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = save_tiny(folder / "base")
        self.chats = write_chats(folder / "chats.jsonl", 22)
        self.pairs = write_pairs(folder / "pairs.jsonl", 22)
        self.whole = self.job("whole")
        train(self.whole, spec=self.spec(), home=folder)

    def spec(self, **changes: Any) -> TrainingSpec:
        given: dict[str, Any] = {"weights": {"kind": "full"}, "checkpoint_every": 4, "learning_rate": 0.002, **changes}
        if given.get("method") == "dpo":
            return spec_of(self.base, self.pairs, validation=self.pairs, **PREFERENCES, **given)
        return spec_of(self.base, self.chats, validation=self.chats, **given)

    def job(self, name: str) -> MemoryJob:
        return MemoryJob(self.folder / name)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("scene"))


def all_weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


def same(one: Path, other: Path) -> bool:
    first, second = all_weights(one), all_weights(other)
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_every_weight_is_learned_and_what_is_left_is_a_model_without_adapters(scene: Scene) -> None:
    losses, before, after = scene.whole.losses(), all_weights(scene.base), all_weights(scene.whole.path / MODEL)

    assert losses[STEPS, "eval_loss"] < losses[6, "eval_loss"] < losses[1, "loss"]
    assert before.keys() == after.keys()
    assert not [name for name in before if torch.equal(before[name], after[name])]
    assert trained(scene.whole.path) == scene.whole.path / MODEL
    assert not scene.whole.adapter.exists()


def test_the_loaded_model_says_of_the_rows_what_the_training_said_last(scene: Scene) -> None:
    """The validation after the last step, once more from disk by plain transformers."""
    loaded = store.load(str(scene.whole.path / MODEL), home=scene.folder)
    total, tokens = 0.0, 0
    from tuneport_local.rows.prepared import CONVERSATIONS, prepare

    from tuneport.dataset import Dataset

    numbered = Dataset.read(scene.chats, format="chat").numbered()
    for row in prepare(numbered, loaded.tokenizer, kind=CONVERSATIONS, max_length=512, too_long="refuse", name="rows").rows:
        ids = torch.tensor([row.input_ids])
        with torch.no_grad():
            logs = loaded.model(ids).logits[0, :-1].float().log_softmax(-1).gather(1, ids[0, 1:, None])[:, 0]
        learned = torch.tensor(row.loss_mask[1:])
        total, tokens = total - float(logs[learned].sum()), tokens + int(learned.sum())

    assert total / tokens == pytest.approx(scene.whole.losses()[STEPS, "eval_loss"], abs=1e-5)


def test_a_checkpoint_is_a_model_that_answers_by_itself(scene: Scene) -> None:
    newest = sorted(scene.whole.checkpoints.glob("step-*"))[-1]

    loaded = store.load(str(newest), home=scene.folder)

    assert loaded.tokenizer.chat_template
    assert same(newest, scene.whole.path / MODEL)


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_a_resumed_training_gives_the_same_model_to_the_bit(scene: Scene, method: str) -> None:
    whole, broken = scene.job(f"{method} whole"), scene.job(f"{method} broken")
    spec = scene.spec(method=method)
    train(whole, spec=spec, home=scene.folder)
    killed(broken, spec, scene.folder, at=metric_at(6))

    assert train(broken, spec=spec, home=scene.folder) == "succeeded"

    assert broken.said("resuming at step 4")
    assert same(whole.path / MODEL, broken.path / MODEL)
    assert broken.losses() == whole.losses()


def test_preferences_are_learned_against_a_copy_of_the_base_that_stays_as_it_is(scene: Scene) -> None:
    job = scene.job("preferences")

    train(job, spec=scene.spec(method="dpo"), home=scene.folder)

    readings = [values for _, values in job.metrics if "eval_loss" in values]
    assert job.losses()[1, "loss"] == pytest.approx(0.6931, abs=1e-3)
    assert readings[-1]["eval_loss"] < 0.69
    assert readings[-1]["eval_rewards/accuracies"] == 1.0


def test_the_card_and_the_events_say_that_all_weights_were_trained(scene: Scene) -> None:
    card = (scene.whole.path / MODEL / "README.md").read_text()
    run = json.loads((scene.whole.path / "run.json").read_text())

    for words in ("library_name: transformers", "tags: [full, sft]", "# All weights of", "| all of them |", "weights fp32, computed"):
        assert words in card
    assert "LoRA" not in card
    assert "adapter" not in card
    assert run["recipe"]["weights"] == {"kind": "full"}
    assert scene.whole.said("weights in fp32: small updates survive")


def test_the_quote_counts_gradients_and_moments_and_a_copy_for_the_reference(scene: Scene) -> None:
    lora, full = (memory_need(str(scene.base), home=scene.folder, device="cpu", kind=kind) for kind in ("lora", "full"))
    pairs = memory_need(str(scene.base), home=scene.folder, device="cpu", method="dpo", kind="full")

    assert lora is not None
    assert full is not None
    assert pairs is not None
    assert lora.needed < full.needed < pairs.needed
    assert "fp32 weights, their gradients and two moments of Adam, one row at a time" in full.sentence
    assert "a copy of them for the reference" in pairs.sentence


# --- not all of them, not at once, not at one rate ---------------------------------------------------------------------------------------


def resumed(scene: Scene, name: str, *, step: int = 6, **changes: Any) -> tuple[MemoryJob, MemoryJob]:
    """A training left alone, and one that was killed after that step and resumed."""
    whole, broken, spec = scene.job(name), scene.job(f"{name}-broken"), scene.spec(**changes)
    train(whole, spec=spec, home=scene.folder)
    killed(broken, spec, scene.folder, at=metric_at(step))
    train(broken, spec=spec, home=scene.folder)
    assert broken.said("resuming at step")
    return whole, broken


def changed(scene: Scene, job: MemoryJob) -> set[str]:
    before, after = all_weights(scene.base), all_weights(job.path / MODEL)
    return {name for name in before if not torch.equal(before[name], after[name])}


def test_frozen_blocks_and_the_embeddings_stay_as_they_are(scene: Scene) -> None:
    job = scene.job("frozen")

    train(job, spec=scene.spec(weights={"kind": "full", "freeze": 1}), home=scene.folder)

    learned = changed(scene, job)
    assert {name for name in learned if "layers.1." in name} == {name for name in all_weights(scene.base) if "layers.1." in name}
    assert "model.norm.weight" in learned
    assert not {name for name in learned if "layers.0." in name or "embed" in name}
    assert job.losses()[STEPS, "eval_loss"] < job.losses()[1, "loss"]


def test_more_frozen_blocks_than_there_are_is_refused_with_their_number(scene: Scene) -> None:
    with pytest.raises(RecipeError, match=r"weights\.freeze is 3, and .* has 2 blocks"):
        train(scene.job("too many"), spec=scene.spec(weights={"kind": "full", "freeze": 3}), home=scene.folder)


def test_thawing_goes_from_the_top_down_over_the_first_half_and_is_repeated_exactly(scene: Scene) -> None:
    """Blocks thaw at steps 0 and 3 of 12, the embeddings at 6: a training that ends before has not touched them."""
    whole, broken = resumed(scene, "gradual", step=5, weights={"kind": "full", "gradual": True})
    short = scene.job("gradual short")
    plan = layered(tiny_model(), freeze=0, decay=1.0, gradual=True, steps=STEPS, base="tiny")

    assert [next(step for step in range(STEPS) if plan.trained(depth, step=step)) for depth in (3, 2, 1, 0)] == [0, 0, 3, 6]
    assert changed(scene, whole) == set(all_weights(scene.base))
    assert same(whole.path / MODEL, broken.path / MODEL)
    spec = scene.spec(weights={"kind": "full", "gradual": True}, checkpoint_every=100)
    broken_off(short, spec, scene.folder, wish="pause", at=metric_at(4))
    newest = all_weights(sorted(short.checkpoints.glob("step-*"))[-1])
    moved = {name for name, weights in all_weights(scene.base).items() if not torch.equal(weights, newest[name])}
    assert any("layers.0." in name for name in moved)
    assert not any("embed" in name for name in moved)


def test_each_block_learns_at_a_share_of_the_rate_of_the_one_above_it(scene: Scene) -> None:
    """The first step of Adam moves every weight by its learning rate."""
    whole, broken = resumed(scene, "decayed", weights={"kind": "full", "layer_decay": 0.1})
    first = scene.job("first step")
    alike = {"warmup_ratio": 0.0, "schedule": "constant", "max_grad_norm": 1e9, "checkpoint_every": 1}
    broken_off(first, scene.spec(weights={"kind": "full", "layer_decay": 0.1}, **alike), scene.folder, wish="pause", at=metric_at(1))
    before, after = all_weights(scene.base), all_weights(first.checkpoints / "step-00000001")
    moved = {name: float((after[name] - before[name]).abs().median()) for name in before}

    assert same(whole.path / MODEL, broken.path / MODEL)
    assert moved["model.norm.weight"] == pytest.approx(0.002, rel=0.05)
    assert moved["model.layers.1.mlp.up_proj.weight"] == pytest.approx(0.0002, rel=0.05)
    assert moved["model.layers.0.mlp.up_proj.weight"] == pytest.approx(0.00002, rel=0.05)


@pytest.mark.parametrize("kind", ["llama", "gpt2", "qwen2", "bert", "vit"])
def test_blocks_are_found_whatever_an_architecture_calls_them(kind: str) -> None:
    from transformers import AutoConfig, AutoModel

    small = {
        "num_hidden_layers": 3,
        "hidden_size": 16,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "n_layer": 3,
        "n_embd": 16,
        "n_head": 2,
    }
    model = AutoModel.from_config(AutoConfig.for_model(kind, **small, vocab_size=40, num_key_value_heads=2))

    found = layered(model, freeze=1, decay=0.5, gradual=False, steps=10, base=kind)

    embeddings = {name for name, depth in found.depths.items() if depth == 0}
    assert found.blocks == 3
    assert set(found.depths.values()) == {0, 1, 2, 3, 4}
    assert embeddings
    assert all("emb" in name or "wte" in name or "wpe" in name or "token" in name for name in embeddings)


def test_the_card_says_what_was_not_trained_alike(scene: Scene) -> None:
    job = scene.job("card")
    train(job, spec=scene.spec(weights={"kind": "full", "freeze": 1, "layer_decay": 0.5}, epochs=1), home=scene.folder)

    assert "| weights | all of them, freeze 1, layer decay 0.5 |" in (job.path / MODEL / "README.md").read_text()
