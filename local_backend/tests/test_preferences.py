"""Training on preferences: pairs become two sequences with one prompt, and the model comes to prefer the better answer."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tuneport_local.bases import weights as store
from tuneport_local.rows.pairs import render_pair
from tuneport_local.rows.prepared import PAIRS, notices, prepare
from tuneport_local.rows.rendering import Template
from tuneport_local.training.train import TrainingSpec, train

from tuneport.dataset import Dataset
from tuneport.errors import DatasetError, JobFailed, RecipeError
from tuneport.examples import ChatExample, Message, PreferenceExample, Tool, ToolCall
from tuneport.job import JobState

from .breaks import broken_off, killed, metric_at
from .joblog import MemoryJob, same_weights, spec_of, weights
from .tiny import CHATML_WITH_TOOLS, save_tiny, tiny_tokenizer, write_pairs

STEPS = 12
OWN = {"beta": 0.1, "loss": "sigmoid", "label_smoothing": 0.0}


class Scene:
    """A tiny base with pairs, a job for each name, and what an unbroken run gives."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = save_tiny(folder / "base")
        self.rows = write_pairs(folder / "train.jsonl", 22)
        self.validation = write_pairs(folder / "validation.jsonl", 9, first=100)
        self.whole = self.job("whole")
        self.outcome = train(self.whole, spec=self.spec(), home=folder)

    def spec(self, **changes: Any) -> TrainingSpec:
        given: dict[str, Any] = {"validation": self.validation, "lora": {"dropout": 0.1}, "checkpoint_every": 4, **OWN, **changes}
        return spec_of(self.base, self.rows, method="dpo", **given)

    def job(self, name: str) -> MemoryJob:
        return MemoryJob(self.folder / name)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("scene"))


def steps_of(job: MemoryJob) -> list[dict[str, float]]:
    return [values for _, values in job.metrics if "loss" in values]


def log_probability(model: Any, row: Any) -> float:
    """Of the learned tokens together, by plain transformers."""
    ids = torch.tensor([row.input_ids])
    with torch.no_grad():
        logs = model(ids).logits[0, :-1].float().log_softmax(-1)
    taken = logs.gather(1, ids[0, 1:, None])[:, 0]
    return float(taken[torch.tensor(row.loss_mask[1:])].sum())


def pair(prompt: str, better: str, worse: str, **more: Any) -> PreferenceExample:
    return PreferenceExample((Message("user", prompt),), (Message("assistant", better),), (Message("assistant", worse),), **more)


# --- what is trained on ------------------------------------------------------------------------------------------------------------------


def test_only_the_answers_are_learned_and_both_have_the_same_prompt_before_them() -> None:
    tokenizer = tiny_tokenizer()
    earlier = (Message("user", "Where is my card?"), Message("assistant", "late"), Message("user", "lost"))
    example = PreferenceExample(earlier, (Message("assistant", "Red"),), (Message("assistant", "Blue two"),))

    found = render_pair(example, tokenizer, template=Template.of(tokenizer), line=1)

    learned = [tokenizer.decode([t for t, m in zip(side.input_ids, side.loss_mask, strict=True) if m]) for side in found.sequences]
    prompts = [[t for t, m in zip(side.input_ids, side.loss_mask, strict=True) if not m] for side in found.sequences]
    assert learned == ["Red<|im_end|>", "Blue two<|im_end|>"]
    assert [tokenizer.decode(each).rstrip("\n") for each in prompts] == [tokenizer.decode(prompts[0]).rstrip("\n")] * 2
    assert "late" in tokenizer.decode(prompts[0])


def test_tools_stand_in_the_prompt_and_an_answer_may_call_one() -> None:
    tokenizer = tiny_tokenizer(template=CHATML_WITH_TOOLS)
    called = Message("assistant", None, (ToolCall("find_card", '{"late": true}'),))
    example = PreferenceExample((Message("user", "Where?"),), (called,), (Message("assistant", "No"),), (Tool("find_card", "finds"),))

    found = render_pair(example, tokenizer, template=Template.of(tokenizer), line=1)

    texts = [tokenizer.decode(side.input_ids) for side in found.sequences]
    assert all("<tools>" in text for text in texts)
    learned = [t for t, m in zip(found.chosen.input_ids, found.chosen.loss_mask, strict=True) if m]
    assert "find_card" in tokenizer.decode(learned)


def prepared(*examples: Any, too_long: Any = "refuse", max_length: int = 60) -> Any:
    return prepare(enumerate(examples, 3), tiny_tokenizer(), kind=PAIRS, max_length=max_length, too_long=too_long, name="pairs.jsonl")


