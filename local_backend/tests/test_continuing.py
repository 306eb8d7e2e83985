"""Training on from a tune: the same adapter over the same base, its files with the job, and a sentence where that cannot be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tuneport_local import provider
from tuneport_local.adapter import LocalTrainer
from tuneport_local.jobs.folder import JobFolder
from tuneport_local.training.train import TrainingSpec, train

from tuneport.errors import RecipeError, TuneportError, UnknownModel, Unsupported
from tuneport.job import JobState
from tuneport.provider import Capability, ProviderSettings
from tuneport.recipe import DPO, SFT, Recipe
from tuneport.tuned_weights import IA3, Full, LoRA, PrefixTuning

from .tiny import save_tiny, write_chats, write_pairs

pytestmark = pytest.mark.train
OPTIONS = {"local": {"device": "cpu", "precision": "fp32", "checkpoint_every": 2}}


class Home:
    """A home with a base, rows, and jobs that are trained in this process, from their own folders as a worker would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = save_tiny(folder / "base")
        self.chats = write_chats(folder / "chats.jsonl", 8)
        self.pairs = write_pairs(folder / "pairs.jsonl", 8)
        opened = provider.open_trainer(ProviderSettings("local", folder, profile={"calibrate": False}))
        assert isinstance(opened, LocalTrainer)
        self.trainer = opened
        self.first = self.trained("f1" * 16, self.recipe(str(self.base), lora=LoRA(rank=4)))

    def recipe(self, base: str, *, train: Path | None = None, method: Any = SFT, seed: int = 0, **settings: Any) -> Recipe:
        given = {"epochs": 2, "batch_size": 4, "learning_rate": 0.01, **settings}
        return Recipe(base=base, train=train or self.chats, method=method(**given), seed=seed, options=OPTIONS)

    def made(self, job_id: str, recipe: Recipe) -> JobFolder:
        """The job's folder as `create` leaves it, without a worker."""
        plan = self.trainer.plan(recipe)
        files = {file.purpose: self.trainer.upload(file) for file in plan.files}
        folder, _ = self.trainer._jobs.make(job_id, self.trainer._recipe_file(plan, job_id, files), self.trainer._paths(files))
        return folder

    def trained(self, job_id: str, recipe: Recipe) -> JobFolder:
        folder = self.made(job_id, recipe)
        folder.phase(JobState.STARTING)
        train(folder, spec=TrainingSpec.from_dict(folder.recipe()), home=self.folder)
        folder.phase(JobState.SUCCEEDED)
        return folder


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("home"))


def losses(folder: JobFolder) -> list[float]:
    return [metric.values["loss"] for metric in folder.metrics() if "loss" in metric.values]


def rank_of(folder: JobFolder) -> int:
    return int(json.loads((folder.adapter / "adapter_config.json").read_text())["r"])


def test_an_adapter_is_trained_on_where_it_stood_and_outlives_the_job_it_came_from(home: Home) -> None:
    earlier = home.trained("e1" * 16, home.recipe(str(home.base), lora=LoRA(rank=4)))
    job = home.made("c1" * 16, home.recipe("local:" + earlier.id[:8]))
    shutil.rmtree(earlier.path)
    train(job, spec=TrainingSpec.from_dict(job.recipe()), home=home.folder)

    assert losses(job)[-1] < losses(job)[0] < losses(home.first)[0]
    assert losses(job)[-1] < losses(home.first)[-1]
    assert rank_of(job) == 4
    recipe, run = job.recipe(), json.loads((job.path / "run.json").read_text())
    assert (recipe["base"], recipe["continues"], run["continues"]) == (str(home.base), f"local:{earlier.id}", f"local:{earlier.id}")
    assert recipe["hyperparameters"]["lora"]["rank"] == 4


@pytest.mark.parametrize("name", ["the job", "its checkpoint", "a folder"])
def test_what_is_trained_on_has_many_names(home: Home, name: str, tmp_path: Path) -> None:
    shutil.copytree(home.first.adapter, tmp_path / "copy")
    shutil.copy(home.first.path / "run.json", tmp_path / "copy" / "run.json")
    names = {"the job": home.first.id, "its checkpoint": f"local:{home.first.id}@2", "a folder": str(tmp_path / "copy")}

    plan = home.trainer.plan(home.recipe(names[name]))

    assert plan.base == str(home.base)
    assert {file.purpose for file in plan.files} == {"train", "continued", "continued_settings"}
    assert any(note.startswith("goes on from local:") for note in plan.notes)


