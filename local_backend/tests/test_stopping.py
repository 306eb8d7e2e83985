"""When a training ends early, which weights it leaves, and what it says about learning by heart and running away."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from tuneport_local.adapter import LocalTrainer
from tuneport_local.training.course import WINDOW, Course
from tuneport_local.training.divergence import diverged
from tuneport_local.training.overfitting import overfitting
from tuneport_local.training.stopping import Rules
from tuneport_local.training.train import TrainingSpec, train

from tuneport.errors import JobFailed, RecipeError
from tuneport.recipe import Recipe

from .breaks import broken_off, event_says, killed, metric_at
from .joblog import Killed, MemoryJob, same_weights, spec_of, weights
from .tiny import save_tiny, tiny_model, tiny_tokenizer, write_chats, write_pairs
from .workers import open_trainer


def course(*validations: float, trained: float | None = None) -> Course:
    """Validations with these losses after each ten steps, over a training loss that falls evenly, or stays at `trained`."""
    found = Course()
    for number, loss in enumerate(validations, 1):
        for _ in range(10):
            found = found.stepped(2.0 / number if trained is None else trained)
        found = found.validated(10 * number, loss=loss, score=loss)
    return found


# --- early stopping ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("losses", "patience", "min_delta", "stops"),
    [
        ((3.0, 2.0, 2.5), 2, 0.0, False),
        ((3.0, 2.0, 2.5, 2.4), 2, 0.0, True),
        ((3.0, 2.0, 2.5, 1.9), 2, 0.0, False),
        ((3.0, 2.0, 2.0), 1, 0.0, True),
        ((3.0, 2.99, 2.98), 2, 0.05, True),
        ((3.0, 2.97, 2.94), 2, 0.05, False),
        ((3.0,), 1, 0.0, False),
        ((), 1, 0.0, False),
    ],
)
def test_a_run_ends_after_so_many_validations_without_a_better_one(
    losses: tuple[float, ...], patience: int, min_delta: float, stops: bool
) -> None:
    assert bool(Rules(patience=patience, min_delta=min_delta).enough(course(*losses))) is stops


def test_without_early_stopping_it_goes_on() -> None:
    assert Rules().enough(course(1.0, 2.0, 3.0, 4.0)) == ""


def test_where_more_is_better_the_highest_validation_is_the_best_and_is_told_as_it_is() -> None:
    rules, found = Rules(patience=1, judged_by="reward", higher_is_better=True), Course()
    for step, reward in ((10, 0.2), (20, 0.5), (30, 0.4)):
        found = found.validated(step, loss=0.0, score=rules.score({"loss": 0.0, "reward": reward}))

    assert found.best is not None
    assert found.best.step == 20
    assert rules.enough(found).endswith("the best was reward 0.5000 at step 20")


def test_what_was_measured_comes_back_from_a_checkpoint_and_from_one_of_before() -> None:
    known = course(3.0, 2.0)

    assert Course.of(json.loads(json.dumps(known.to_dict()))) == known
    old = Course.of({}, eval_losses=[[6, 2.0], [12, 1.5]])
    assert [(each.step, each.loss) for each in old.validations] == [(6, 2.0), (12, 1.5)]


@pytest.mark.parametrize("setting", [{"early_stopping": {}}, {"keep": "best"}])
def test_what_only_a_validation_can_decide_is_refused_without_rows_for_one(setting: dict[str, Any], tmp_path: Path) -> None:
    rows = write_chats(tmp_path / "rows.jsonl")
    recipe = Recipe.parse({"base": "x", "train": str(rows), "method": {"kind": "sft", **setting}})

    with pytest.raises(RecipeError, match=r"(early_stopping|keep = 'best') needs validation rows, and the recipe names none"):
        open_trainer(tmp_path).estimate(recipe)


def test_recipes_that_say_nothing_new_keep_their_plan(tmp_path: Path) -> None:
    from tuneport_local.plans.planning import hyperparameters

    plain = hyperparameters(Recipe.parse({"base": "x", "train": str(write_chats(tmp_path / "rows.jsonl"))}), provider="local")

    assert not {"early_stopping", "keep", "checkpoints_kept", "forgetting"} & plain.keys()


# --- words -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("losses", [(3.0, 2.0, 2.3), (3.0, 2.0, 2.1, 2.12)])
def test_a_validation_that_gets_worse_while_the_training_loss_falls_is_told(losses: tuple[float, ...]) -> None:
    found = overfitting(course(*losses))

    assert found is not None
    assert "the validation loss was best at step 20 (2.0000)" in found.sentence
    assert f"% higher at step {10 * len(losses)}" in found.sentence


@pytest.mark.parametrize("losses", [(3.0, 2.0), (3.0, 2.0, 2.1), (2.0,), (), (3.0, 2.0, 2.01, 2.02, 2.03), (3.0, 2.0, 2.1, 1.9)])
def test_a_little_up_and_down_is_not_called_overfitting(losses: tuple[float, ...]) -> None:
    assert overfitting(course(*losses)) is None


def test_a_validation_that_gets_worse_with_the_training_is_not_called_overfitting() -> None:
    assert overfitting(course(3.0, 2.0, 2.9, trained=2.0)) is None


def run_of(losses: Any) -> str:
    """The first thing that is said of these losses."""
    found = Course()
    for loss in losses:
        found = found.stepped(loss)
        if what := diverged(found, beginning=2):
            return f"{what} (step {len(found.first)} or later)"
    return ""


def test_a_loss_that_goes_up_and_stays_there_is_told_with_its_numbers() -> None:
    assert run_of([3.0, 3.1, *[9.0] * 30]).startswith("the loss rose from 3.1 at the beginning to above 9 in the last 20 steps")
    assert run_of([3.0] * 3 + [0.5] * 30 + [4.9] * 30).startswith("the loss had come down from 3 to 0.5 and is above 4.9")


@pytest.mark.parametrize("seed", range(5))
def test_noise_bad_rows_and_a_slow_start_are_no_divergence(seed: int) -> None:
    """Rows of very different difficulty, a tenth of them far out, and a loss that first goes up while the rate warms up."""
    dice = random.Random(seed)
    noisy = [dice.lognormvariate(0.5, 0.8) + (12.0 if dice.random() < 0.1 else 0.0) for _ in range(3000)]
    warming = [3.0 + min(step, 40) * 0.05 - max(0, step - 40) * 0.01 for step in range(300)]

    assert run_of([3.0, 3.0, *noisy]) == ""
    assert run_of(warming) == ""
    assert run_of([0.69] * 5 + [dice.gauss(0.4, 0.3) for _ in range(1000)]) == ""  # preferences
    assert run_of([dice.gauss(0.0, 0.5) for _ in range(1000)]) == ""  # reinforcement: around nothing


def test_a_few_steps_far_up_are_not_enough() -> None:
    assert run_of([3.0] * 30 + [50.0] * (WINDOW // 2) + [3.0] * 30) == ""


# --- real runs ---------------------------------------------------------------------------------------------------------------------------


class Scene:
    """A tiny base, and validation rows that are answered otherwise than those trained on: what holds for both is learned first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.base = save_tiny(folder / "base")
        self.rows = write_chats(folder / "train.jsonl", 12)
        self.validation = folder / "validation.jsonl"
        with self.validation.open("w") as file:
            for number, line in enumerate(self.rows.read_text().splitlines()):
                messages = json.loads(line)["messages"]
                messages[-1]["content"] = ("late", "Yes", "No", "Red")[number % 4]
                file.write(json.dumps({"messages": messages}) + "\n")
        self.whole = self.job("whole")
        train(self.whole, spec=self.spec(), home=folder)

    def spec(self, **changes: Any) -> TrainingSpec:
        given: dict[str, Any] = {
            "validation": self.validation,
            "epochs": 20,
            "checkpoint_every": 5,
            "eval_every": 2,
            "early_stopping": {"patience": 3, "min_delta": 0.0},
            "keep": "best",
            "lora": {"dropout": 0.1},
            **changes,
        }
        return spec_of(self.base, self.rows, **given)

    def job(self, name: str) -> MemoryJob:
        return MemoryJob(self.folder / name)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("scene"))