def test_a_pair_of_which_one_side_is_too_long_is_refused_left_out_or_cut_as_a_whole_with_its_line() -> None:
    good, long = pair("one", "Red", "No"), pair("one", "Red", "No card " * 40)

    with pytest.raises(DatasetError, match=r"pairs\.jsonl: 1 row longer than 60 tokens: line 4"):
        prepared(good, long)
    assert prepared(good, long, too_long="drop").dropped == (4,)
    cut = prepared(good, long, too_long="truncate")
    assert (len(cut.rows), cut.truncated, cut.longest) == (2, (4,), 60)


def test_a_pair_whose_answers_are_cut_off_or_cut_to_the_same_is_left_out() -> None:
    good, long = pair("one", "Red", "No"), pair("Where is my card? " * 30, "Red", "No")

    assert prepared(good, long, too_long="truncate").dropped == (4,)
    same = prepared(good, pair("one", "Red", "Red"))
    assert same.masked == (4,)
    assert notices(same, name="pairs.jsonl", max_length=60, needed=PAIRS.needed) == [
        "pairs.jsonl: 1 row without anything to learn (no two different answers), left out: line 4"
    ]


def test_conversations_are_refused_by_their_line() -> None:
    with pytest.raises(DatasetError, match=r"pairs\.jsonl: line 3: a chat row; training on preferences needs a better and a worse answer"):
        prepared(ChatExample((Message("user", "one"), Message("assistant", "Red"))))


# --- a run that is left alone ------------------------------------------------------------------------------------------------------------


@pytest.mark.train
def test_the_loss_falls_and_held_out_pairs_come_to_be_preferred(scene: Scene) -> None:
    losses, readings = scene.whole.losses(), [values for _, values in scene.whole.metrics if "eval_loss" in values]

    assert scene.outcome == "succeeded"
    assert losses[1, "loss"] == pytest.approx(math.log(2), abs=1e-3)  # nothing is preferred yet, but for what dropout does
    assert losses[STEPS, "eval_loss"] < losses[6, "eval_loss"] < math.log(2)
    assert readings[-1]["eval_rewards/accuracies"] == 1.0
    assert readings[-1]["eval_rewards/margins"] > readings[0]["eval_rewards/margins"] > 0


@pytest.mark.train
def test_what_is_said_of_held_out_pairs_is_what_plain_transformers_finds(scene: Scene) -> None:
    tokenizer = tiny_tokenizer()
    base = store.load(str(scene.base), home=scene.folder)
    tuned = store.load(str(scene.base), home=scene.folder, adapter=scene.whole.adapter)
    margins = []
    for example in Dataset.read(scene.validation, format="canonical"):
        assert isinstance(example, PreferenceExample)
        sides = render_pair(example, tokenizer, template=Template.of(tokenizer), line=1).sequences
        better, worse = (log_probability(tuned.model, side) - log_probability(base.model, side) for side in sides)
        margins.append(0.1 * (better - worse))

    last = [values for _, values in scene.whole.metrics if "eval_loss" in values][-1]
    assert last["eval_rewards/margins"] == pytest.approx(sum(margins) / len(margins), abs=1e-4)
    assert last["eval_loss"] == pytest.approx(sum(math.log(1 + math.exp(-each)) for each in margins) / len(margins), abs=1e-4)


@pytest.mark.train
def test_every_step_is_told_with_rewards_and_learned_tokens(scene: Scene) -> None:
    readings = steps_of(scene.whole)
    numbered = Dataset.read(scene.rows, format="canonical").numbered()
    rows = prepare(numbered, tiny_tokenizer(), kind=PAIRS, max_length=512, too_long="refuse", name="rows")

    assert len(readings) == STEPS
    assert {"rewards/accuracies", "rewards/margins", "rewards/chosen", "rewards/rejected", "grad_norm"} <= set(readings[0])
    assert sum(reading["learned_tokens"] for reading in readings) == 2 * rows.trained_tokens
    assert readings[-1]["tokens"] == 2 * rows.tokens
    assert scene.whole.said("train data: 22 pairs")
    assert scene.whole.said("batches without padding")


@pytest.mark.train
def test_the_adapter_holds_no_copy_of_itself_and_the_card_says_what_was_done(scene: Scene) -> None:
    card = (scene.whole.adapter / "README.md").read_text()
    run = json.loads((scene.whole.path / "run.json").read_text())

    assert not [name for name in weights(scene.whole) if "ref" in name.split(".")]
    assert not (scene.whole.adapter / "ref").exists()
    for words in (
        "tags: [lora, dpo]",
        "prefer the better one",
        "22 pairs",
        "| beta | 0.1 |",
        "| loss | sigmoid |",
        "margin of their rewards",
    ):
        assert words in card
    assert run["metrics"]["eval_rewards/accuracies"] == 1.0
    assert (run["recipe"]["method"], run["recipe"]["own"]) == ("dpo", OWN)