def test_going_on_from_another_adapter_is_another_plan_and_the_recipe_stays_as_it_was_given(home: Home) -> None:
    from_base, from_tune = (home.recipe(name) for name in (str(home.base), home.first.id))
    plan = home.trainer.plan(from_tune)

    assert home.trainer.support(Capability.CONTINUE)
    assert plan.fingerprint != home.trainer.plan(from_base).fingerprint
    assert plan.recipe == from_tune.to_dict()
    assert plan.recipe_fingerprint == from_tune.fingerprint


def test_preferences_are_learned_as_compared_with_the_adapter_that_is_trained_on(home: Home) -> None:
    """At the first step nothing has changed yet, so that every reward is 0; as compared with the bare base it would not be."""
    job = home.trained("d1" * 16, home.recipe(home.first.id, train=home.pairs, method=DPO))

    assert losses(job)[0] == pytest.approx(0.6931, abs=1e-3)
    assert losses(job)[-1] < 0.69
    assert not [path for path in job.adapter.iterdir() if path.is_dir()]


@pytest.mark.parametrize("weights", [PrefixTuning(tokens=4), IA3()])
def test_other_kinds_are_trained_on_as_well(home: Home, weights: Any) -> None:
    number = weights.kind[:2].encode().hex()
    first = home.trained((number * 16)[:32], home.recipe(str(home.base), weights=weights, learning_rate=0.05))
    job = home.trained((number * 16)[:31] + "e", home.recipe(first.id, learning_rate=0.05))

    assert losses(job)[0] < losses(first)[0]
    assert job.recipe()["hyperparameters"]["weights"]["kind"] == weights.kind


def test_a_whole_model_is_the_base_of_the_next_job(home: Home) -> None:
    first = home.trained("aa" * 16, home.recipe(str(home.base), weights=Full()))

    plan = home.trainer.plan(home.recipe(f"local:{first.id}"))

    assert plan.base == str(first.path / "model")
    assert [file.purpose for file in plan.files] == ["train"]
    assert f"goes on from local:{first.id}: all of it is the base" in plan.notes


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"lora": LoRA(rank=8)}, "the recipe asks for rank 8, and local:f1f1.* has 4"),
        ({"lora": LoRA(variant="dora")}, "the recipe asks for variant dora, and local:f1f1.* has plain"),
        ({"weights": IA3()}, "the recipe asks for weights 'ia3', and local:f1f1.* is an adapter of kind 'lora'"),
    ],
)
def test_a_recipe_that_asks_for_another_adapter_is_refused_with_both(home: Home, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words):
        home.trainer.plan(home.recipe(home.first.id, **settings))


def test_a_recipe_that_asks_for_the_adapter_as_it_is_is_taken(home: Home) -> None:
    assert home.trainer.plan(home.recipe(home.first.id, lora=LoRA(rank=4, alpha=8))).base == str(home.base)


def damaged(folder: Path) -> None:
    path = folder / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])


def without_weights(folder: Path) -> None:
    (folder / "adapter_model.safetensors").unlink()


def with_a_head(folder: Path) -> None:
    (folder / "head.json").write_text("{}")


def of_a_kind_of_its_own(folder: Path) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "peft_type": "LOHA"}))


@pytest.mark.parametrize(
    ("spoil", "error", "words"),
    [
        (damaged, UnknownModel, r"adapter_model\.safetensors is damaged: it has \d+ bytes, and its header says"),
        (without_weights, UnknownModel, "holds no adapter_model.safetensors"),
        (with_a_head, Unsupported, "has a head of its own"),
        (of_a_kind_of_its_own, Unsupported, "is an adapter of kind LOHA"),
    ],
)
def test_what_cannot_be_trained_on_is_refused_in_a_sentence(
    home: Home, spoil: Any, error: type[TuneportError], words: str, tmp_path: Path
) -> None:
    shutil.copytree(home.first.adapter, tmp_path / "copy")
    spoil(tmp_path / "copy")

    with pytest.raises(error, match=words):
        home.trainer.plan(home.recipe(str(tmp_path / "copy")))


def test_an_adapter_of_another_base_is_refused_before_the_first_step(home: Home, tmp_path: Path) -> None:
    shutil.copytree(home.first.adapter, tmp_path / "copy")
    path = tmp_path / "copy" / "adapter_config.json"
    (tmp_path / "copy" / "run.json").unlink()  # which knows better
    other = save_tiny(tmp_path / "other", layers=1)
    path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": str(other)}))
    job = home.made("bb" * 16, home.recipe(str(tmp_path / "copy")))

    with pytest.raises(UnknownModel, match=r"the adapter of local:.* does not fit .*other: they differ in .*layers\.1"):
        train(job, spec=TrainingSpec.from_dict(job.recipe()), home=home.folder)
    assert not losses(job)
