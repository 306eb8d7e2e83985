"""Which weights are trained: every kind learns, goes on exactly after a break, and answers from disk as the trained network did."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tuneport_local.bases import weights as store
from tuneport_local.rows.prepared import CONVERSATIONS, prepare
from tuneport_local.training.train import TrainingSpec, train

from tuneport.dataset import Dataset
from tuneport.errors import RecipeError

from .breaks import killed, metric_at
from .joblog import MemoryJob, same_weights, spec_of, weights
from .tiny import save_tiny, write_chats, write_pairs

pytestmark = pytest.mark.train
STEPS = 6
KINDS: dict[str, dict[str, Any]] = {
    "rslora": {"lora": {"variant": "rslora"}},
    "dora": {"lora": {"variant": "dora", "dropout": 0.1}},
    "pissa": {"lora": {"variant": "pissa"}, "learning_rate": 0.005},
    "ia3": {"weights": {"kind": "ia3"}, "learning_rate": 0.05},
    "prompt": {"weights": {"kind": "prompt", "tokens": 5, "text": None}, "learning_rate": 0.05},
    "prompt with text": {"weights": {"kind": "prompt", "tokens": 7, "text": "Where is my card?"}, "learning_rate": 0.05},
    "prefix": {"weights": {"kind": "prefix", "tokens": 5}, "learning_rate": 0.05},
    "oft": {"weights": {"kind": "oft", "block": 8, "targets": "all-linear"}},
    "vera": {"weights": {"kind": "vera", "rank": 16, "targets": "all-linear"}, "learning_rate": 0.1},
    "ln": {"weights": {"kind": "ln"}, "learning_rate": 0.05},
}
RESUMED = ("dora", "pissa", "prompt", "prefix", "vera")
PREFERENCES = {"beta": 0.1, "loss": "sigmoid", "label_smoothing": 0.0}


class Scene:
    """A tiny base with rows of both kinds; each kind of weights is trained once, when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = save_tiny(folder / "base")
        self.chats = write_chats(folder / "chats.jsonl", 12)
        self.pairs = write_pairs(folder / "pairs.jsonl", 12)
        self._trained: dict[str, MemoryJob] = {}

    def spec(self, kind: str, **changes: Any) -> TrainingSpec:
        given: dict[str, Any] = {"checkpoint_every": 2, **KINDS.get(kind, {}), **changes}
        if given.get("method") == "dpo":
            return spec_of(self.base, self.pairs, validation=self.pairs, **PREFERENCES, **given)
        return spec_of(self.base, self.chats, validation=self.chats, **given)

    def trained(self, kind: str) -> MemoryJob:
        if kind not in self._trained:
            self._trained[kind] = self.job(kind)
            train(self._trained[kind], spec=self.spec(kind), home=self.folder)
        return self._trained[kind]

    def job(self, name: str) -> MemoryJob:
        return MemoryJob(self.folder / name.replace(" ", "-"))

    def loss(self, adapter: Path) -> float:
        """Per learned token of the rows, as the base with that adapter has it from disk, by the code that evaluates and answers."""
        from tuneport_local.bases.generation import log_probabilities

        loaded = store.load(str(self.base), home=self.folder, adapter=adapter)
        numbered = Dataset.read(self.chats, format="chat").numbered()
        rows = prepare(numbered, loaded.tokenizer, kind=CONVERSATIONS, max_length=512, too_long="refuse", name="rows").rows
        found = list(log_probabilities(loaded.model, loaded.tokenizer, rows))
        return -sum(total for total, _ in found) / sum(tokens for _, tokens in found)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("scene"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_learns_and_says_from_disk_what_it_said_at_the_end_of_the_training(scene: Scene, kind: str) -> None:
    losses = scene.trained(kind).losses()

    assert losses[STEPS, "eval_loss"] < losses[3, "eval_loss"] < losses[1, "loss"]
    assert scene.loss(scene.trained(kind).adapter) == pytest.approx(losses[STEPS, "eval_loss"], abs=2e-5)


@pytest.mark.parametrize("kind", RESUMED)
def test_a_resumed_training_gives_the_same_adapter_to_the_bit(scene: Scene, kind: str) -> None:
    broken, spec = scene.job(f"{kind} broken"), scene.spec(kind)
    killed(broken, spec, scene.folder, at=metric_at(3))

    train(broken, spec=spec, home=scene.folder)

    assert broken.said("resuming at step 2")
    assert same_weights(broken, scene.trained(kind))
    assert broken.losses() == scene.trained(kind).losses()


@pytest.mark.parametrize("kind", ["pissa", "prefix"])
def test_a_checkpoint_answers_from_the_base_as_it_is(scene: Scene, kind: str) -> None:
    newest = sorted(scene.trained(kind).checkpoints.glob("step-*"))[-1]

    assert scene.loss(newest) == pytest.approx(scene.trained(kind).losses()[STEPS, "eval_loss"], abs=2e-5)


@pytest.mark.parametrize("kind", ["pissa", "ia3", "prompt", "prefix", "oft", "vera", "ln", "dora"])
def test_preferences_are_learned_with_every_kind(scene: Scene, kind: str) -> None:
    job = scene.job(f"{kind} preferences")

    train(job, spec=scene.spec(kind, method="dpo", epochs=3), home=scene.folder)

    readings = [values for _, values in job.metrics if "eval_loss" in values]
    assert readings[-1]["eval_loss"] < readings[0]["eval_loss"]
    if kind not in ("prompt", "prefix"):  # these differ from the base before the first step
        assert job.losses()[1, "loss"] == pytest.approx(0.6931, abs=1e-3)


def test_pissa_is_written_as_a_plain_adapter_of_twice_the_rank(scene: Scene) -> None:
    config = json.loads((scene.trained("pissa").adapter / "adapter_config.json").read_text())

    assert (config["r"], config["lora_alpha"], config["init_lora_weights"]) == (8, 16.0, True)


def test_a_tuned_prompt_names_no_folder_of_the_machine_that_trained_it(scene: Scene) -> None:
    config = json.loads((scene.trained("prompt with text").adapter / "adapter_config.json").read_text())

    assert (config["tokenizer_name_or_path"], config["prompt_tuning_init_text"]) == (None, None)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("dora", "| LoRA | rank 4, alpha 8, dropout 0.1, all-linear, dora |"),
        ("ia3", "| ia3 | as it is usual |"),
        ("prompt with text", "| prompt | tokens 7, text Where is my card? |"),
        ("oft", "| oft | block 8, targets all-linear |"),
    ],
)
def test_the_card_says_what_was_trained(scene: Scene, kind: str, words: str) -> None:
    assert words in (scene.trained(kind).adapter / "README.md").read_text()