def validations(job: MemoryJob) -> dict[int, float]:
    return {step: value for (step, name), value in job.losses().items() if name == "eval_loss"}


def best_of(job: MemoryJob) -> int:
    found = validations(job)
    return min(found, key=lambda step: found[step])


@pytest.mark.train
def test_a_run_that_gets_no_better_ends_and_leaves_the_weights_of_its_best_validation(scene: Scene) -> None:
    found, best = validations(scene.whole), best_of(scene.whole)
    run = json.loads((scene.whole.path / "run.json").read_text())

    assert max(found) == best + 6 < 60, "three validations, two steps apart, after the best"
    assert run["ending"]["step"] == best
    assert run["ending"]["last_step"] == best + 6
    assert scene.whole.said(f"stopped early after step {best + 6}: 3 validations in a row did not better it")
    assert (
        f"| weights of | step {best} of {best + 6}: the best validation (loss {found[best]:.4f}) |"
        in (scene.whole.adapter / "README.md").read_text()
    )


@pytest.mark.train
def test_the_weights_that_are_left_give_the_very_loss_of_the_best_validation(scene: Scene, tmp_path: Path) -> None:
    plain = scene.job("as many steps as the best has")
    best = best_of(scene.whole)

    def stop(kind: str, what: Any) -> None:
        if kind == "event" and what == f"checkpoint step-{best:08}":
            raise Killed

    plain.after = stop
    with pytest.raises(Killed):
        train(plain, spec=scene.spec(early_stopping=None, keep="last", checkpoint_every=best), home=scene.folder)
    from safetensors.torch import load_file

    then = load_file(plain.checkpoints / f"step-{best:08}" / "adapter_model.safetensors")
    left = weights(scene.whole)
    assert then.keys() == left.keys()
    assert all(torch.equal(then[name], left[name]) for name in then)


