"""ORPO and KTO: pairs without a reference, and single answers that are wanted or not."""

from __future__ import annotations

import importlib
import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tuneport_local.bases import weights as store
from tuneport_local.methods import trl_experimental
from tuneport_local.methods.batches import digest
from tuneport_local.methods.judged_batches import Judgements, columns_of
from tuneport_local.rows.judged import JUDGED, each_answer
from tuneport_local.rows.pairs import render_pair
from tuneport_local.rows.prepared import notices, prepare
from tuneport_local.rows.rendering import RenderedRow, Template
from tuneport_local.training.train import TrainingSpec, train

from tuneport.dataset import Dataset
from tuneport.errors import DatasetError, RecipeError, Unsupported
from tuneport.examples import ChatExample, Message, PreferenceExample
from tuneport.job import JobState

from .breaks import broken_off, killed, metric_at
from .joblog import MemoryJob, same_weights, spec_of
from .tiny import save_tiny, tiny_tokenizer, write_answers, write_pairs

OWN: dict[str, dict[str, Any]] = {
    "orpo": {"beta": 0.1},
    "kto": {"beta": 0.1, "desirable_weight": 1.0, "undesirable_weight": 1.0},
}
METHODS = tuple(OWN)
STEPS = 12
"""Of either: 22 pairs twice in batches of 4, and 23 answers twice, of which the last of an epoch go in alone."""


class Scene:
    """A tiny base with rows for a method, a job for each name, and what an unbroken run gives."""

    def __init__(self, folder: Path, method: str) -> None:
        write = write_pairs if method == "orpo" else write_answers
        self.folder, self.method = folder, method
        self.base = save_tiny(folder / "base")
        self.rows = write(folder / "train.jsonl", 22 if method == "orpo" else 21)
        self.validation = write(folder / "validation.jsonl", 9, first=100)
        self.whole = self.job("whole")
        self.outcome = train(self.whole, spec=self.spec(), home=folder)

    def spec(self, **changes: Any) -> TrainingSpec:
        given: dict[str, Any] = {"validation": self.validation, "lora": {"dropout": 0.1}, "checkpoint_every": 4, **OWN[self.method]}
        return spec_of(self.base, self.rows, method=self.method, **{**given, **changes})

    def job(self, name: str) -> MemoryJob:
        return MemoryJob(self.folder / name)

    @property
    def last_eval(self) -> dict[str, float]:
        return [values for _, values in self.whole.metrics if "eval_loss" in values][-1]


@pytest.fixture(scope="module", params=METHODS)
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return Scene(tmp_path_factory.mktemp(request.param), request.param)


def log_probability(model: Any, row: RenderedRow) -> float:
    """Of the learned tokens together, by plain transformers."""
    ids = torch.tensor([row.input_ids])
    with torch.no_grad():
        logs = model(ids).logits[0, :-1].float().log_softmax(-1)
    taken = logs.gather(1, ids[0, 1:, None])[:, 0]
    return float(taken[torch.tensor(row.loss_mask[1:])].sum())


def answer(prompt: str, said: str, *, wanted: bool | None) -> ChatExample:
    return ChatExample((Message("user", prompt), Message("assistant", said)), desirable=wanted)


def pair(prompt: str, better: str, worse: str) -> PreferenceExample:
    return PreferenceExample((Message("user", prompt),), (Message("assistant", better),), (Message("assistant", worse),))


def judged(*examples: Any, too_long: Any = "refuse", max_length: int = 60) -> Any:
    return prepare(enumerate(examples, 3), tiny_tokenizer(), kind=JUDGED, max_length=max_length, too_long=too_long, name="answers.jsonl")


# --- what is trained on ------------------------------------------------------------------------------------------------------------------


def test_of_a_marked_conversation_the_last_answer_alone_is_learned() -> None:
    tokenizer = tiny_tokenizer()
    turns = (Message("user", "Where is my card?"), Message("assistant", "late"), Message("user", "lost"), Message("assistant", "Red Blue"))

    (row,) = judged(ChatExample(turns, desirable=False), max_length=100).rows

    learned = [token for token, taken in zip(row.answers[0].input_ids, row.answers[0].loss_mask, strict=True) if taken]
    assert (tokenizer.decode(learned), row.wanted) == ("Red Blue<|im_end|>", (False,))


def test_a_pair_is_two_answers_one_wanted_and_one_not() -> None:
    tokenizer = tiny_tokenizer()

    found = each_answer(judged(pair("one", "Red", "No"), answer("two", "Blue", wanted=True))).rows

    assert [row.wanted for row in found] == [(True,), (False,), (True,)]
    learned = [[t for t, m in zip(row.answers[0].input_ids, row.answers[0].loss_mask, strict=True) if m] for row in found]
    assert [tokenizer.decode(each) for each in learned] == ["Red<|im_end|>", "No<|im_end|>", "Blue<|im_end|>"]
    assert [row.line for row in found] == [3, 3, 4]