def test_rows_are_padded_where_learned_tokens_stand_before_each_of_them(scene: Scene) -> None:
    assert scene.trained("prompt").said("batches padded to their longest row: each row has learned tokens before it")
    assert scene.trained("ia3").said("batches without padding")


@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ({"kind": "oft", "block": 24, "targets": "all-linear"}, "weights.block 24 does not divide the inputs of"),
        ({"kind": "vera", "rank": 8, "targets": ["no_such_layer"]}, r"weights.targets \['no_such_layer'\] name no layer of"),
    ],
)
def test_settings_that_the_model_has_no_place_for_are_refused_with_its_names(scene: Scene, weights: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        train(scene.job(f"refused {weights['kind']}"), spec=scene.spec("ia3", weights=weights), home=scene.folder)


# --- noise on the embeddings --------------------------------------------------------------------------------------------------------------


def test_noise_on_the_embeddings_changes_the_training_not_the_validation_and_is_repeated_exactly(scene: Scene) -> None:
    plain, noisy, broken = scene.job("plain"), scene.job("noisy"), scene.job("noisy broken")
    spec = scene.spec("plain", neftune_alpha=5.0)
    train(plain, spec=scene.spec("plain"), home=scene.folder)
    train(noisy, spec=spec, home=scene.folder)
    killed(broken, spec, scene.folder, at=metric_at(3))
    train(broken, spec=spec, home=scene.folder)

    assert not same_weights(plain, noisy)
    assert same_weights(noisy, broken)
    assert noisy.losses()[STEPS, "eval_loss"] < noisy.losses()[3, "eval_loss"] < noisy.losses()[1, "loss"]
    assert scene.loss(noisy.adapter) == pytest.approx(noisy.losses()[STEPS, "eval_loss"], abs=2e-5)
    assert noisy.said("the noise on the embeddings is measured by a row's length")


# --- a base in few bits -------------------------------------------------------------------------------------------------------------------


needs_bitsandbytes = pytest.mark.skipif(find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed")


@needs_bitsandbytes
@pytest.mark.parametrize("bits", [4, 8])
def test_a_base_in_few_bits_is_trained_on_and_its_adapter_goes_onto_the_base_as_it_is(scene: Scene, bits: int) -> None:
    whole, broken = scene.job(f"{bits} bits"), scene.job(f"{bits} bits broken")
    spec = scene.spec("plain", lora={"quantize": bits})
    train(whole, spec=spec, home=scene.folder)
    killed(broken, spec, scene.folder, at=metric_at(3))
    train(broken, spec=spec, home=scene.folder)

    losses = whole.losses()
    assert losses[STEPS, "eval_loss"] < losses[3, "eval_loss"] < losses[1, "loss"]
    assert same_weights(whole, broken)
    assert scene.loss(whole.adapter) == pytest.approx(losses[STEPS, "eval_loss"], abs=0.1)
    assert f"base in {bits} bits" in (whole.adapter / "README.md").read_text()


@needs_bitsandbytes
def test_every_adapter_on_a_base_in_few_bits_gets_its_gradient(scene: Scene) -> None:
    """In the first step only lora_B learns, and all of them do."""
    job = scene.job("gradients")
    train(job, spec=scene.spec("plain", lora={"quantize": 4}, checkpoint_every=1, epochs=1), home=scene.folder)

    assert all(bool(found.any()) for name, found in weights(job).items() if "lora_B" in name)
