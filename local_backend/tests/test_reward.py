"""Reward models: a head on the base comes to score the better answer of a pair higher, and can be asked."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from tuneport_local.heads.head import Head, head_in
from tuneport_local.quiet import quiet
from tuneport_local.rows.pairs import render_pair
from tuneport_local.rows.rendering import Template
from tuneport_local.server import LocalServer
from tuneport_local.training.train import TrainingSpec, train

from tuneport.dataset import Dataset
from tuneport.errors import DatasetError, Unsupported
from tuneport.evaluate import Contender, evaluate
from tuneport.examples import ChatExample, LabelledExample, Message, PreferenceExample
from tuneport.job import JobState
from tuneport.provider import Generation, ProviderSettings

from .breaks import broken_off, killed, metric_at
from .joblog import MemoryJob, same_weights, spec_of
from .tiny import save_tiny, tiny_tokenizer, write_chats, write_pairs

STEPS = 12
CENTER = 0.01


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
        given: dict[str, Any] = {"validation": self.validation, "lora": {"dropout": 0.1}, "checkpoint_every": 4, "center": CENTER}
        return spec_of(self.base, self.rows, method="reward", **{**given, **changes})

    def job(self, name: str) -> MemoryJob:
        return MemoryJob(self.folder / name)

    @property
    def last_eval(self) -> dict[str, float]:
        return [values for _, values in self.whole.metrics if "eval_loss" in values][-1]

    @property
    def pairs(self) -> list[PreferenceExample]:
        return [row for row in Dataset.read(self.validation, format="canonical") if isinstance(row, PreferenceExample)]

    def server(self) -> LocalServer:
        return LocalServer(ProviderSettings(name="local", home=self.folder, environ={}))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp("scene"))


def plain_scores(scene: Scene) -> list[tuple[float, float]]:
    """Of both sides of the held-out pairs, by transformers and peft alone: the head over the last token that fills no batch."""
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification

    with quiet():
        base = AutoModelForSequenceClassification.from_pretrained(scene.base, num_labels=1)
        model = PeftModel.from_pretrained(base, str(scene.whole.adapter)).eval()
    tokenizer = tiny_tokenizer()
    template = Template.of(tokenizer)
    found = []
    for pair in scene.pairs:
        sides = render_pair(pair, tokenizer, template=template, line=1).sequences
        with torch.no_grad():
            better, worse = (float(model(torch.tensor([side.input_ids])).logits[0, 0]) for side in sides)
        found.append((better, worse))
    return found


# --- a run that is left alone ------------------------------------------------------------------------------------------------------------


@pytest.mark.train
def test_the_better_answers_of_held_out_pairs_come_to_be_scored_higher(scene: Scene) -> None:
    readings = [values for _, values in scene.whole.metrics if "eval_loss" in values]

    assert scene.outcome == "succeeded"
    assert scene.whole.losses()[1, "loss"] == pytest.approx(math.log(2), abs=0.05)  # a new head knows nothing
    assert readings[-1]["eval_loss"] < readings[0]["eval_loss"] < math.log(2)
    assert readings[-1]["eval_margin"] > readings[0]["eval_margin"] > 0
    assert readings[-1]["eval_pair_accuracy"] == 1.0


@pytest.mark.train
def test_what_is_said_of_held_out_pairs_is_what_plain_transformers_finds(scene: Scene) -> None:
    scores = plain_scores(scene)
    margins = [better - worse for better, worse in scores]
    centred = [CENTER * sum(pair) ** 2 for pair in scores]

    losses = [math.log1p(math.exp(-margin)) + away for margin, away in zip(margins, centred, strict=True)]
    assert scene.last_eval["eval_loss"] == pytest.approx(sum(losses) / 9, abs=1e-4)
    assert scene.last_eval["eval_margin"] == pytest.approx(sum(margins) / 9, abs=1e-4)


@pytest.mark.train
def test_the_head_lies_beside_the_adapter_and_the_card_says_what_was_measured(scene: Scene) -> None:
    from safetensors.torch import load_file

    card = (scene.whole.adapter / "README.md").read_text()

    assert head_in(scene.whole.adapter) == Head("reward", "text")
    assert any("score" in name for name in load_file(scene.whole.adapter / "adapter_model.safetensors"))
    assert "| validation pairs whose better answer has the higher score | 1.0000 |" in card
    assert "| center | 0.01 |" in card
    assert json.loads((scene.whole.path / "run.json").read_text())["metrics"]["eval_pair_accuracy"] == 1.0


# --- asked -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.train
def test_a_reward_model_scores_conversations_as_it_did_in_training(scene: Scene) -> None:
    server = scene.server()
    model = server.model(str(scene.whole.adapter))
    asked = [ChatExample(pair.prompt + side) for pair in scene.pairs for side in (pair.chosen, pair.rejected)]

    found = list(server.predict(model, asked, generation=Generation(), needs=frozenset({"scores"})))

    assert [answer.score for answer in found] == pytest.approx([score for pair in plain_scores(scene) for score in pair], abs=1e-4)
    assert server.gives_of(model) == {"scores"}


@pytest.mark.train
def test_an_evaluation_on_pairs_gives_the_share_of_better_answers_scored_higher_and_compares_it_with_a_language_model(
    scene: Scene,
) -> None:
    server = scene.server()
    tuned = Contender("tuned", server.model(str(scene.whole.adapter)), server)
    base = Contender("base", server.model(str(scene.base)), server)

    found = evaluate(tuned, scene.pairs, against=[base], metrics=["preference_accuracy"], resamples=200)

    assert found.metrics == {"preference_accuracy": 1.0}
    assert found.comparisons[0].metrics["preference_accuracy"] is not None
    assert evaluate(tuned, scene.pairs, resamples=200).metrics["preference_accuracy"] == 1.0


@pytest.mark.train
@pytest.mark.parametrize(
    ("row", "said"),
    [
        (LabelledExample("Where is my card?", label="late"), "row 1: a reward model scores conversations that end with an answer"),
        (ChatExample((Message("user", "Where is my card?"),)), "row 1: the row does not end with an answer of the assistant"),
    ],
)
def test_what_is_no_conversation_with_an_answer_is_not_scored(scene: Scene, row: Any, said: str) -> None:
    server = scene.server()
    model = server.model(str(scene.whole.adapter))

    with pytest.raises(DatasetError, match=said):
        list(server.predict(model, [row], generation=Generation(), needs=frozenset({"scores"})))
    with pytest.raises(Unsupported):
        list(server.chat(model, [Message("user", "hello")], generation=Generation()))


# --- breaks ------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.train
@pytest.mark.parametrize("moment", [metric_at(5), metric_at(6, "eval_loss")], ids=["between checkpoints", "after a validation"])
def test_a_killed_run_goes_on_to_the_very_weights_of_an_unbroken_one(scene: Scene, moment: Any, request: pytest.FixtureRequest) -> None:
    job = scene.job(f"killed {request.node.callspec.id}")

    killed(job, scene.spec(), scene.folder, at=moment)

    assert train(job, spec=scene.spec(), home=scene.folder) == "succeeded"
    assert job.losses() == scene.whole.losses()
    assert same_weights(job, scene.whole)


@pytest.mark.train
def test_a_paused_run_goes_on_as_if_it_had_not_and_a_cancelled_one_keeps_a_checkpoint_with_its_head(scene: Scene) -> None:
    job = scene.job("paused")
    broken_off(job, scene.spec(), scene.folder, wish="pause", at=metric_at(6))
    job.wished = lambda: "cancel"
    assert train(job, spec=scene.spec(), home=scene.folder) == "cancelled"
    kept = sorted(job.checkpoints.glob("step-*/complete.json"))[-1].parent
    assert head_in(kept) == Head("reward", "text")
    job.wished = lambda: "run"

    assert train(job, spec=scene.spec(), home=scene.folder) == "succeeded"
    assert job.losses() == scene.whole.losses()
    assert same_weights(job, scene.whole)


# --- other weights, other rows -----------------------------------------------------------------------------------------------------------


@pytest.mark.train
def test_all_weights_of_a_reward_model_can_be_trained_and_it_answers_by_itself(scene: Scene) -> None:
    job = scene.job("full")

    assert train(job, spec=scene.spec(weights={"kind": "full"}, learning_rate=0.003), home=scene.folder) == "succeeded"

    last = [values for _, values in job.metrics if "eval_loss" in values][-1]
    assert last["eval_pair_accuracy"] == 1.0
    server = scene.server()
    model = server.model(str(job.path / "model"))
    found = evaluate(Contender("tuned", model, server), scene.pairs, metrics=["preference_accuracy"], resamples=100)
    assert found.metrics["preference_accuracy"] == 1.0


@pytest.mark.train
def test_rows_of_another_kind_are_refused_before_the_model_is_loaded(scene: Scene) -> None:
    rows = scene.folder / "chats.jsonl"
    Dataset.read(write_chats(scene.folder / "openai.jsonl", 3)).write(rows, format="canonical")
    job = scene.job("other rows")

    with pytest.raises(DatasetError, match="train data: line 1: a chat row; training on preferences needs"):
        train(job, spec=spec_of(scene.base, rows, method="reward", center=None), home=scene.folder)
    assert job.phases == [JobState.VALIDATING]