@pytest.mark.train
@pytest.mark.parametrize(
    ("own", "at_first"),
    [
        ({"loss": "ipo"}, 25.0),
        ({"loss": "hinge"}, 1.0),
        ({"loss": "robust", "label_smoothing": 0.2}, math.log(2)),
        ({"beta": 0.5}, math.log(2)),
    ],
)
def test_each_loss_is_the_one_that_was_asked_for_and_falls(scene: Scene, own: dict[str, Any], at_first: float) -> None:
    """Before the first step both answers are as likely as in the base, so that each loss is known."""
    job = scene.job("-".join(map(str, own.values())))

    train(job, spec=scene.spec(**own, epochs=3, lora={"dropout": 0.0}), home=scene.folder)

    losses = job.losses()
    assert losses[1, "loss"] == pytest.approx(at_first, rel=1e-3)
    assert losses[18, "eval_loss"] < losses[6, "eval_loss"] < at_first
    assert not same_weights(job, scene.whole)


# --- breaks ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.train
@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(metric_at(2), id="before the first checkpoint"),
        pytest.param(metric_at(5), id="between checkpoints"),
        pytest.param(metric_at(6, "eval_loss"), id="after a validation"),
        pytest.param(lambda kind, what: kind == "phase" and what == JobState.FINALIZING, id="finalizing"),
    ],
)
def test_a_killed_run_goes_on_to_the_very_weights_of_an_unbroken_one(scene: Scene, moment: Any, request: pytest.FixtureRequest) -> None:
    job = scene.job(f"killed {request.node.callspec.id}")

    killed(job, scene.spec(), scene.folder, at=moment)

    assert train(job, spec=scene.spec(), home=scene.folder) == "succeeded"
    assert job.losses() == scene.whole.losses()
    assert same_weights(job, scene.whole)
    measured, whole = (json.loads((each.path / "run.json").read_text())["metrics"] for each in (job, scene.whole))
    assert {**measured, "tokens_per_second": 0} == {**whole, "tokens_per_second": 0}


@pytest.mark.train
@pytest.mark.parametrize("name", ["loss", "eval_loss"])
def test_a_paused_run_goes_on_as_if_it_had_not(scene: Scene, name: str) -> None:
    job = scene.job(f"paused at {name}")
    broken_off(job, scene.spec(), scene.folder, wish="pause", at=metric_at(6, name))

    assert train(job, spec=scene.spec(), home=scene.folder) == "succeeded"
    assert job.losses() == scene.whole.losses()
    assert same_weights(job, scene.whole)


@pytest.mark.train
def test_a_cancelled_run_keeps_a_checkpoint(scene: Scene) -> None:
    job = scene.job("cancelled")
    broken_off(job, scene.spec(), scene.folder, wish="cancel", at=metric_at(5))
    assert list(job.checkpoints.glob("step-*/complete.json"))
    assert not job.adapter.exists()


@pytest.mark.train
@pytest.mark.parametrize("changes", [{"gradient_checkpointing": True}, {"precision": "bf16"}])
def test_the_settings_of_a_run_are_followed(scene: Scene, changes: dict[str, Any]) -> None:
    job = scene.job(f"with {next(iter(changes))}")

    assert train(job, spec=scene.spec(**changes), home=scene.folder) == "succeeded"
    assert job.losses()[STEPS, "eval_loss"] == pytest.approx(scene.whole.losses()[STEPS, "eval_loss"], abs=0.02)


# --- failures ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.train
def test_a_loss_that_is_no_number_ends_the_run_and_names_the_step(scene: Scene, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    for path in scene.base.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    broken = load_file(tmp_path / "model.safetensors")
    broken["model.norm.weight"].fill_(float("nan"))
    save_file(broken, tmp_path / "model.safetensors", metadata={"format": "pt"})
    job = MemoryJob(tmp_path / "job")

    with pytest.raises(JobFailed, match="the loss became nan at step 1; the training was stopped there"):
        train(job, spec=spec_of(tmp_path, scene.rows, method="dpo", **OWN), home=tmp_path)
    assert not job.adapter.exists()


@pytest.mark.train
def test_pairs_over_the_limit_are_refused_before_the_model_is_loaded(scene: Scene) -> None:
    job = scene.job("too long")

    with pytest.raises(DatasetError, match=r"train data: .* rows longer than 50 tokens: lines"):
        train(job, spec=scene.spec(max_length=50), home=scene.folder)
    assert job.phases == [JobState.VALIDATING]


def test_a_recipe_without_the_settings_of_its_method_is_refused() -> None:
    with pytest.raises(RecipeError, match="does not describe a training run"):
        spec_of(Path("x"), Path("y"), method="dpo")