def test_a_pair_of_which_one_answer_is_too_long_is_left_out_or_cut_as_a_whole() -> None:
    good, long = answer("one", "Red", wanted=True), pair("one", "Red", "No card " * 40)

    with pytest.raises(DatasetError, match=r"answers\.jsonl: 1 row longer than 60 tokens: line 4"):
        judged(good, long)
    assert judged(good, long, too_long="drop").dropped == (4,)
    cut = judged(good, long, too_long="truncate")
    assert (len(each_answer(cut).rows), cut.truncated, cut.longest) == (3, (4,), 60)
    same = judged(good, pair("one", "Red", "Red"))
    assert notices(same, name="rows", max_length=60, needed=JUDGED.needed) == [
        "rows: 1 row without anything to learn (no answer that can be learned), left out: line 4"
    ]


def test_the_mark_of_an_answer_is_part_of_what_a_checkpoint_is_for() -> None:
    one, other = (judged(answer("one", "Red", wanted=wanted)).rows for wanted in (True, False))

    assert digest(one) != digest(other)


@pytest.mark.parametrize(
    ("example", "said"),
    [
        (answer("one", "Red", wanted=None), "line 3: a chat row without its mark; method kto needs answers that are marked"),
        (ChatExample((Message("user", "one"),), desirable=True), "line 3: the row does not end with an answer of the assistant"),
    ],
)
def test_rows_that_are_no_judged_answers_are_refused_by_their_line(example: Any, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        judged(example)


def columns(*examples: Any) -> list[Any]:
    return [columns_of(row, number=number) for number, row in enumerate(each_answer(judged(*examples)).rows)]


def test_each_prompt_meets_the_answer_of_the_row_before_it_and_none_but_the_answer_is_learned() -> None:
    tokenizer = tiny_tokenizer()
    rows = columns(answer("one", "Red", wanted=True), answer("two", "Blue two", wanted=False), answer("three", "No", wanted=True))
    collate = Judgements(rows, longest=60)

    batch, alone = collate(rows[:2]), collate(rows[2:])

    def learned(batch: Any, prefix: str = "") -> list[str]:
        kept = zip(batch[f"{prefix}input_ids"], batch[f"{prefix}completion_mask"], strict=True)
        return [tokenizer.decode(ids[mask == 1]) for ids, mask in kept]

    def asked(batch: Any, prefix: str = "") -> list[str]:
        return [tokenizer.decode(ids).split("user\n")[1].split("<|im_end|>")[0] for ids in batch[f"{prefix}input_ids"]]

    assert (asked(batch), learned(batch)) == (["one", "two"], ["Red<|im_end|>", "Blue two<|im_end|>"])
    assert (asked(batch, "KL_"), learned(batch, "KL_")) == (["one", "two"], ["Blue two<|im_end|>", "Red<|im_end|>"])
    assert batch["label"].tolist() == [True, False]
    assert (asked(alone, "KL_"), learned(alone, "KL_")) == (["three"], ["Blue two<|im_end|>"])


def test_a_prompt_with_another_rows_answer_is_no_longer_than_a_row_may_be() -> None:
    rows = columns(answer("Where is my card?", "Red", wanted=True), answer("two", "No card " * 6, wanted=False))
    longest = max(len(row["prompt"]) + len(row["answer"]) for row in rows)

    whole, bounded = (Judgements(rows, longest=most)(rows)["KL_input_ids"].shape[1] for most in (1000, longest))

    assert bounded == longest < whole


# --- a run that is left alone ------------------------------------------------------------------------------------------------------------


@pytest.mark.train
def test_the_loss_falls_and_held_out_answers_come_to_be_preferred(scene: Scene) -> None:
    losses, readings = scene.whole.losses(), [values for _, values in scene.whole.metrics if "eval_loss" in values]

    assert scene.outcome == "succeeded"
    assert losses[STEPS, "eval_loss"] < losses[6, "eval_loss"]
    assert readings[-1]["eval_rewards/margins"] > readings[0]["eval_rewards/margins"] > 0
    if scene.method == "orpo":
        assert readings[-1]["eval_rewards/accuracies"] == 1.0
        assert readings[-1]["eval_logps/chosen"] > readings[0]["eval_logps/chosen"]  # the better answers are learned, too
    else:
        assert losses[1, "loss"] == pytest.approx(0.5, abs=0.01)  # nothing is preferred yet, but for what dropout does
        assert readings[-1]["eval_rewards/chosen"] > 0 > readings[-1]["eval_rewards/rejected"]


@pytest.mark.train
def test_every_step_is_told_and_what_is_learned_is_every_answer_once_an_epoch(scene: Scene) -> None:
    from tuneport_local.methods.objectives import OBJECTIVES

    readings = [values for _, values in scene.whole.metrics if "learned_tokens" in values]
    objective = OBJECTIVES[scene.method]
    numbered = Dataset.read(scene.rows, format="canonical").numbered()
    rows = prepare(numbered, tiny_tokenizer(), kind=objective.kind, max_length=512, too_long="refuse", name="rows")

    assert len(readings) == STEPS
    assert {"rewards/chosen", "rewards/margins", "grad_norm"} <= set(readings[0])
    assert sum(reading["learned_tokens"] for reading in readings) == 2 * rows.trained_tokens
    assert readings[-1]["tokens"] == 2 * rows.tokens
    assert scene.whole.said("22 pairs" if scene.method == "orpo" else "23 answers")


@pytest.mark.train
def test_what_is_said_of_held_out_rows_is_what_plain_transformers_finds(scene: Scene) -> None:
    base = store.load(str(scene.base), home=scene.folder)
    tuned = store.load(str(scene.base), home=scene.folder, adapter=scene.whole.adapter)
    tokenizer = tiny_tokenizer()
    if scene.method == "orpo":
        wanted = odds_ratio_loss(tuned.model, tokenizer, scene.validation)
    else:
        wanted = judged_loss(tuned.model, base.model, tokenizer, scene.validation, part=4)

    assert scene.last_eval["eval_loss"] == pytest.approx(wanted, abs=2e-4)


def odds_ratio_loss(model: Any, tokenizer: Any, file: Path) -> float:
    """Equation 6 of the paper over answers alone, by pairs."""
    losses = []
    for example in Dataset.read(file, format="canonical"):
        assert isinstance(example, PreferenceExample)
        sides = render_pair(example, tokenizer, template=Template.of(tokenizer), line=1).sequences
        better, worse = (log_probability(model, side) / side.trained_tokens for side in sides)
        odds = [each - math.log1p(-math.exp(each)) for each in (better, worse)]
        losses.append(-better + 0.1 * math.log1p(math.exp(odds[1] - odds[0])))
    return sum(losses) / len(losses)


def judged_loss(tuned: Any, base: Any, tokenizer: Any, file: Path, *, part: int) -> float:
    """Equations 7 and 8 of the paper, with the divergence of each part of a validation."""
    numbered = Dataset.read(file, format="canonical").numbered()
    rows = each_answer(prepare(numbered, tokenizer, kind=JUDGED, max_length=512, too_long="refuse", name="rows")).rows
    cut = [columns_of(row, number=number) for number, row in enumerate(rows)]
    ordered = sorted(cut, key=lambda row: len(row["prompt"]) + len(row["answer"]))

    def moved(prompt: Any, said: Any) -> float:
        mask = (*[False] * len(prompt["prompt"]), *map(bool, said["learned"]))
        row = RenderedRow((*prompt["prompt"], *said["answer"]), mask, 1)
        return log_probability(tuned, row) - log_probability(base, row)

    losses = []
    for start in range(0, len(ordered), part):
        some = ordered[start : start + part]
        others = [some[place - 1] for place in range(len(some))] if len(some) > 1 else [cut[some[0]["number"] - 1]]
        away = max(0.0, sum(moved(one, other) for one, other in zip(some, others, strict=True)) / len(some))
        for one in some:
            ahead = moved(one, one) - away if one["wanted"] else away - moved(one, one)
            losses.append(1 - 1 / (1 + math.exp(-0.1 * ahead)))
    return sum(losses) / len(losses)


@pytest.mark.train
def test_the_card_says_what_was_done(scene: Scene) -> None:
    card = (scene.whole.adapter / "README.md").read_text()
    run = json.loads((scene.whole.path / "run.json").read_text())

    assert not (scene.whole.adapter / "ref").exists()
    assert f"tags: [lora, {scene.method}]" in card
    assert ("without a reference" if scene.method == "orpo" else "as compared with the base") in card
    assert "| beta | 0.1 |" in card
    assert (run["recipe"]["method"], run["recipe"]["own"]) == (scene.method, OWN[scene.method])


@pytest.mark.train
def test_all_weights_can_be_trained_and_those_of_kto_are_compared_with_a_copy_of_the_base(scene: Scene) -> None:
    job = scene.job("full")

    assert train(job, spec=scene.spec(weights={"kind": "full"}, learning_rate=0.003), home=scene.folder) == "succeeded"

    readings = [values for _, values in job.metrics if "eval_loss" in values]
    assert readings[-1]["eval_loss"] < readings[0]["eval_loss"]
    assert readings[-1]["eval_rewards/margins"] > readings[0]["eval_rewards/margins"] > 0
    if scene.method == "kto":
        base, tuned = (store.load(str(place), home=scene.folder).model for place in (scene.base, job.path / "model"))
        wanted = judged_loss(tuned, base, tiny_tokenizer(), scene.validation, part=4)
        assert readings[-1]["eval_loss"] == pytest.approx(wanted, abs=2e-4)


@pytest.mark.train
def test_answers_of_one_sort_that_weigh_more_are_learned_more(tmp_path: Path) -> None:
    base, rows = save_tiny(tmp_path / "base"), write_answers(tmp_path / "rows.jsonl", 15)
    moved = {}
    for weight in (1.0, 0.2):
        job = MemoryJob(tmp_path / str(weight))
        own = {**OWN["kto"], "undesirable_weight": weight}
        train(job, spec=spec_of(base, rows, method="kto", validation=rows, epochs=3, **own), home=tmp_path)
        moved[weight] = [values for _, values in job.metrics if "eval_loss" in values][-1]

    assert abs(moved[0.2]["eval_rewards/rejected"]) < abs(moved[1.0]["eval_rewards/rejected"])


@pytest.mark.train
def test_a_batch_of_pairs_that_goes_in_by_parts_gives_what_it_gives_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole batches only: 8 pairs in batches of 4."""
    from tuneport_local.machine import hardware

    base, rows = save_tiny(tmp_path / "base"), write_pairs(tmp_path / "rows.jsonl", 8)
    jobs = [MemoryJob(tmp_path / name) for name in ("whole", "parts")]
    for job, part in zip(jobs, (4, 2), strict=True):
        monkeypatch.setattr(hardware, "fit", lambda *_, part=part, **__: hardware.Fit(part, False, ()))
        train(job, spec=spec_of(base, rows, method="orpo", **OWN["orpo"]), home=tmp_path)

    whole, parts = (job.losses() for job in jobs)
    assert list(parts.values()) == pytest.approx(list(whole.values()), abs=1e-5)


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


# --- failures ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.train
@pytest.mark.parametrize(("wanted", "said"), [(True, "all 6 answers are wanted ones"), (False, "all 6 answers are unwanted ones")])
def test_answers_of_one_sort_alone_are_refused_and_nothing_is_left(wanted: bool, said: str, tmp_path: Path) -> None:
    base, rows = save_tiny(tmp_path / "base"), tmp_path / "rows.jsonl"
    Dataset.from_examples([answer(str(number), "Red", wanted=wanted) for number in range(6)], name="rows").write(rows, format="canonical")
    job = MemoryJob(tmp_path / "job")

    with pytest.raises(DatasetError, match=f"train data: {said}; method kto learns from the difference"):
        train(job, spec=spec_of(base, rows, method="kto", **OWN["kto"]), home=tmp_path)
    assert JobState.RUNNING not in job.phases


@pytest.mark.train
def test_batches_in_which_no_answer_meets_another_prompt_are_refused(tmp_path: Path) -> None:
    base, rows = save_tiny(tmp_path / "base"), write_answers(tmp_path / "rows.jsonl", 6)

    with pytest.raises(RecipeError, match="compares answers with those of other rows, and batch_size is 1"):
        train(MemoryJob(tmp_path / "job"), spec=spec_of(base, rows, method="kto", batch_size=1, **OWN["kto"]), home=tmp_path)


@pytest.mark.train
def test_rows_of_another_kind_are_refused_before_the_model_is_loaded(scene: Scene) -> None:
    rows = scene.folder / "chats.jsonl"
    Dataset.from_examples([answer("one", "Red", wanted=None)], name="rows").write(rows, format="canonical")
    job = scene.job("other rows")

    with pytest.raises(DatasetError, match="train data: line 1: a chat row"):
        train(job, spec=spec_of(scene.base, rows, method=scene.method, **OWN[scene.method]), home=scene.folder)
    assert job.phases == [JobState.VALIDATING]


def test_a_trl_that_has_put_orpo_elsewhere_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trl.experimental.orpo", None)
    monkeypatch.delitem(sys.modules, "tuneport_local.methods.trl_experimental")

    with pytest.raises(Unsupported, match=r"has no trl\.experimental\.orpo, where trl 1\.16 has ORPO"):
        importlib.import_module("tuneport_local.methods.trl_experimental")
    assert trl_experimental.ORPOTrainer._name == "ORPO"