@pytest.mark.train
def test_learning_by_heart_is_told_while_it_happens_and_in_the_card(scene: Scene) -> None:
    """Pairs of which the held-out ones want the very opposite."""
    job = scene.job("by heart")
    write_pairs(scene.folder / "pairs.jsonl", 8)
    opposite = [json.loads(line) for line in (scene.folder / "pairs.jsonl").read_text().splitlines()]
    turned = ({**pair, "chosen": pair["rejected"], "rejected": pair["chosen"]} for pair in opposite)
    (scene.folder / "opposite.jsonl").write_text("".join(f"{json.dumps(pair)}\n" for pair in turned))
    own = {"beta": 0.1, "loss": "sigmoid", "label_smoothing": 0.0}
    spec = spec_of(scene.base, scene.folder / "pairs.jsonl", validation=scene.folder / "opposite.jsonl", method="dpo", epochs=5, **own)

    train(job, spec=spec, home=scene.folder)

    card = (job.adapter / "README.md").read_text()
    told = [message for _, message in job.events if message.startswith("overfitting")]
    assert len(told) == 1
    assert "the validation loss was best at step 2 (" in told[0]
    assert "- Overfitting: the validation loss was best at step 2 (" in card
    assert "keep = 'best'" in card
    assert "step 10 of 10: the last step" in card


@pytest.mark.train
@pytest.mark.parametrize("limit", [1, 3])
def test_as_many_checkpoints_stay_as_were_asked_for_and_the_best_beside_them(scene: Scene, limit: int) -> None:
    job = scene.job(f"kept {limit}")
    train(job, spec=scene.spec(early_stopping=None, epochs=12, checkpoint_every=4, checkpoints_kept=limit), home=scene.folder)

    steps = sorted(int(path.name.removeprefix("step-")) for path in job.checkpoints.iterdir())
    assert steps == sorted({best_of(job), *[28, 32, 36][-limit:]})


@pytest.mark.train
@pytest.mark.parametrize("moment", ["after the best", "the best is measured", "told to stop", "the last checkpoint", "loading the best"])
def test_a_run_killed_anywhere_stops_at_the_same_step_with_the_same_weights(scene: Scene, moment: str) -> None:
    best = best_of(scene.whole)
    where = {
        "after the best": metric_at(best + 1, "loss"),
        "the best is measured": metric_at(best, "eval_loss"),
        "told to stop": event_says("stopped early"),
        "the last checkpoint": event_says(f"checkpoint step-{best + 6:08}"),
        "loading the best": event_says("left are the weights of step"),
    }[moment]
    job = scene.job(f"killed: {moment}")
    killed(job, scene.spec(), scene.folder, at=where)

    assert train(job, spec=scene.spec(), home=scene.folder) == "succeeded"
    assert job.losses() == scene.whole.losses()
    assert same_weights(job, scene.whole)
    endings = [json.loads((each.path / "run.json").read_text())["ending"] for each in (job, scene.whole)]
    assert endings[0] == endings[1]


@pytest.mark.train
@pytest.mark.parametrize("behind", [0, 2, 6])
def test_a_run_paused_before_or_in_a_validation_decides_as_if_it_had_not_been(scene: Scene, behind: int) -> None:
    step = best_of(scene.whole) + behind
    job = scene.job(f"paused {behind} behind the best")
    broken_off(job, scene.spec(), scene.folder, wish="pause", at=metric_at(step))

    assert train(job, spec=scene.spec(), home=scene.folder) == "succeeded"
    assert job.losses() == scene.whole.losses()
    assert same_weights(job, scene.whole)


@pytest.mark.train
def test_a_best_checkpoint_that_was_damaged_is_told_and_the_last_weights_are_left(scene: Scene) -> None:
    job, best = scene.job("best damaged"), best_of(scene.whole)

    def hurt(kind: str, what: Any) -> None:
        if event_says("stopped early")(kind, what):
            (job.checkpoints / f"step-{best:08}" / "adapter_model.safetensors").write_bytes(b"")

    job.after = hurt
    train(job, spec=scene.spec(), home=scene.folder)

    assert job.said("its adapter_model.safetensors is damaged")
    assert job.said(f"at step {best} are lost; those of the last step are left")
    assert json.loads((job.path / "run.json").read_text())["ending"]["step"] == best + 6


def teach(base: Path, rows: Path) -> Path:
    """All weights of the tiny base, until it knows the rows: then there is something to be lost."""
    from tuneport_local.quiet import quiet
    from tuneport_local.rows.rendering import Template, render

    from tuneport.dataset import Dataset

    model, tokenizer = tiny_model(), tiny_tokenizer()
    template = Template.of(tokenizer)
    rendered = [render(row, tokenizer, template=template, line=1) for row in Dataset.read(rows, format="chat")]  # type: ignore[arg-type]
    longest = max(len(row.input_ids) for row in rendered)
    ids = torch.tensor([[*row.input_ids, *[0] * (longest - len(row.input_ids))] for row in rendered])
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(150):
        model(ids, labels=ids.masked_fill(ids == 0, -100)).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    with quiet():
        model.save_pretrained(base)
        tokenizer.save_pretrained(base)
    return base


@pytest.fixture(scope="module")
def taught(scene: Scene) -> tuple[Path, Path]:
    """A base that knows some rows by heart, and the rows."""
    dice, words = (
        random.Random(0),
        ["card", "lost", "late", "hello", "world", "Red", "Blue", "one", "two", "three", "Yes", "No", "tiny", "Where", "You"],
    )
    rows = scene.folder / "answers.jsonl"
    asked = [[{"role": "user", "content": f"{n}"}, {"role": "assistant", "content": " ".join(dice.choices(words, k=12))}] for n in range(8)]
    rows.write_text("".join(json.dumps({"messages": messages}) + "\n" for messages in asked))
    return teach(scene.folder / "taught", rows), rows


@pytest.mark.train
def test_a_learning_rate_that_is_far_too_high_ends_the_run_with_the_numbers(taught: tuple[Path, Path], tmp_path: Path) -> None:
    base, rows = taught
    job = MemoryJob(tmp_path / "job")

    with pytest.raises(JobFailed, match=r"diverged: the loss rose from .*; it was stopped at step 2\d\..*lower it \(it was 0\.5\)"):
        train(job, spec=spec_of(base, rows, learning_rate=0.5, epochs=15, warmup_ratio=0.0, max_grad_norm=1e9), home=tmp_path)

    assert not job.adapter.exists()


@pytest.mark.train
def test_a_run_that_gained_nothing_on_its_own_rows_says_so(taught: tuple[Path, Path], tmp_path: Path) -> None:
    base, rows = taught
    job = MemoryJob(tmp_path / "job")

    train(job, spec=spec_of(base, rows, learning_rate=0.05, epochs=11, warmup_ratio=0.0, max_grad_norm=1e9), home=tmp_path)

    assert job.said("nothing was gained on the training rows themselves; the likely cause is the learning rate")
    assert "nothing was gained" in json.loads((job.path / "run.json").read_text())["ending"]["remarks"][0]


def test_models_show_says_of_which_step_the_weights_are(tmp_path: Path) -> None:
    from tuneport_local.jobs.folder import JobFolder
    from tuneport_local.jobs.tuned import model_of

    trainer = open_trainer(tmp_path)
    assert isinstance(trainer, LocalTrainer)
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps({"ending": {"step": 40, "last_step": 60, "why": "the best validation (loss 1.2)"}}))

    assert model_of(JobFolder(folder), provider="local").details == {"weights_of": "step 40 of 60: the best validation (loss 1.2)"}
